"""Background removal of MVTec 3D-AD clouds: the reference's plane and cluster rules, seeded and cached.

The rules are those of the offline script that BTF, M3DM and CFM share (Horwitz and Hoshen, "Back to the Feature",
CVPR Workshops 2023), without its rewriting of the files and without its zero padding, which changes no point.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.data.dbscan import dbscan, largest_cluster
from harness.data.plane import fit_plane
from harness.files.cache_dir import read_cached, write_cached
from harness.files.digest import digest, seed_from
from harness.geometry import valid_points

__all__ = [
    "CLEANING",
    "CleanMasks",
    "CleaningSettings",
    "border_points",
    "cached_clean_masks",
    "clean_masks",
]


@dataclass(frozen=True, slots=True)
class CleaningSettings:
    """Settings of the background removal; the defaults are the reference's.

    Parameters
    ----------
    version
        Name of these rules in the protocol; to be changed with every change of the code that moves a point.
    border
        Width of the frame whose points define the background plane, pixels.
    inlier_distance, sample_size, iterations
        Of the plane's RANSAC: metres, points of a hypothesis, hypotheses.
    plane_distance
        Points nearer than this to the plane are background, metres.
    eps, min_points
        Of DBSCAN: metres, neighbours of a core point with itself.
    """

    version: str = "reference-1"
    border: int = 10
    inlier_distance: float = 0.004
    sample_size: int = 50
    iterations: int = 1000
    plane_distance: float = 0.005
    eps: float = 0.006
    min_points: int = 30

    def to_json(self) -> dict[str, object]:
        """Return the settings as plain JSON values."""
        return asdict(self)


CLEANING = CleaningSettings()


@dataclass(frozen=True, slots=True, eq=False)
class CleanMasks:
    """The result of cleaning for each pixel.

    Parameters
    ----------
    keep : (H, W) bool
        True where the point stays.
    plane : (H, W) bool
        True where the point was removed with the background plane.
    """

    keep: NDArray[np.bool_]
    plane: NDArray[np.bool_]


def border_points(xyz: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """Return the valid points (N, 3) of the first and last rows and columns; corners count twice."""
    strips = (xyz[:width], xyz[-width:], xyz[:, :width], xyz[:, -width:])
    points = np.concatenate([strip.reshape(-1, 3) for strip in strips])
    return points[valid_points(points)]


def clean_masks(
    xyz: NDArray[np.float32], settings: CleaningSettings = CLEANING, *, clusters: bool = True
) -> CleanMasks:
    """Decide which points belong to the object.

    The plane through the image's frame is removed, then the largest DBSCAN cluster is kept. Noise counts as a
    cluster, and a tie goes to the lower label. Where the frame holds fewer valid points than a hypothesis of the plane
    needs (the background is removed already), only the clusters are searched; the reference would fail. The
    seed of RANSAC comes from the settings' version and the cloud's content, so the result depends on nothing else.

    Parameters
    ----------
    xyz : (H, W, 3) float32
        Metres, finite; a zero coordinate marks a missing point.
    settings
        Thresholds.
    clusters
        Whether the largest cluster alone is kept; else all that lies off the plane.

    Returns
    -------
    Masks of the cloud's size. Nothing is kept where every point lies on the plane.
    """
    return _compute(xyz, settings, _content_digest(xyz), clusters)


def cached_clean_masks(
    xyz: NDArray[np.float32], folder: Path, settings: CleaningSettings = CLEANING, *, clusters: bool = True
) -> CleanMasks:
    """Return :func:`clean_masks`, from a file under ``folder`` where the same cloud was cleaned before.

    A damaged file is replaced. A folder that can't be written gives one warning, and masks are computed at every use.
    """
    content = _content_digest(xyz)
    key = {"settings": settings.to_json(), "sha256": content} | ({} if clusters else {"clusters": False})
    path = folder / f"{digest(key, 32)}.npz"
    masks = read_cached(path, lambda packed: _unpacked(packed, xyz.shape[:2]))
    if masks is None:
        masks = _compute(xyz, settings, content, clusters)
        write_cached(path, _packed(masks))
    return masks


def _compute(xyz: NDArray[np.float32], settings: CleaningSettings, content: str, clusters: bool) -> CleanMasks:
    valid = valid_points(xyz)
    plane = valid & _near_plane(xyz, settings, seed_from("clean", settings.version, content))
    keep = valid & ~plane
    if clusters:
        keep[keep] = largest_cluster(dbscan(xyz[keep], settings.eps, settings.min_points))
    return CleanMasks(keep, plane)


def _near_plane(xyz: NDArray[np.float32], settings: CleaningSettings, seed: int) -> NDArray[np.bool_]:
    plane = fit_plane(
        border_points(xyz, settings.border),
        seed=seed,
        inlier_distance=settings.inlier_distance,
        sample_size=settings.sample_size,
        iterations=settings.iterations,
    )
    if plane is None:
        return np.zeros(xyz.shape[:2], dtype=np.bool_)
    return plane.distance(xyz) < settings.plane_distance


def _content_digest(xyz: NDArray[np.float32]) -> str:
    content = hashlib.sha256(f"{xyz.dtype.str} {xyz.shape}".encode())
    content.update(np.ascontiguousarray(xyz).data)
    return content.hexdigest()


def _unpacked(packed: bytes, shape: tuple[int, ...]) -> CleanMasks:
    with np.load(io.BytesIO(packed), allow_pickle=False) as stored:
        return CleanMasks(_unpack(stored["keep"], shape), _unpack(stored["plane"], shape))


def _unpack(bits: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    height, width = shape
    if bits.dtype != np.uint8 or bits.shape != ((height * width + 7) // 8,):
        raise ValueError(f"it holds {bits.dtype} of shape {bits.shape}")
    return np.unpackbits(bits, count=height * width).astype(np.bool_).reshape(height, width)


def _packed(masks: CleanMasks) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, keep=np.packbits(masks.keep), plane=np.packbits(masks.plane))
    return stream.getvalue()
