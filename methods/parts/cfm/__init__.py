"""Building blocks of CFM alone."""
