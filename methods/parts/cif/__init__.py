"""Building blocks of CIF alone."""
