"""Building blocks of CFR alone."""
