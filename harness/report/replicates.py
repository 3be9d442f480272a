"""Bootstrap replicates of one cell: its metrics on test sets drawn anew, from its counts, remembered on disk."""

from __future__ import annotations

import functools
import io
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.data.base import cache_dir
from harness.files.atomic import write_atomically
from harness.files.digest import digest, file_sha256, seed_from
from harness.store.store import Record, Store

if TYPE_CHECKING:
    from harness.store.counts import ImageCounts

__all__ = ["bootstrap_cell", "draw_images", "read_counts", "tested_images"]

_log = logging.getLogger(__name__)
_VERSION = 1
"""Of what is remembered; a change of the metrics or of the drawing changes it."""


def tested_images(record: Record) -> str:
    """Return a digest of the test images of a record and of what they show, in whatever order."""
    return digest(sorted([image["id"], image["defect"], int(image["label"])] for image in record.images))


def read_counts(store: Store, record: Record) -> ImageCounts | None:
    """Return the counts that belong to a record; None where there are none, or those of other scores.

    Parameters
    ----------
    store
        Where they lie.
    record
        Of an ok cell.

    Raises
    ------
    DataError
        Where the file is damaged.
    """
    path = store.counts_path(record.cell)
    if not path.exists():
        return None
    from harness.store.counts import ImageCounts

    counts = ImageCounts.read(path)
    rows = zip(counts.ids, counts.labels.tolist(), counts.scores.tolist(), strict=True)
    return counts if list(rows) == [_row(image) for image in record.images] else None


def draw_images(ids: tuple[str, ...], labels: NDArray[np.bool_], replicates: int, seed: int) -> NDArray[np.int64]:
    """Return how often each image is drawn in each replicate, with replacement, nominal and anomalous ones apart.

    Parameters
    ----------
    ids : (n,) str
        The draw depends on the set of ids, not on their order.
    labels : (n,) bool
        True for anomalous images.
    replicates
        Number of draws.
    seed
        Of the draw.

    Returns
    -------
    (replicates, n) int64
        Each row adds up to the number of images, and so do its nominal and anomalous parts.
    """
    rng = np.random.default_rng(seed)
    drawn = np.zeros((replicates, len(ids)), dtype=np.int64)
    order = np.array(sorted(range(len(ids)), key=ids.__getitem__), dtype=np.int64)
    for kind in (False, True):
        places = order[labels[order] == kind]
        if places.size:
            drawn[:, places] = rng.multinomial(places.size, np.full(places.size, 1 / places.size), size=replicates)
    return drawn


def bootstrap_cell(
    store: Store, record: Record, replicates: int, defect: str = ""
) -> dict[str, NDArray[np.float64]] | None:
    """Return the metrics of a cell on test sets drawn anew, from the cache where they were computed before.

    Parameters
    ----------
    store
        Where its counts lie.
    record
        Of an ok cell.
    replicates
        Number of draws.
    defect
        One type of defect against all nominal images; all where empty.

    Returns
    -------
    dict or None
        For each metric of the record (replicates,) float64 in [0, 1], with NaN where a draw leaves it undefined. What
        thresholds lose on the whole test set is added to every replicate. None where no counts belong to the record.

    Raises
    ------
    DataError
        Where the counts are damaged.
    """
    from harness.metrics.evaluation import METRICS

    path = store.counts_path(record.cell)
    if not path.exists():
        return None
    seed = seed_from("bootstrap", record.cell.dataset, record.cell.category, tested_images(record))
    key = {"version": _VERSION, "counts": file_sha256(path), "replicates": replicates, "seed": seed}
    key |= {"defect": defect} if defect else {}
    remembered = cache_dir() / "bootstrap" / f"{digest(key | {'images': list(map(_row, record.images))}, 32)}.npy"
    table = _read(remembered, (1 + replicates, len(METRICS)))
    if table is None:
        counts = read_counts(store, record)
        if counts is None:
            return None
        found = counts.evaluate(_weights(counts, replicates, seed, defect))
        table = np.column_stack([found[name] for name in METRICS])
        _write(remembered, table)
    values = record.by_defect.get(defect, {}) if defect else record.metrics
    return _about(values, dict(zip(METRICS, table.T, strict=True)))


def _weights(counts: ImageCounts, replicates: int, seed: int, defect: str) -> NDArray[np.int64]:
    """Return how often each image counts, (1 + replicates, n): once, then as drawn; never one of another defect."""
    from harness.metrics.testset import images_of

    chosen = np.array(images_of(defect, counts.defects) if defect else range(len(counts)), dtype=np.int64)
    ids = tuple(counts.ids[index] for index in chosen)
    drawn = draw_images(ids, counts.labels[chosen], replicates, seed)
    weights = np.zeros((1 + replicates, len(counts)), dtype=np.int64)
    weights[:, chosen] = np.vstack([np.ones_like(drawn[:1]), drawn])
    return weights


def _about(values: Mapping[str, float | None], table: dict[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """Return replicates about the recorded values; the first row holds what the counts give on the whole test set."""
    recorded = {name: value for name, value in values.items() if value is not None and name in table}
    return {name: np.clip(table[name][1:] + (value - table[name][0]), 0.0, 1.0) for name, value in recorded.items()}


def _row(image: Mapping[str, Any]) -> tuple[str, bool, float]:
    return image["id"], bool(image["label"]), float(image["score"])


def _read(path: Path, shape: tuple[int, int]) -> NDArray[np.float64] | None:
    """Return a remembered table, None where it is missing or damaged."""
    try:
        table: NDArray[np.float64] = np.load(path, allow_pickle=False)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, EOFError) as error:
        _log.warning("the remembered replicates %s can't be read (%s) and are computed again", path, error)
        return None
    return table if table.shape == shape and table.dtype == np.float64 else None


def _write(path: Path, table: NDArray[np.float64]) -> None:
    stream = io.BytesIO()
    np.save(stream, table, allow_pickle=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, stream.getvalue())
    except OSError as error:
        _warn_unwritable(path.parent, error.strerror or type(error).__name__)


@functools.cache
def _warn_unwritable(folder: Path, reason: str) -> None:
    _log.warning("bootstrap replicates can't be kept under %s (%s) and are computed at every use", folder, reason)
