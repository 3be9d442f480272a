"""Fast Point Feature Histograms (Rusu et al., ICRA 2009), by Open3D, which is imported on first use."""

from __future__ import annotations

import contextlib
import ctypes
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.contract import UnsupportedError
from harness.distribution import install_command

__all__ = ["FPFHSettings", "fpfh", "require_open3d"]

_LIBUSB = "libusb-1.0.so.0"


@dataclass(frozen=True, slots=True)
class FPFHSettings:
    """Neighbourhoods of normals and histograms, by default as published; :class:`methods.btf.BTF` documents them."""

    normal_radius: float = 0.1
    normal_neighbours: int = 30
    feature_radius: float = 0.25
    feature_neighbours: int = 100


def fpfh(points: NDArray[np.floating[Any]], settings: FPFHSettings, *, seed: int) -> NDArray[np.float64]:
    """Return a histogram of the neighbourhood of every point.

    Normals are not oriented: their signs are those of Open3D's eigen-solver; another library gives other signs.

    Parameters
    ----------
    points : (N, 3) float
        Metres; N at least 1.
    seed
        Seed of Open3D's random numbers.

    Returns
    -------
    (N, 33) float64: three angles with eleven bins each, which add up to 200, or to 0 for a point without neighbours.

    Raises
    ------
    UnsupportedError
        If Open3D can't be imported.
    """
    o3d = _open3d()
    o3d.utility.random.seed(seed % 2**31)
    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(np.asarray(points, np.float64)))
    hybrid = o3d.geometry.KDTreeSearchParamHybrid
    cloud.estimate_normals(hybrid(settings.normal_radius, settings.normal_neighbours))
    search = hybrid(settings.feature_radius, settings.feature_neighbours)
    return np.asarray(o3d.pipelines.registration.compute_fpfh_feature(cloud, search).data).T.copy()


def require_open3d() -> None:
    """Raise :class:`UnsupportedError` if Open3D can't be imported."""
    _open3d()


@lru_cache(maxsize=1)
def _open3d() -> Any:
    """Import Open3D; if the system lacks libusb, which it links to, load that of libusb-package first."""
    try:
        ctypes.CDLL(_LIBUSB, ctypes.RTLD_GLOBAL)
    except OSError:
        with contextlib.suppress(ImportError, OSError):
            path = Path(import_module("libusb_package").get_library_path())
            ctypes.CDLL(str(path), ctypes.RTLD_GLOBAL)
    try:
        return import_module("open3d")
    except (ImportError, OSError) as error:
        raise UnsupportedError(
            f"FPFH is computed by Open3D, which can't be imported ({error}): "
            f"install it with {install_command('btf')}, or use features without FPFH, btf[features=rgb]."
        ) from error
