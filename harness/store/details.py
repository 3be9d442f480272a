"""What a cell keeps beside its record, in one archive: scores of images, raw times, and counts of their pixels."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness.cell import Cell
from harness.errors import DataError
from harness.files.arrays import BAD_ARCHIVE, open_arrays
from harness.files.atomic import write_atomically
from harness.files.digest import digest, file_sha256
from harness.store.record import ImageScore, Record
from harness.store.store import Store

if TYPE_CHECKING:
    from harness.store.counts import ImageCounts

__all__ = ["Details", "counts_digest", "read_counts", "read_details", "write_details"]

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
    """

    images: tuple[ImageScore, ...] = ()
    raw_ms: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)


def write_details(store: Store, cell: Cell, details: Details, counts: ImageCounts | None) -> str:
    """Write the archive of a cell atomically, and return its SHA-256, which the record keeps.

    Parameters
    ----------
    store
        Where the archive lies.
    cell
        Whose archive it is.
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
        **(counts.arrays() if counts is not None else {}),
        **{_RAW + window: np.asarray(times, dtype=np.float64) for window, times in details.raw_ms.items()},
    }
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    path = store.counts_path(cell)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, stream.getvalue())
    return sha256(stream.getvalue()).hexdigest()


def read_details(store: Store, record: Record) -> Details:
    """Return scores and raw times of a record; empty where none belong to it.

    Records of schema 1 hold them in their own file.

    Raises
    ------
    DataError
        Where the archive is damaged.
    """
    if record.schema == 1:
        return _inside_record(store, record)
    path = store.counts_path(record.cell)
    if not _belongs(store, record):
        return Details()
    try:
        with open_arrays(path) as archive:
            columns = (archive[name].tolist() for name in ("ids", "defects", "labels", "scores"))
            images = tuple(
                ImageScore(name, defect, int(label), float(score))
                for name, defect, label, score in zip(*columns, strict=True)
            )
            raw = {name.removeprefix(_RAW): archive[name] for name in archive.files if name.startswith(_RAW)}
            return Details(images, {name: times.astype(np.float64) for name, times in raw.items()})
    except BAD_ARCHIVE as error:
        raise DataError(
            f"The archive {path} can't be read ({type(error).__name__}: {error}): "
            "remove the file, or write it again with 'harness run --rerun all'."
        ) from error


def read_counts(store: Store, record: Record) -> ImageCounts | None:
    """Return the counts that belong to a record; None where there are none, or those of another run of the cell.

    Parameters
    ----------
    store
        Where they lie.
    record
        Of an ok cell.

    Raises
    ------
    DataError
        Where the archive is damaged.
    """
    path = store.counts_path(record.cell)
    if not path.exists():
        return None
    from harness.store.counts import ImageCounts

    counts = ImageCounts.read(path)
    if counts is None or record.schema != 1:
        return counts if _belongs(store, record) else None
    rows = zip(counts.ids, counts.labels.tolist(), counts.scores.tolist(), strict=True)
    images = _inside_record(store, record).images
    return counts if list(rows) == [(image.id, bool(image.label), image.score) for image in images] else None


def counts_digest(store: Store, record: Record) -> str:
    """Return a digest of a cell's archive and of what makes it the record's; empty where it is another run's.

    Whether an archive belongs to a record of schema 1 shows in its scores alone, so they are part of it.

    Raises
    ------
    DataError
        Where the archive is not the record's because it is damaged.
    """
    path = store.counts_path(record.cell)
    if not path.exists():
        return ""
    if record.schema != 1:
        return record.details if _belongs(store, record) or read_counts(store, record) else ""
    images = _inside_record(store, record).images
    return digest([file_sha256(path), [[image.id, bool(image.label), image.score] for image in images]], 32)


def _belongs(store: Store, record: Record) -> bool:
    """Return whether the archive of a cell was written with its record."""
    try:
        return bool(record.details) and file_sha256(store.counts_path(record.cell)) == record.details
    except (FileNotFoundError, NotADirectoryError):
        return False


@dataclass(frozen=True, slots=True)
class _Window:
    raw_ms: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class _RecordOfSchema1:
    images: tuple[ImageScore, ...] = ()
    latency: Mapping[str, _Window] = field(default_factory=dict)


def _inside_record(store: Store, record: Record) -> Details:
    """Return what a record of schema 1 holds itself."""
    try:
        old = msgspec.json.decode(store.path(record.cell).read_bytes(), type=_RecordOfSchema1)
    except (OSError, ValueError):  # gone or replaced meanwhile
        return Details()
    raw: Mapping[str, Sequence[float]] = {name: window.raw_ms for name, window in old.latency.items()}
    return Details(old.images, {name: np.array(times) for name, times in raw.items() if times})
