"""Samples with their clouds and maps."""
