"""Building blocks of the methods: shared ones here, those of one family in a folder of its name.

They import torch, so a method imports them on first use.
"""
