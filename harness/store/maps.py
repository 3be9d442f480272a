"""Maps of test images on disk, for pictures.

A file of ``RESULTS/maps`` is an ordinary compressed ``.npz`` archive without pickles, with an array for every image and
map, so that an image is read without the others. Values are stored as float16 after division by the largest magnitude
of their map, which is stored in the header as float64.

Notes
-----
Measured on CFM's seven maps of the toy dataset, where objects cover a quarter of the image: 23 kB a map, where float32
takes 48 kB and 16-bit integers 25 kB. No value is off by more than 2.5e-4 of the largest of its map, or by more than
2**-11 of itself above 6e-5 of the largest, which no colour scale shows.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness import registry
from harness.cell import Cell
from harness.contract import Explained, MethodError
from harness.errors import PrerequisiteError
from harness.files.arrays import read_arrays
from harness.files.atomic import write_atomically
from harness.metrics.scoring import resize_map
from harness.store.record import Record
from harness.store.store import Store

__all__ = ["ANOMALY_MAP", "ImageMaps", "MapFile", "kept_maps", "save_maps", "size_note"]

ANOMALY_MAP = "anomaly_map"
"""Name of the map that every image has."""

_BYTES_PER_MAP = 30_000
"""Rounded up: a map takes about 1.7 bytes for each pixel of the object."""

_MAPS, _EXPLAINED_MAPS = 3, 7
"""Number of maps of an image that a plan assumes; for a method that explains itself, the number of CFM's."""

_FORMAT = 1


@dataclass(frozen=True, slots=True, eq=False)
class ImageMaps:
    """The maps of a test image.

    Parameters
    ----------
    id
        Of the sample, for example ``test/crack/001``.
    score
        Anomaly score of the whole image.
    maps
        By name, (h, w) float each: ``anomaly_map``, the extras of the prediction, and what the method explains.
    """

    id: str
    score: float
    maps: Mapping[str, NDArray[np.floating[Any]]]


@dataclass(frozen=True, slots=True)
class _Image:
    """Score of an image, and the factor of each of its maps."""

    score: float
    scales: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Header:
    format: int
    cell: Cell
    images: Mapping[str, _Image]


_HEADERS = msgspec.json.Decoder(_Header)


def size_note(test_samples: Sequence[tuple[str, int]]) -> str:
    """Return how much room the maps of cells will take, in one sentence; empty where there is no cell.

    Parameters
    ----------
    test_samples
        Method and number of test samples of each cell.
    """
    if not test_samples:
        return ""
    maps = sum(count * _maps_of(method) for method, count in test_samples)
    cells = "1 cell" if len(test_samples) == 1 else f"{len(test_samples)} cells"
    return f"The maps of {cells} will take about {max(1, round(maps * _BYTES_PER_MAP / 1e6))} MB in the results folder."


def _maps_of(method: str) -> int:
    return _EXPLAINED_MAPS if issubclass(registry.load(method), Explained) else _MAPS


def save_maps(path: Path, cell: Cell, images: Iterable[ImageMaps]) -> None:
    """Write the maps of a cell's test images atomically, each in the evaluation geometry.

    Parameters
    ----------
    path
        ``.npz`` file.
    cell
        The cell they belong to; written into the file.
    images
        Consumed one after the other.

    Raises
    ------
    MethodError
        Where a map is not a square.
    """
    stream = io.BytesIO()
    index: dict[str, _Image] = {}
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for image in images:
            scales: dict[str, float] = {}
            for name, values in image.maps.items():
                packed, scales[name] = _packed(_in_geometry(image.id, name, values, cell.protocol.eval_size))
                _write(archive, f"{image.id}/{name}", packed)
            index[image.id] = _Image(float(image.score), scales)
        header = _Header(_FORMAT, cell, index)
        _write(archive, "header", np.array(json.dumps(msgspec.to_builtins(header))))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, stream.getvalue())


class MapFile:
    """Reads a file of maps, image by image.

    Parameters
    ----------
    path
        As :func:`save_maps` wrote it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def _header(self) -> _Header:
        try:
            text = read_arrays(self.path, ("header",))["header"]
            if text.dtype.kind != "U" or text.ndim:
                raise ValueError("its header is not text")
            header = _HEADERS.decode(str(text).encode())
            if header.format != _FORMAT:
                raise ValueError(f"format {header.format}")
            if any(ANOMALY_MAP not in image.scales for image in header.images.values()):
                raise ValueError(f"an image without {ANOMALY_MAP}")
        except (OSError, ValueError, RecursionError) as error:
            raise self._unreadable(error) from error
        return header

    @property
    def cell(self) -> Cell:
        """The cell that the maps belong to."""
        return self._header.cell

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the images, in the order of the test set."""
        return tuple(self._header.images)

    def names(self, sample_id: str) -> tuple[str, ...]:
        """Return the names of an image's maps; raise PrerequisiteError where it has none."""
        return tuple(self._image(sample_id).scales)

    def score(self, sample_id: str) -> float:
        """Return the anomaly score of an image; raise PrerequisiteError where it has none."""
        return self._image(sample_id).score

    def read(self, sample_id: str, names: Iterable[str] | None = None) -> dict[str, NDArray[np.float32]]:
        """Return the maps of an image by name, (S, S) float32 each, S the side of the evaluation geometry.

        Parameters
        ----------
        sample_id
            Of the image.
        names
            Which maps; all where None.

        Raises
        ------
        PrerequisiteError
            Where the file can't be read, or holds no such image or map.
        """
        scales = self._image(sample_id).scales
        lacking = [name for name in names or () if name not in scales]
        if lacking:
            raise self._unreadable(ValueError(f"image {sample_id} has no map '{lacking[0]}'"))
        wanted = {f"{sample_id}/{name}": scales[name] for name in (scales if names is None else names)}
        side = self.cell.protocol.eval_size
        try:
            maps = read_arrays(self.path, wanted)
            if any(values.dtype != np.float16 or values.shape != (side, side) for values in maps.values()):
                raise ValueError(f"the maps of {sample_id} are not {side} x {side} float16")
        except (OSError, ValueError) as error:
            raise self._unreadable(error) from error
        return {
            place.removeprefix(f"{sample_id}/"): (maps[place] * np.float64(scale)).astype(np.float32)
            for place, scale in wanted.items()
        }

    def _image(self, sample_id: str) -> _Image:
        if sample_id not in self._header.images:
            raise self._unreadable(ValueError(f"it has no image {sample_id}"))
        return self._header.images[sample_id]

    def _unreadable(self, error: Exception) -> PrerequisiteError:
        return PrerequisiteError(
            f"The maps in {self.path} can't be read ({type(error).__name__}: {error}): "
            "remove the file and make it again with 'harness run --methods NAME --save-maps'."
        )


def kept_maps(store: Store, record: Record) -> MapFile | None:
    """Return the maps of a record; None where none were kept, or where the file is left out as damaged."""
    path = store.maps_path(record.cell)
    file = MapFile(path)
    try:
        if not path.exists():
            return None
        if file.cell.id != record.cell.id:
            store.leave_out(path, "it holds the maps of another cell")
            return None
    except (OSError, PrerequisiteError) as error:
        store.leave_out(path, error.__cause__ or error)
        return None
    return file


def _in_geometry(sample: str, name: str, values: NDArray[Any], size: int) -> NDArray[Any]:
    if values.ndim != 2 or values.shape[0] != values.shape[1]:
        raise MethodError(f"The map '{name}' of sample {sample} has shape {values.shape}, not that of a square.")
    return resize_map(values, size)


def _packed(values: NDArray[Any]) -> tuple[NDArray[np.float16], float]:
    """Return a map as float16 in [-1, 1], and the factor that restores it."""
    wide = values.astype(np.float64)
    scale = float(np.abs(wide, where=np.isfinite(wide), out=np.zeros_like(wide)).max(initial=0.0)) or 1.0
    return (wide / scale).astype(np.float16), scale


def _write(archive: zipfile.ZipFile, name: str, values: NDArray[Any]) -> None:
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array(member, values, allow_pickle=False)
