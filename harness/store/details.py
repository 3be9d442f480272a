"""What a cell keeps beside its record, in one archive: scores of images, raw times, and counts of their pixels."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness.files.arrays import read_arrays
from harness.files.atomic import write_atomically
from harness.files.digest import digest, file_sha256
from harness.store.measurements import Amount
from harness.store.nominal import NominalScores
from harness.store.record import ImageScore, Record
from harness.store.store import Store, read_record_file

if TYPE_CHECKING:
    from harness.store.counts import ImageCounts

__all__ = [
    "Details",
    "counts_digest",
    "image_columns",
    "pack_names",
    "read_counts",
    "read_details",
    "unpack_names",
    "write_details",
]

_T = TypeVar("_T")

_KINDS = {"ids": "U", "defects": "U", "labels": "b", "scores": "f"}
"""Kinds of the arrays that say what images there are."""
_RAW = "raw_ms_"
"""Prefix of the arrays of raw times."""


@dataclass(frozen=True, eq=False)
class Details:
    """Scores and raw times of a cell.

    Parameters
    ----------
    images
        Every test image, in order.
    raw_ms
        Window of latency to its times in the order of the calls, (calls,) float64, ms.
    nominal
        Of the samples that thresholds are set on; empty where there are none.
    """

    images: tuple[ImageScore, ...] = ()
    raw_ms: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    nominal: NominalScores = field(default_factory=NominalScores)


def write_details(path: Path, details: Details, counts: ImageCounts | None) -> str:
    """Write the archive of a cell atomically, and return its SHA-256, which the record keeps.

    Parameters
    ----------
    path
        Of the archive.
    details
        Scores and raw times.
    counts
        Of the same images; None where they could not be made.
    """
    arrays: Any = {
        "ids": np.array([image.id for image in details.images], dtype=np.str_),
        "defects": np.array([image.defect for image in details.images], dtype=np.str_),
        "labels": np.array([bool(image.label) for image in details.images], dtype=bool),
        "scores": np.array([image.score for image in details.images], dtype=np.float64),
        **pack_names([image.also for image in details.images]),
        **_pack_nominal(details.nominal),
        **(counts.arrays() if counts is not None else {}),
        **{_RAW + window: np.asarray(times, dtype=np.float64) for window, times in details.raw_ms.items()},
    }
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, stream.getvalue())
    return sha256(stream.getvalue()).hexdigest()


def read_details(store: Store, record: Record) -> Details:
    """Return scores and raw times of a record; empty where none belong to it, or the archive is left out as damaged.

    Records of schema 1 hold them in their own file.
    """
    if record.schema == 1:
        return _inside_record(store, record)
    return _from_archive(store, record, _details_of) or Details()


def read_counts(store: Store, record: Record) -> ImageCounts | None:
    """Return the counts that belong to a record.

    Parameters
    ----------
    store
        Where they lie.
    record
        Of an ok cell.

    Returns
    -------
    ImageCounts or None
        None where there are none, those of another run of the cell, or an archive that is left out as damaged.
    """
    from harness.store.counts import ImageCounts

    counts = _from_archive(store, record, ImageCounts.read)
    if counts is None or record.schema != 1:
        return counts
    rows = zip(counts.ids, counts.labels.tolist(), counts.scores.tolist(), strict=True)
    images = _inside_record(store, record).images
    return counts if list(rows) == [(image.id, bool(image.label), image.score) for image in images] else None


def counts_digest(store: Store, record: Record) -> str:
    """Return a digest of a cell's archive and of what makes it the record's.

    Whether an archive belongs to a record of schema 1 shows in its scores alone, so they are part of it.

    Returns
    -------
    str
        Empty where there is none, that of another run, or one that is left out as damaged.
    """
    if record.schema != 1:
        return _from_archive(store, record, lambda path: record.details) or ""
    archive = _archive_sha256(store, store.counts_path(record.cell))
    images = _inside_record(store, record).images
    return digest([archive, [[image.id, bool(image.label), image.score] for image in images]], 32) if archive else ""


def image_columns(
    arrays: Mapping[str, NDArray[Any]],
) -> tuple[tuple[str, ...], tuple[str, ...], NDArray[np.bool_], NDArray[np.float64]]:
    """Return ids, defects, labels and scores of the images of an archive, (n,) each.

    Raises
    ------
    ValueError
        Where one is missing or of another type or length, or a score is not finite.
    """
    columns = {name: arrays[name] for name in _KINDS if name in arrays}
    if {name: column.dtype.kind for name, column in columns.items()} != _KINDS:
        raise ValueError("ids, defects, labels or scores are missing or of another type")
    if any(column.shape != (columns["ids"].size,) for column in columns.values()):
        raise ValueError("not one id, defect, label and score for each image")
    if not np.isfinite(columns["scores"]).all():
        raise ValueError("a score that is not finite")
    ids, defects = (tuple(columns[name].tolist()) for name in ("ids", "defects"))
    return ids, defects, columns["labels"], columns["scores"].astype(np.float64)


def pack_names(also: Sequence[Sequence[str]]) -> dict[str, NDArray[Any]]:
    """Return the further defects of images as arrays for an archive, a row for each name; none where there is none."""
    rows = [(index, name) for index, names in enumerate(also) for name in names]
    if not rows:
        return {}
    return {
        "also_image": np.array([index for index, _ in rows], dtype=np.uint32),
        "also_defect": np.array([name for _, name in rows], dtype=np.str_),
    }


def unpack_names(arrays: Mapping[str, NDArray[Any]], images: int) -> tuple[tuple[str, ...], ...]:
    """Undo :func:`pack_names` for so many images; raise ValueError for other arrays."""
    also: list[list[str]] = [[] for _ in range(images)]
    if "also_image" in arrays:
        image, name = arrays["also_image"], arrays.get("also_defect", np.empty(0))
        if image.dtype.kind != "u" or name.dtype.kind != "U" or image.ndim != 1 or image.shape != name.shape:
            raise ValueError("not one image for each name of a further defect")
        for index, text in zip(image.tolist(), name.tolist(), strict=True):
            if index >= images:
                raise ValueError("a further defect of an image that is not there")
            also[index].append(text)
    return tuple(map(tuple, also))


def _from_archive(store: Store, record: Record, read: Callable[[Path], _T | None]) -> _T | None:
    """Return what is read from the archive of a record; None where that is missing, another run's, or left out."""
    path = store.counts_path(record.cell)
    archive = _archive_sha256(store, path)
    if not archive:
        return None
    try:
        if record.schema == 1 or archive == record.details:
            return read(path)
        image_columns(read_arrays(path))  # that of another run is passed over, a damaged one is reported
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        store.leave_out(path, error)
    return None


def _archive_sha256(store: Store, path: Path) -> str:
    """Return the SHA-256 of an archive; empty where there is none, or it can't be opened and is left out."""
    try:
        return file_sha256(path)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        store.leave_out(path, error)
        return ""


def _details_of(path: Path) -> Details:
    arrays = read_arrays(path)
    ids, defects, labels, scores = image_columns(arrays)
    also = unpack_names(arrays, len(ids))
    images = map(ImageScore, ids, defects, labels.astype(int).tolist(), scores.tolist(), also)
    raw = {name.removeprefix(_RAW): times for name, times in arrays.items() if name.startswith(_RAW)}
    for window, times in raw.items():
        if times.ndim != 1 or times.dtype.kind != "f" or not (np.isfinite(times) & (times >= 0)).all():
            raise ValueError(f"the times of {window} are not a list of numbers from 0 on")
    raw = {window: times.astype(np.float64) for window, times in raw.items()}
    return Details(tuple(images), raw, _unpack_nominal(arrays))


def _pack_nominal(nominal: NominalScores) -> dict[str, NDArray[Any]]:
    """Return nominal scores as arrays for an archive; none where there are none."""
    if not nominal.scores:
        return {}
    return {
        "nominal_ids": np.array(nominal.ids, dtype=np.str_),
        "nominal_scores": np.array(nominal.scores, dtype=np.float64),
        "nominal_peaks": np.array(nominal.peaks, dtype=np.float64),
        "nominal_source": np.array(nominal.source, dtype=np.str_),
    }


def _unpack_nominal(arrays: Mapping[str, NDArray[Any]]) -> NominalScores:
    """Undo :func:`_pack_nominal`; raise ValueError for other arrays."""
    if "nominal_scores" not in arrays:
        return NominalScores()
    parts = {name: arrays.get(f"nominal_{name}", np.empty(0)).tolist() for name in ("ids", "scores", "source", "peaks")}
    return NominalScores.from_json(parts)


@dataclass(frozen=True, slots=True)
class _Window:
    raw_ms: tuple[Amount, ...] = ()


@dataclass(frozen=True, slots=True)
class _RecordOfSchema1:
    images: tuple[ImageScore, ...] = ()
    latency: Mapping[str, _Window] = field(default_factory=dict)


def _inside_record(store: Store, record: Record) -> Details:
    """Return what a record of schema 1 holds itself; nothing where it is gone or replaced meanwhile."""
    try:
        old = msgspec.json.decode(read_record_file(store.path(record.cell)), type=_RecordOfSchema1)
    except (OSError, ValueError, RecursionError):
        return Details()
    raw: Mapping[str, Sequence[float]] = {name: window.raw_ms for name, window in old.latency.items()}
    return Details(old.images, {name: np.array(times) for name, times in raw.items() if times})
