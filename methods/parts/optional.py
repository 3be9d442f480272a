"""Packages and kernels of Triton that may not work here: why, as a warning and as a reason for the record."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from types import ModuleType

import torch

__all__ = ["import_optional", "on_device", "reason_it_fails"]


def import_optional(module: str, name: str, part: str) -> tuple[ModuleType | None, str]:
    """Import an optional module, or return None and why; a warning, too, if it is installed and its import fails.

    Parameters
    ----------
    module
        Name that Python imports.
    name, part
        What the module is, and what uses it, as the reason and the warning name them.
    """
    try:
        return import_module(module), ""
    except ModuleNotFoundError:
        return None, f"{name} is not installed"
    except Exception as error:
        warnings.warn(f"{part} does not use {name}, whose import failed: {error}", RuntimeWarning, 3)
        return None, f"{name} can't be imported: {error}"


def reason_it_fails(attempt: Callable[[], object], name: str, part: str) -> str:
    """Return why an attempt fails, with a warning; empty where it succeeds. Parameters as in :func:`import_optional`.

    Raises
    ------
    torch.OutOfMemoryError
        If the attempt does: the device is full, and another implementation would not help.
    """
    try:
        attempt()
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        warnings.warn(f"{part} does not use {name}, which failed: {error}", RuntimeWarning, 3)
        return f"{name} failed: {str(error).strip().partition(chr(10))[0] or type(error).__name__}"
    return ""


def on_device(device: torch.device) -> AbstractContextManager[object]:
    """Return the context in which Triton launches on a device; its interpreter on a CPU needs none."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()
