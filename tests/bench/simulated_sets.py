"""Test sets where the truth is known, drawn from fixed seeds."""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from harness.report.replicates import Resampled, degrees_of_freedom, draw_images

Rows = NDArray[np.float64]

REPEATS = 500
DRAWS = 1000
DRAWS_BEFORE = 2000


class TestSet:
    """Draws of some nominal and anomalous images, as the package draws them and as it did before."""

    __test__ = False

    def __init__(self, nominal: int, anomalous: int) -> None:
        self.labels = np.arange(nominal + anomalous) >= nominal
        ids = tuple(f"{index:03d}" for index in range(nominal + anomalous))
        self.today = draw_images(ids, self.labels, DRAWS, 1).astype(np.float64)
        rng = np.random.default_rng(1)
        self.before = np.hstack(
            [rng.multinomial(n, np.full(n, 1 / n), size=DRAWS_BEFORE) for n in (nominal, anomalous)]
        ).astype(np.float64)
        self.left_out = 1 - np.eye(nominal + anomalous)
        self.fewest = min(nominal, anomalous)

    def values(self, weights: Rows, pairs: Rows) -> Rows:
        """Return the weighted mean of a table of pairs, nominal images in rows, for each row of weights."""
        nominal, anomalous = weights[:, ~self.labels], weights[:, self.labels]
        sums = np.einsum("rj,rj->r", nominal @ pairs, anomalous)
        mean: Rows = sums / nominal.sum(axis=1) / anomalous.sum(axis=1)
        return mean

    def resampled(self, pairs: Rows) -> Resampled:
        """Return what the package keeps of a metric."""
        left_out = self.values(self.left_out, pairs)
        degrees = degrees_of_freedom(left_out[:, np.newaxis], self.labels)
        return Resampled(self.values(self.today, pairs), float(degrees[0]), self.fewest, len(self.labels))


def auroc_pairs(rng: np.random.Generator, sizes: tuple[int, int], truth: float, methods: int = 1) -> list[Rows]:
    """Return which pairs of images are in order, of equal methods that find half of what is hard equally hard."""
    shared = rng.normal(size=sum(sizes))
    labels = np.arange(sum(sizes)) >= sizes[0]
    shift = sqrt(2) * stats.norm.ppf(truth)
    tables = []
    for _ in range(methods):
        scores = sqrt(0.5) * shared + sqrt(0.5) * rng.normal(size=labels.size) + shift * labels
        tables.append((scores[~labels, np.newaxis] < scores[labels]).astype(np.float64))
    return tables


def overlap_pairs(rng: np.random.Generator, sizes: tuple[int, int], truth: float, methods: int = 1) -> list[Rows]:
    """Return overlaps of anomalous images, skewed as those of AUPRO, in the same form; nominal images play no part."""
    shared = rng.normal(size=sizes[1])
    tables = []
    for _ in range(methods):
        rank = stats.norm.cdf(sqrt(0.5) * shared + sqrt(0.5) * rng.normal(size=sizes[1]))
        overlap = stats.beta.ppf(rank, 3 * truth, 3 * (1 - truth))
        tables.append(np.broadcast_to(overlap, sizes))
    return tables
