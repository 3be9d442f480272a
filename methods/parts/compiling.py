"""Requirements of ``torch.compile``."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec

from harness.contract import UnsupportedError

__all__ = ["require_compiler"]


def require_compiler(device: str) -> None:
    """Raise UnsupportedError if ``torch.compile`` can't work: without a C++ compiler, or without Triton on CUDA."""
    names = (os.environ.get("CXX", ""), "g++", "clang++")
    if not any(name and shutil.which(name) for name in names):
        raise UnsupportedError(
            "compile=true needs a C++ compiler, and none is installed: install g++ ('apt-get install g++'), or use "
            "compile=false."
        )
    if device.startswith("cuda") and find_spec("triton") is None:
        raise UnsupportedError(
            "compile=true on CUDA needs Triton, which is not installed: 'pip install triton', or use compile=false."
        )
