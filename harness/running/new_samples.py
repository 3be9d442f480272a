"""New samples, read and cleaned as those of the dataset that a method was fitted on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import registry
from harness.cell import Cell
from harness.contract import Sample
from harness.data.background import Background
from harness.data.clouds.cloud import read_cloud, within_rows
from harness.data.images import GIVE_ANOTHER, read_rgb, read_xyz
from harness.data.smaller import sample_within
from harness.data.units import require_metres
from harness.errors import DataError, UsageError
from harness.geometry import valid_points
from harness.metrics.regions import ImageFrame
from harness.store.fitted import Origin

__all__ = ["NewSample", "SampleReader"]


@dataclass(frozen=True, slots=True, eq=False)
class NewSample:
    """A sample as a method gets it, but for the modalities that the method does not use.

    Parameters
    ----------
    sample
        Cleaned, without a label.
    frame
        Where its pixels lie in the image that was given.
    """

    sample: Sample
    frame: ImageFrame


class SampleReader:
    """Makes samples of files and of arrays.

    Parameters
    ----------
    fitted
        File of the fitted method, as messages name it.
    cell, origin
        What that file says of the method and of its dataset.
    clean
        Whether the background is removed as it was there.

    Attributes
    ----------
    files, cloud
        How files of own data are named, and what those of clouds hold; None for other datasets.

    Raises
    ------
    UsageError
        Where the method needs more than an image and a cloud, or it is not known how clouds are cleaned.
    """

    def __init__(self, fitted: Path, cell: Cell, origin: Origin, *, clean: bool = True) -> None:
        self._cell, self._origin = cell, origin
        self.files, self.cloud = origin.files, origin.cloud
        self._background = _required_background(origin, fitted) if clean else None
        self._needs_measured = _needs_measured(cell.method)

    def read(self, rgb: Path, xyz: Path, camera: Path | None = None, *, id: str = "") -> NewSample:
        """Read the files of a sample.

        Parameters
        ----------
        rgb, xyz, camera
            As for :meth:`harness.running.predict.FittedMethod.predict_files`.
        id
            Of the sample; the image's name where empty.

        Raises
        ------
        DataError, UsageError
            Where a file can't be used, or the camera's is not named.
        """
        cloud = self.cloud
        colours = read_rgb(rgb)
        if cloud is None:
            points = read_xyz(xyz)
        elif camera is None and cloud.camera is not None and cloud.camera.file:
            raise UsageError(
                f"Each image has a camera of its own where this method was fitted: name that of {xyz} with "
                "--camera FILE.json."
            )
        else:
            points = read_cloud(xyz, colours.shape[:2], cloud, camera)
        return self._made(id or rgb.stem, colours, points, (str(rgb), str(xyz)))

    def take(self, rgb: NDArray[Any], xyz: NDArray[Any], *, id: str = "") -> NewSample:
        """Make a sample of arrays.

        Parameters
        ----------
        rgb : (H, W, 3) uint8
            Colour image.
        xyz : (H, W, 3) float
            Point of every pixel, as for :meth:`harness.running.predict.FittedMethod.predict`.
        id
            Of the sample.

        Raises
        ------
        DataError
            Where an array has another shape or type, or a coordinate is not finite.
        """
        if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or not rgb.size:
            raise DataError(f"rgb is {rgb.dtype} of shape {rgb.shape}: give uint8 of shape (H, W, 3).")
        if xyz.ndim != 3 or xyz.shape[2] != 3 or xyz.dtype.kind != "f":
            raise DataError(f"xyz is {xyz.dtype} of shape {xyz.shape}: give floats of shape (H, W, 3), in metres.")
        if not np.isfinite(xyz).all():
            raise DataError("xyz holds NaN or infinite coordinates: set points that are missing to (0, 0, 0).")
        return self._made(id or "sample", rgb, xyz.astype(np.float32), ("rgb", "xyz"))

    def _made(
        self, id: str, colours: NDArray[np.uint8], points: NDArray[np.float32], names: tuple[str, str]
    ) -> NewSample:
        (height, width), size = colours.shape[:2], points.shape[:2]
        if (height, width) != size:
            raise DataError(
                f"{names[0]} is {width}x{height} but {names[1]} is {size[1]}x{size[0]}: "
                "both must have the same size, pixel by pixel."
            )
        points[~valid_points(points)] = 0
        nothing = np.zeros((height, width), bool)
        sample = Sample(id, self._cell.category, "", rgb=colours, xyz=points, plane=nothing)
        require_metres(sample, names[1], GIVE_ANOTHER)
        cloud = self.cloud
        used = sample if cloud is None else within_rows(sample, cloud)
        given, top = used.rgb.shape[:2], 0
        if cloud is not None and cloud.rows is not None and given != (height, width):
            top = cloud.rows[0]
        used = sample_within(used, self._origin.max_side)
        if self._needs_measured:
            used = replace(used, measured=used.xyz)
        if self._background is not None:
            used, _ = self._background.clean(used)
        return NewSample(used, ImageFrame(used.rgb.shape[:2], given, top))


def _required_background(origin: Origin, fitted: Path) -> Background:
    """Return the rule by which a new cloud can be cleaned as the others were; raise UsageError where there is none."""
    if origin.background is not None and origin.background.rule != "marked":
        return origin.background
    unknown = "whose dataset doesn't say how they are cleaned"
    why = unknown if origin.background is None else "whose objects are marked in images of their own"
    raise UsageError(
        f"{fitted} was fitted on clouds {why}: remove the background of new ones as it was done there, and add "
        "--no-clean."
    )


def _needs_measured(name: str) -> bool:
    """Return whether a method needs the cloud before cleaning, which alone of the optional fields two files give."""
    needs = registry.load(name).meta.needs
    if others := [field for field in needs if field != "measured"]:
        raise UsageError(
            f"Method '{name}' needs '{others[0]}', which an image and a cloud do not give: use another method."
        )
    return bool(needs)
