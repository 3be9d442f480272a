"""Choosing a device without importing torch."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version

from harness.errors import UsageError

__all__ = ["choose_device"]


def choose_device(name: str) -> str:
    """Turn ``auto`` into the first CUDA device, or the CPU where torch can use none.

    Raises
    ------
    UsageError
        For a name that is no device.
    """
    if name == "auto":
        return "cuda:0" if _has_cuda() else "cpu"
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise UsageError(f"There is no device '{name}': use cpu, cuda:0 or auto with --device.")
    return "cuda:0" if name == "cuda" else name


def _has_cuda() -> bool:
    tool = shutil.which("nvidia-smi")
    if tool is None or os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1") or _torch_is_for_cpu():
        return False
    try:
        listed = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return listed.returncode == 0 and "GPU 0" in listed.stdout


def _torch_is_for_cpu() -> bool:
    try:
        return version("torch").endswith("+cpu")
    except PackageNotFoundError:
        return True
