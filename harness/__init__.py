"""One protocol for multimodal (RGB + 3D) industrial anomaly detectors.

From Python: :func:`run`, :func:`results`, :func:`compare`, :func:`table`, :func:`tables`, :func:`merge` and
:func:`evaluate` (:mod:`harness.api`).
Authors of a method read :mod:`harness.contract`. Everybody else uses the ``harness`` command.
"""

from __future__ import annotations

TYPE_CHECKING = False  # without the time that importing typing takes: the command watches signals as soon as it can

if TYPE_CHECKING:
    from harness.api import compare, datasets, evaluate, merge, methods, results, run, table, tables

    __version__: str

__all__ = ["__version__", "compare", "datasets", "evaluate", "merge", "methods", "results", "run", "table", "tables"]


def __getattr__(name: str) -> object:
    """Import the functions, and read the version, on first use, so that the command starts fast."""
    if name not in __all__:
        raise AttributeError(f"module 'harness' has no attribute '{name}'")
    if name == "__version__":
        from importlib.metadata import version

        return version("harness")
    from harness import api

    return getattr(api, name)
