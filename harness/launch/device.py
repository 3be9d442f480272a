"""Choosing a device without importing torch."""

from __future__ import annotations

import shutil
import subprocess

from harness.errors import UsageError

__all__ = ["choose_device"]


def choose_device(name: str) -> str:
    """Turn ``auto`` into the first CUDA device, or the CPU where the system has none; torch is not imported."""
    if name != "auto":
        if name != "cpu" and not name.startswith("cuda"):
            raise UsageError(f"There is no device '{name}': use cpu, cuda:0 or auto with --device.")
        return name
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return "cpu"
    listed = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=30, check=False)
    return "cuda:0" if listed.returncode == 0 and "GPU 0" in listed.stdout else "cpu"
