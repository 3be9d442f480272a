"""Building blocks of M3DM alone."""
