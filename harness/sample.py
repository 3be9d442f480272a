"""A sample as the harness reads it and as a method gets it: a part of the contract."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from secrets import token_hex
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MODALITIES", "OPTIONAL_FIELDS", "Sample", "random_id"]

MODALITIES = ("rgb", "depth", "xyz")
"""What a sample offers and a method uses: the image; the third coordinate of the points alone, in any unit; the points
in metres. Where there are points there is depth."""

OPTIONAL_FIELDS = ("normals", "lights", "measured")
"""Fields of a :class:`Sample` that only methods get which need them."""

_SEEN = ("rgb", "xyz", "plane", "blackened", *OPTIONAL_FIELDS)
_OF_POINTS = ("xyz", "measured")


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One RGB image with its pixel-aligned point cloud.

    A method gets the content of the modalities that it uses, and of no others (:meth:`only`).

    Parameters
    ----------
    id
        Identifier within its category, for example ``train/good/007``. A random text in blind samples.
    category
        Category of the object, for example ``bagel``.
    defect
        Name of the defect, ``good`` for nominal samples, empty in blind samples.
    rgb : (H, W, 3) uint8
        Colour image, sRGB.
    xyz : (H, W, 3) float32
        Point of every pixel in metres, exactly (0, 0, 0) where nothing was measured or cleaning removed the point. Of
        a dataset that offers a depth and no points (:data:`MODALITIES`), this depth three times, in its own unit.
    plane : (H, W) bool
        True where cleaning removed the point as background.
    mask : (H, W) bool, optional
        True on anomalous pixels; None where an anomalous sample has no mask. Withheld (None) from every method.
    anomalous : bool, optional
        Label of the sample. Withheld (None) from every method.
    regions : dict of (H, W) bool, optional
        Of a sample with several defects: the part of the mask that is of each, by the defect's name; parts may
        overlap. Withheld (None) from every method.
    normals : (H, W, 3) float32, optional
        Unit vector of every pixel's surface in the camera's axes, x to the right, y down, z away from the camera;
        exactly (0, 0, 0) where there is none. Given, as the next two, to a method that names it in ``Meta.needs``.
    lights : (L, H, W, 3) uint8, optional
        Further colour images of the same view, each under another light.
    measured : (H, W, 3) float32, optional
        The cloud before cleaning, in the axes and unit of ``xyz``: with background, table and small parts.
    blackened : (H, W) bool, optional
        True where the published preprocessing of the dataset makes the image black, too: on MVTec 3D-AD where cleaning
        removed a measured point, with the plane or with a small cluster. None of a dataset whose preprocessing leaves
        images as they are. ``rgb`` has its colours in any case.
    """

    id: str
    category: str
    defect: str
    rgb: NDArray[np.uint8]
    xyz: NDArray[np.float32]
    plane: NDArray[np.bool_]
    mask: NDArray[np.bool_] | None = None
    anomalous: bool | None = None
    regions: Mapping[str, NDArray[np.bool_]] | None = None
    normals: NDArray[np.float32] | None = None
    lights: NDArray[np.uint8] | None = None
    measured: NDArray[np.float32] | None = None
    blackened: NDArray[np.bool_] | None = None

    @property
    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """What a method may see of the sample, by the names of the fields; optional ones that it has not are absent."""
        fields = ((name, getattr(self, name)) for name in _SEEN)
        return {name: array for name, array in fields if array is not None}

    def only(self, modalities: Collection[str]) -> Sample:
        """Return the sample with the content of some modalities alone, of the same height and width.

        Without ``rgb`` the image is black, and there are no ``lights``. Without ``depth`` and ``xyz`` every point is
        (0, 0, 0), no pixel is of the plane, and there is nothing of what points alone can tell: ``blackened``,
        ``normals``, ``measured``. With ``depth`` and no ``xyz`` a point is its third coordinate three times.

        Parameters
        ----------
        modalities
            Of :data:`MODALITIES`.
        """
        changed: dict[str, Any] = {}
        if "rgb" not in modalities:
            changed |= {"rgb": np.zeros_like(self.rgb), "lights": None}
        if "xyz" not in modalities and "depth" in modalities:
            points = {name: self.arrays[name] for name in _OF_POINTS if name in self.arrays}
            changed |= {name: array[..., 2:].repeat(3, 2) for name, array in points.items()}
        elif "xyz" not in modalities:
            changed |= {"xyz": np.zeros_like(self.xyz), "plane": np.zeros_like(self.plane)}
            changed |= dict.fromkeys(("blackened", "normals", "measured"))
        return replace(self, **changed) if changed else self

    def blind(self, id: str = "") -> Sample:
        """Return the sample as a method gets it: without masks, label and defect name.

        Parameters
        ----------
        id
            Of the blind sample; a new random one where empty, which says nothing about the sample.
        """
        return replace(self, id=id or random_id(), defect="", mask=None, anomalous=None, regions=None)


def random_id() -> str:
    """Return an id for a blind sample. No seed or digest leads to it, so that no method can compute it."""
    return token_hex(6)
