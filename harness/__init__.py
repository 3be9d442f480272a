"""One protocol for multimodal (RGB + 3D) industrial anomaly detectors.

Authors of a method read :mod:`harness.contract`; everybody else uses the ``harness`` command.
"""

from importlib.metadata import PackageNotFoundError, version

__all__ = ["__version__"]

try:
    __version__: str = version("harness")
except PackageNotFoundError:  # pragma: no cover - a source tree that was never installed
    __version__ = "0+unknown"
