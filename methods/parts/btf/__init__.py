"""Building blocks of BTF alone."""
