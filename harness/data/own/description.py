"""``dataset.toml``: what own data are, in a typed form that is checked key by key.

Every key has a default but the unit of the clouds. A folder in MVTec 3D-AD's layout, in metres, needs no description.
"""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec

from harness.dataset_contract import Split

__all__ = [
    "AXES",
    "CAMERA_AXES",
    "DESCRIPTION",
    "LENGTH",
    "UNITS",
    "BackgroundRule",
    "Camera",
    "CloudDescription",
    "CloudKind",
    "Description",
    "Files",
    "Grid",
    "Naming",
    "metres_per_unit",
]

DESCRIPTION = "dataset.toml"
"""Name of the file that describes the folder it lies in."""

CloudKind = Literal["xyz", "pcd", "ply", "depth", "height"]
UNITS = {"m": 1.0, "cm": 1e-2, "mm": 1e-3, "um": 1e-6, "µm": 1e-6}
LENGTH = re.compile(r"\s*([0-9.eE+-]+)\s*(m|cm|mm|um|µm)\s*")
CAMERA_AXES = "right down forward"
AXES = {"right": (0, 1), "left": (0, -1), "down": (1, 1), "up": (1, -1), "forward": (2, 1), "backward": (2, -1)}


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A table of the file: a key that is not known is refused."""


class Naming(_Part, frozen=True):
    """``[dataset]``.

    Parameters
    ----------
    name
        Name in records and tables; the folder's name where empty.
    categories
        Those to be used, in this order; all that are found where empty.
    licence
        As tables of datasets show it.
    max_side
        Pixels of the longer side above which images, clouds and masks are made smaller when they are read; 0 for never.
    """

    name: str = ""
    categories: tuple[str, ...] = ()
    licence: str = "your own"
    max_side: int = 0


def _suffixes(stem: str, *suffixes: str) -> tuple[str, ...]:
    return tuple(f"{stem}.{suffix}" for suffix in suffixes)


_FOLDER = "{category}/{split}/{defect}"


class Files(_Part, frozen=True):
    """``[files]``: patterns of paths below the folder, with ``{category}``, ``{split}``, ``{defect}``, ``{id}``.

    ``*`` stands for any part of a name, ``**`` for any folders. A file of whichever pattern of a kind is taken.

    Parameters
    ----------
    rgb, cloud, mask
        Images, clouds and masks; no pattern of masks: none of the samples has one.
    list
        A CSV file with the columns ``category, id, split, defect, rgb, cloud, mask`` instead of patterns; paths below
        the folder, ``category`` and ``mask`` may be left out.
    nominal
        Names of the defect that stand for none, whatever their case.
    splits
        What stands for each split in the place of ``{split}``.
    """

    rgb: tuple[str, ...] | str = _suffixes(f"{_FOLDER}/rgb/{{id}}", "png", "jpg", "jpeg", "bmp", "tif", "tiff")
    cloud: tuple[str, ...] | str = _suffixes(f"{_FOLDER}/xyz/{{id}}", "tiff", "tif", "npy", "npz")
    mask: tuple[str, ...] | str = tuple(
        pattern
        for folder in ("gt", "ground_truth")
        for pattern in _suffixes(f"{_FOLDER}/{folder}/{{id}}", "png", "bmp", "tif", "tiff", "jpg")
    )
    list: str = ""
    nominal: tuple[str, ...] = ("good", "ok", "normal")
    splits: dict[Split, str] = msgspec.field(
        default_factory=lambda: {"train": "train", "validation": "validation", "test": "test"}
    )

    def patterns(self, kind: Literal["rgb", "cloud", "mask"]) -> tuple[str, ...]:
        """Return the patterns of a kind of files."""
        patterns: tuple[str, ...] | str = getattr(self, kind)
        return (patterns,) if isinstance(patterns, str) and patterns else tuple(patterns)


class Camera(_Part, frozen=True):
    """A pinhole: intrinsics in pixels, the centre of the first pixel is (0, 0); or the JSON file that has them.

    Parameters
    ----------
    fx, fy, cx, cy
        Focal lengths and principal point; None where a file has them.
    file
        Path below the folder of a JSON file with these four keys; ``{category}`` and ``{id}`` are allowed.
    """

    fx: float | None = None
    fy: float | None = None
    cx: float | None = None
    cy: float | None = None
    file: str = ""


class Grid(_Part, frozen=True):
    """Steps of a height map: distances of columns and rows, and ``z = value * z_scale + z_offset``, all in the unit."""

    dx: float
    dy: float
    z_scale: float = 1.0
    z_offset: float = 0.0


class CloudDescription(_Part, frozen=True):
    """``[cloud]``: how a file becomes points in metres.

    Parameters
    ----------
    unit
        ``m``, ``cm``, ``mm``, ``um``, or metres per unit; of a height map that of ``grid``.
    kind
        Format and meaning of the files.
    missing
        Values of z that mean "nothing measured": numbers, ``nan`` and ``inf`` (of any coordinate).
    axes
        Where x, y and z of the file point: ``right down forward`` is the camera's frame that the harness uses.
    camera
        Of a depth image.
    grid
        Of a height map.
    rows
        First and one past the last row that are used, as in files that hold more than the heights; those of image and
        masks, too, where they have as many rows as the cloud.
    """

    unit: str | float
    kind: CloudKind = "xyz"
    missing: tuple[str | float, ...] = ("nan", "inf", 0)
    axes: str = CAMERA_AXES
    camera: Camera | None = None
    grid: Grid | None = None
    rows: tuple[int, int] | None = None

    @property
    def metres(self) -> float:
        """Metres per unit of the file."""
        return metres_per_unit(self.unit)

    @property
    def missing_numbers(self) -> tuple[float, ...]:
        """The finite values of z that mean "nothing measured"."""
        return tuple(float(value) for value in self.missing if not isinstance(value, str))

    @property
    def turn(self) -> tuple[tuple[int, int], ...]:
        """Axis (0 right, 1 down, 2 forward) and sign of the file's x, y and z."""
        return tuple(AXES[word] for word in self.axes.split())


class Colour(_Part, frozen=True):
    """``[rgb]``.

    Parameters
    ----------
    registered
        Whether images are on the grid of the clouds, pixel by pixel; nothing is resized to fit.
    """

    registered: bool = True


class BackgroundRule(_Part, frozen=True):
    """``[background]``: what is taken away before a method sees a cloud. Lengths: ``"5 mm"``, or numbers in the unit.

    Parameters
    ----------
    rule
        ``plane``: the plane through the image's frame, then all but the largest cluster. ``depth``: what is not between
        ``nearest`` and ``farthest``. ``mask``: what is black in an image of the object. ``none``.
    border
        Pixels of the frame that shows the table.
    thickness
        Points nearer to the plane than this are table.
    cluster
        Distance of neighbours in a cluster.
    keep
        ``largest`` cluster, or ``all`` that lies off the plane, for several parts in one image.
    nearest, farthest
        Along z.
    mask
        Pattern of the images that are white where the object is.
    """

    rule: Literal["plane", "none", "depth", "mask"] = "plane"
    border: int = 10
    thickness: str | float = "5 mm"
    cluster: str | float = "6 mm"
    keep: Literal["largest", "all"] = "largest"
    nearest: str | float = 0
    farthest: str | float = "100 m"
    mask: tuple[str, ...] | str = ()


class Description(_Part, frozen=True):
    """A ``dataset.toml``."""

    cloud: CloudDescription
    dataset: Naming = Naming()
    files: Files = Files()
    rgb: Colour = Colour()
    background: BackgroundRule = BackgroundRule()

    def length(self, value: str | float) -> float:
        """Return a length of the file in metres."""
        match = LENGTH.fullmatch(value) if isinstance(value, str) else None
        return float(match[1]) * UNITS[match[2]] if match else float(value) * self.cloud.metres

    def to_json(self) -> dict[str, Any]:
        """Return what decides about samples as plain JSON values, defaults included: what a digest is made of.

        Lengths are in metres, however they are written.
        """
        content = {name: _plain(getattr(self, name)) for name in self.__struct_fields__}
        del content["dataset"]["licence"]
        content["cloud"]["unit"] = _rounded(self.cloud.metres)
        for name in ("thickness", "cluster", "nearest", "farthest"):
            content["background"][name] = _rounded(self.length(getattr(self.background, name)))
        return content


def _rounded(metres: float) -> float:
    return float(f"{metres:.12g}")


def metres_per_unit(unit: str | float) -> float:
    """Return the metres of a unit: ``m``, ``cm``, ``mm``, ``um``, or the number itself."""
    return UNITS[unit] if isinstance(unit, str) else float(unit)


def _plain(part: Any) -> Any:
    if isinstance(part, msgspec.Struct):
        return {name: _plain(getattr(part, name)) for name in part.__struct_fields__}
    return msgspec.to_builtins(part)
