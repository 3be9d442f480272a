"""Building blocks of TRD alone."""
