"""What lies beside the archives of Real-IAD D3: the lists of samples, and what the user declares about the clouds."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path

import msgspec

from harness.data.own.description import UNITS, metres_per_unit
from harness.data.zipped import Archive, plain_name
from harness.errors import DataError
from harness.files.reading import read_regular

__all__ = ["DECLARATION", "Declaration", "Entry", "Listing", "category_name", "read_declaration", "read_listing"]

DECLARATION = "realiad_d3.toml"
"""Name of the user's file, in the folder of the dataset."""

JSONS = "realiad_d3_jsons"
_LARGEST_LIST = 2**26
_LARGEST_DECLARATION = 10**6


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the file: a key that is not known is refused."""


class _Cloud(_Part, frozen=True):
    unit: str | float


class _Colour(_Part, frozen=True):
    registered: bool = False


class Declaration(_Part, frozen=True):
    """What nobody has published of the clouds, with the keys of ``dataset.toml``.

    Parameters
    ----------
    cloud
        ``unit`` of their coordinates: m, cm, mm, um, or metres per unit.
    rgb
        ``registered``: images and clouds of different sizes show the same view.
    """

    cloud: _Cloud
    rgb: _Colour = _Colour()

    @property
    def metres(self) -> float:
        """Metres per unit of the clouds."""
        return metres_per_unit(self.cloud.unit)


class Entry(msgspec.Struct, frozen=True):
    """A sample of a list; paths are of files in the archive, below the list's prefix."""

    anomaly_class: str
    image_path: str
    xyz_path: str | None = None
    mask_path: str | None = None


class _Meta(msgspec.Struct, frozen=True):
    prefix: str = ""


class Listing(msgspec.Struct, frozen=True):
    """The samples of a category by split."""

    train: tuple[Entry, ...] = ()
    validation: tuple[Entry, ...] = ()
    test: tuple[Entry, ...] = ()
    meta: _Meta = _Meta()

    def member(self, path: str, archive: Archive) -> str:
        """Return the name in the archive of a file of the list; the one it should have where it is not there."""
        prefix = self.meta.prefix
        names = [plain_name(name) for name in (f"{prefix}{path}", f"{prefix}/{path}", path)]
        return next((name for name in names if name in archive), names[0])


def category_name(stem: str) -> str:
    """Return a category's one name: files of one category have ``-`` in places where others have ``_``."""
    return stem.replace("-", "_")


def read_declaration(root: Path) -> Declaration:
    """Read what the user declares; raise DataError with what to write where it is missing or wrong."""
    path = root / DECLARATION
    how = f"write {path} with the lines '[cloud]' and 'unit = \"mm\"' ({', '.join(UNITS)}, or metres per unit)"
    if not path.exists():
        raise DataError(f"The unit of Real-IAD D3's clouds is not published: find it out, and {how}.")
    try:
        content = tomllib.loads(read_regular(path, _LARGEST_DECLARATION).decode("utf-8"))
        declared = msgspec.convert(content, Declaration)
    except (OSError, ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
        raise DataError(f"{path} can't be used ({error}): {how}; '[rgb]' may have 'registered = true'.") from error
    unit = declared.cloud.unit
    if unit not in UNITS if isinstance(unit, str) else not (math.isfinite(unit) and unit > 0):
        raise DataError(f"{path} gives the unit {unit!r}: {how}.")
    return declared


def read_listing(root: Path, category: str, hint: str) -> Listing:
    """Read the list of a category's samples: a file of the folder of lists, else of their archive.

    Raises
    ------
    DataError
        Where there is none, there are two, or it can't be read.
    """
    folder, archived = root / JSONS, root / f"{JSONS}.zip"
    paths = sorted(folder.glob("[!.]*.json")) if folder.is_dir() else []
    if lists := [path for path in paths if category_name(path.stem) == category]:
        _require_one(lists, hint)
        try:
            content = read_regular(lists[0], _LARGEST_LIST)
        except OSError as error:
            raise DataError(f"{lists[0]} can't be read ({error.strerror}): {hint}.") from error
        return _parsed(str(lists[0]), content, hint)
    if not archived.exists():
        raise DataError(
            f"{folder} has no list of the samples of '{category}': put {JSONS}.zip of the download into {root}."
        )
    archive = Archive(archived, hint)
    suffix = ".json"
    names = [name for name in archive.names if name.endswith(suffix)]
    inside = [name for name in names if category_name(name.rpartition("/")[2].removesuffix(suffix)) == category]
    if not inside:
        raise DataError(f"{archived} has no list of the samples of '{category}': {hint}.")
    _require_one([archived / name for name in inside], hint)
    member = archive.read(inside[0], _LARGEST_LIST)
    return _parsed(str(member), member.content, hint)


def _require_one(paths: list[Path], hint: str) -> None:
    if len(paths) > 1:
        raise DataError(f"{paths[0]} and {paths[1]} are lists of one category: keep one of them, or {hint}.")


def _parsed(name: str, content: bytes, hint: str) -> Listing:
    try:
        return msgspec.json.decode(content, type=Listing)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name} is not a list of samples ({error}): {hint}.") from error
