"""Private parts of :mod:`methods.mafr`."""
