"""The methods that ``harness`` compares: one file per family, shared building blocks in :mod:`methods.parts`."""
