"""The name and version under which this package is installed; the command and the imports are called ``harness``."""

from __future__ import annotations

__all__ = ["DISTRIBUTION", "VERSION", "install_command", "is_own_distribution"]

DISTRIBUTION = "ad3d-harness"
VERSION = "0.1.0"
_NAMES = (DISTRIBUTION, "harness")
"""The present name, and the one that records and earlier installations carry."""


def is_own_distribution(name: str) -> bool:
    """Return whether an installed distribution is this package, whose methods and datasets are the built-in ones."""
    return name in _NAMES


def install_command(*extras: str) -> str:
    """Return the command that installs this package with extras: ``pip install 'ad3d-harness[btf]'``."""
    return f"pip install '{DISTRIBUTION}[{','.join(extras)}]'" if extras else f"pip install {DISTRIBUTION}"
