"""Bootstrap replicates of one cell: its metrics on resampled test sets, computed from its counts and cached on disk."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.files.cache_dir import read_cached, write_cached
from harness.files.caches import CACHES
from harness.files.digest import digest, seed_from
from harness.store.details import counts_digest, read_counts
from harness.store.record import Record
from harness.store.store import Store

if TYPE_CHECKING:
    from harness.store.counts import ImageCounts

__all__ = ["bootstrap_cell", "draw_images"]

_VERSION = 2
"""Of what is remembered; a change of the metrics or of the drawing changes it."""


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
    """Return the metrics of a cell on resampled test sets, from the cache where they were computed before.

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
    """
    from harness.metrics.evaluation import METRICS

    counted = counts_digest(store, record)
    if not counted:
        return None
    seed = seed_from("bootstrap", record.cell.dataset, record.cell.category, record.test_images.digest)
    key = {"version": _VERSION, "counts": counted, "replicates": replicates, "seed": seed}
    key |= {"defect": defect} if defect else {}
    remembered = CACHES["bootstrap"].path / f"{digest(key, 32)}.npy"
    table = read_cached(remembered, lambda content: _parsed(content, (1 + replicates, len(METRICS))))
    if table is None:
        counts = read_counts(store, record)
        if counts is None:
            return None
        values_of = counts.evaluate(_weights(counts, replicates, seed, defect))
        table = np.column_stack([values_of[name] for name in METRICS])
        write_cached(remembered, _npy(table))
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


def _parsed(content: bytes, shape: tuple[int, int]) -> NDArray[np.float64]:
    table: NDArray[np.float64] = np.load(io.BytesIO(content), allow_pickle=False)
    if table.shape != shape or table.dtype != np.float64:
        raise ValueError(f"it holds {table.dtype} of shape {table.shape}")
    return table


def _npy(table: NDArray[np.float64]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, table, allow_pickle=False)
    return stream.getvalue()
