"""One torch state for every method: seeds, determinism, precision flags, synchronisation."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from harness.protocol import Math

__all__ = ["configure", "default_math", "synchronise"]

_CUBLAS_WORKSPACE = ":4096:8"
"""The faster of the two settings with which cuBLAS is deterministic."""


def configure(device: str, seed: int, *, uses_torch: bool = True) -> None:
    """Seed every global generator, pin the flags that change results, and open the device.

    The math is ``strict`` (:data:`harness.protocol.Math`): TF32 is off, cuDNN is deterministic, and torch uses
    deterministic algorithms where it has them; an operation without warns on standard error. Call it before anything
    uses CUDA, since cuBLAS reads its setting once.

    Parameters
    ----------
    device
        Torch device name; CUDA work of this process runs on it.
    seed
        The cell's seed.
    uses_torch
        Whether the method uses torch, which takes seconds to load. On a CUDA device it is always loaded.
    """
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = _CUBLAS_WORKSPACE
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - for methods that draw from the global generator
    if uses_torch or device.startswith("cuda"):
        _configure_torch(device, seed)


def _configure_torch(device: str, seed: int) -> None:
    import torch

    torch.manual_seed(seed)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    _set("strict")
    if device.startswith("cuda"):
        torch.cuda.set_device(device)
        _open(device)


def _set(math: Math) -> None:
    """Set every flag of torch that distinguishes the two kinds of math; what they share is set, too."""
    import torch

    strict = math == "strict"
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = not strict
    torch.backends.cudnn.deterministic = strict
    torch.use_deterministic_algorithms(strict, warn_only=strict)


@contextmanager
def default_math() -> Iterator[None]:
    """Compute in ``default`` math (:data:`harness.protocol.Math`) inside, and in ``strict`` math again after it."""
    _set("default")
    try:
        yield
    finally:
        _set("strict")


def _open(device: str) -> None:
    """Make the context and cuBLAS's workspace, which are the same for every method and count for none."""
    import torch

    ones = torch.ones(64, 64, device=device)
    torch.addmm(ones[0], ones, ones)
    torch.cuda.synchronize(device)


def synchronise(device: str) -> None:
    """Wait until all work queued on the device is done; nothing on a CPU."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize(device)
