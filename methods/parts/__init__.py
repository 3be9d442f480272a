"""Building blocks that several methods share; those of one family are in a folder of its name.

They import torch, so a method imports them on first use.
"""
