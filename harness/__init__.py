"""One protocol for multimodal (RGB + 3D) industrial anomaly detectors.

From Python: :func:`run`, :func:`results`, :func:`compare`, :func:`table`, :func:`tables`, :func:`merge`,
:func:`evaluate` and :func:`load_fitted` (:mod:`harness.api`).
Authors of a method read :mod:`harness.contract`. Everybody else uses the ``harness`` command.
"""

from __future__ import annotations

from harness.distribution import VERSION

TYPE_CHECKING = False  # without the time that importing typing takes: the command watches signals as soon as it can

if TYPE_CHECKING:
    from harness.api import compare, datasets, evaluate, load_fitted, merge, methods, results, run, table, tables

__all__ = [
    "__version__",
    "compare",
    "datasets",
    "evaluate",
    "load_fitted",
    "merge",
    "methods",
    "results",
    "run",
    "table",
    "tables",
]

__version__ = VERSION


def __getattr__(name: str) -> object:
    """Import the functions on first use, so that the command starts fast."""
    if name not in __all__:
        raise AttributeError(f"module 'harness' has no attribute '{name}'")
    from harness import api

    return getattr(api, name)
