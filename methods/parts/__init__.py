"""Building blocks that more than one method uses. They import torch, so a method imports them on first use."""
