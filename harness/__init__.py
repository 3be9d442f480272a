"""One protocol for multimodal (RGB + 3D) industrial anomaly detectors.

From Python: :func:`run`, :func:`results`, :func:`table`, :func:`tables` and :func:`evaluate` (:mod:`harness.api`).
Authors of a method read :mod:`harness.contract`. Everybody else uses the ``harness`` command.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.api import datasets, evaluate, methods, results, run, table, tables

__all__ = ["__version__", "datasets", "evaluate", "methods", "results", "run", "table", "tables"]

try:
    __version__: str = version("harness")
except PackageNotFoundError:  # pragma: no cover - a source tree that was never installed
    __version__ = "0+unknown"


def __getattr__(name: str) -> object:
    """Import the functions on first use, so that the command starts fast."""
    if name not in __all__:
        raise AttributeError(f"module 'harness' has no attribute '{name}'")
    from harness import api

    return getattr(api, name)
