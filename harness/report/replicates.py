"""Metrics of one cell on resampled test sets, computed from its counts and cached on disk."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.files.arrays import npy_bytes
from harness.files.cache_dir import read_cached, write_cached
from harness.files.caches import CACHES
from harness.files.digest import digest, seed_from
from harness.store.details import counts_digest, read_counts
from harness.store.record import Record
from harness.store.store import Store

if TYPE_CHECKING:
    from harness.store.counts import ImageCounts

__all__ = ["Resampled", "bootstrap_cell", "degrees_of_freedom", "draw_images"]

_VERSION = 4
"""Of what is remembered; a change of the metrics or of the drawing changes it."""

_HEADER = 3
"""Rows of what is remembered before the replicates: degrees of freedom, images of the rarer kind, and all images."""

_REMEMBERED_DRAWS = 4
"""Test sets whose draws stay in memory: methods tested on the same images share them."""


@dataclass(frozen=True, slots=True, eq=False)
class Resampled:
    """A metric of a cell on resampled test sets.

    Parameters
    ----------
    drawn : (r,) float64
        One value for each draw; NaN where a draw leaves the metric undefined.
    degrees
        Degrees of freedom of their variance (Satterthwaite), NaN where some image alone decides whether the metric is
        defined.
    fewest
        Nominal or anomalous images, whichever are fewer.
    images
        All of them.
    """

    drawn: NDArray[np.float64]
    degrees: float
    fewest: int
    images: int = 0


def draw_images(ids: tuple[str, ...], labels: NDArray[np.bool_], replicates: int, seed: int) -> NDArray[np.int64]:
    """Return how often each image is drawn in each replicate, with replacement, nominal and anomalous ones apart.

    Of each kind one image less is drawn than there are, so that the variance over the draws is that over test sets and
    not (n - 1) / n of it: Rao and Wu, JASA 83 (1988), section 2.2.

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
        The nominal part of each row adds up to one less than there are nominal images, so does the anomalous part; a
        single image is always drawn.
    """
    rng = np.random.default_rng(seed)
    drawn = np.zeros((replicates, len(ids)), dtype=np.int64)
    order = np.array(sorted(range(len(ids)), key=ids.__getitem__), dtype=np.int64)
    for kind in (False, True):
        places = order[labels[order] == kind]
        if places.size:
            taken = max(places.size - 1, 1)
            drawn[:, places] = rng.multinomial(taken, np.full(places.size, 1 / places.size), size=replicates)
    return drawn


def degrees_of_freedom(left_out: NDArray[np.float64], labels: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the degrees of freedom of the variance over test sets, from metrics with each image left out in turn.

    Welch and Satterthwaite's formula with the jackknife's variances of nominal and anomalous images: where one kind
    alone moves a metric, its number of images less one.

    Parameters
    ----------
    left_out : (n, k) float64
        Metrics without each image.
    labels : (n,) bool
        True for anomalous images.

    Returns
    -------
    (k,) float64
        NaN where a metric is undefined without some image, and everywhere with a single image of a kind; the rarer
        kind's where no image moves it.
    """
    kinds = [left_out[labels == kind] for kind in (False, True)]
    counts = np.array([len(values) for values in kinds])
    if counts.min() < 2:
        return np.full(left_out.shape[1], np.nan)
    variances = np.array([values.var(axis=0) * (len(values) - 1) for values in kinds])
    with np.errstate(invalid="ignore", divide="ignore"):
        welch = variances.sum(axis=0) ** 2 / (variances**2 / (counts - 1)[:, np.newaxis]).sum(axis=0)
    degrees: NDArray[np.float64] = np.where((variances == 0).all(axis=0), counts.min() - 1, welch)
    return degrees


def bootstrap_cell(store: Store, record: Record, replicates: int, defect: str = "") -> Mapping[str, Resampled] | None:
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
        For each of :data:`harness.metrics.METRICS`. None where no counts belong to the record, or they are damaged.
    """
    from harness.metrics.evaluation import METRICS

    counted = counts_digest(store, record)
    if not counted:
        return None
    seed = seed_from("bootstrap", record.cell.dataset, record.cell.category, record.test_images.digest)
    key = {"version": _VERSION, "counts": counted, "replicates": replicates, "seed": seed}
    key |= {"defect": defect} if defect else {}
    remembered = CACHES["bootstrap"].path / f"{digest(key, 32)}.npy"
    table = read_cached(remembered, lambda content: _parsed(content, (_HEADER + replicates, len(METRICS))))
    if table is None:
        counts = read_counts(store, record)
        if counts is None:
            return None
        table = _table(counts, replicates, seed, defect)
        write_cached(remembered, npy_bytes(table))
    return {
        name: Resampled(table[_HEADER:, index], float(table[0, index]), int(table[1, index]), int(table[2, index]))
        for index, name in enumerate(METRICS)
    }


def _table(counts: ImageCounts, replicates: int, seed: int, defect: str) -> NDArray[np.float64]:
    """Return degrees of freedom, images of the rarer kind, all images and replicates, a column for each metric."""
    from harness.metrics.evaluation import METRICS

    about = counts.of_defect(defect) if defect else counts
    labels, images = about.labels, len(about)
    drawn = _drawn(about.ids, labels.tobytes(), replicates, seed)
    values_of = about.evaluate(np.vstack([1 - np.eye(images), drawn]))
    values = np.column_stack([values_of[name] for name in METRICS])
    fewest = min(int(labels.sum()), int((~labels).sum()))
    numbers = [np.full(len(METRICS), float(number)) for number in (fewest, images)]
    return np.vstack([degrees_of_freedom(values[:images], labels), *numbers, values[images:]])


@lru_cache(maxsize=_REMEMBERED_DRAWS)
def _drawn(ids: tuple[str, ...], labels: bytes, replicates: int, seed: int) -> NDArray[np.int64]:
    return draw_images(ids, np.frombuffer(labels, dtype=bool), replicates, seed)


def _parsed(content: bytes, shape: tuple[int, int]) -> NDArray[np.float64]:
    table: NDArray[np.float64] = np.load(io.BytesIO(content), allow_pickle=False)
    if table.shape != shape or table.dtype != np.float64:
        raise ValueError(f"it holds {table.dtype} of shape {table.shape}")
    return table
