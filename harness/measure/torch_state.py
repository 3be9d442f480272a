"""One torch state for every method: seeds, determinism, precision flags, synchronisation."""

from __future__ import annotations

import random

import numpy as np

__all__ = ["configure", "synchronise"]


def configure(device: str, seed: int) -> None:
    """Seed every global generator and pin the flags that change results.

    TF32 is off and cuDNN deterministic, so that fp32 means fp32 on every device.

    Parameters
    ----------
    device
        Torch device name; CUDA work of this process goes there.
    seed
        The cell's seed.
    """
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - for methods that draw from the global generator
    torch.manual_seed(seed)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    if device.startswith("cuda"):
        torch.cuda.set_device(device)


def synchronise(device: str) -> None:
    """Wait until all work queued on the device is done; nothing on a CPU."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize(device)
