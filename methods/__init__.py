"""The methods that ``harness`` compares: one file a family; their building blocks are in :mod:`methods.parts`."""
