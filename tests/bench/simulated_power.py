"""What is said of power, where the truth is known: detectable differences, and how many images show a difference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from math import sqrt

import numpy as np
from scipy import ndimage, stats
from simulated_sets import DRAWS, REPEATS, Rows, TestSet, auroc_pairs

from harness.metrics import METRICS, RankedTestSet, evaluate
from harness.report.intervals import MeanOf, against_best
from harness.store.counts import count_images

__all__ = ["more_images", "power", "scaling"]


_FEW = ((20, 12), (25, 40))


def power() -> Iterator[list[str]]:
    """How often a true lead as large as the detectable difference is seen; 80% is what the tables say."""
    yield ["metric", "methods", "categories", "median detectable difference", "seen"]
    for methods, categories in product((2, 5), (1, 4)):
        rng = np.random.default_rng(4)
        sizes = (25, 80)
        images = TestSet(*sizes)
        told = []
        for _ in range(REPEATS // 5):
            tables = [auroc_pairs(rng, sizes, 0.8, methods) for _ in range(categories)]
            told.append(_compared(images, tables)[1])
        lead = float(np.median(told))
        if 0.8 + lead >= 1:
            yield ["I-AUROC", str(methods), str(categories), f"{lead:.3f}", "none is possible"]
            continue
        seen = 0
        shift = sqrt(2) * stats.norm.ppf(0.8 + lead) - sqrt(2) * stats.norm.ppf(0.8)
        for _ in range(REPEATS):
            tables = [_with_lead(rng, sizes, methods, shift) for _ in range(categories)]
            seen += _compared(images, tables)[0]
        yield ["I-AUROC", str(methods), str(categories), f"{lead:.3f}", f"{seen / REPEATS:.1%}"]


def more_images() -> Iterator[list[str]]:
    """How often a lead is seen on as many test images as a small test set says are needed for 80%."""
    yield [
        "good, anomalous",
        "categories",
        "true lead",
        "seen on them",
        "images needed: median, 10% to 90%",
        "seen then",
    ]
    for sizes, (categories, lead) in product(_FEW, ((1, 0.05), (1, 0.1), (4, 0.05))):
        rng = np.random.default_rng(14)
        shift = sqrt(2) * stats.norm.ppf(0.8 + lead) - sqrt(2) * stats.norm.ppf(0.8)
        images, now = TestSet(*sizes), categories * sum(sizes)
        seen, needed = 0, []
        for _ in range(REPEATS // 2):
            tables = [_with_lead(rng, sizes, 2, shift) for _ in range(categories)]
            seen += _compared(images, tables)[0]
            best, other = _means(images, tables)
            (found,) = against_best([best, replace(other, value=best.value - lead)])
            needed.append(found.images_needed or now)
        low, middle, high = np.quantile(needed, [0.1, 0.5, 0.9])
        more = (round(sizes[0] * middle / now), round(sizes[1] * middle / now))
        images = TestSet(*more)
        then = [
            _compared(images, [_with_lead(rng, more, 2, shift) for _ in range(categories)])[0]
            for _ in range(REPEATS // 2)
        ]
        shares = (f"{seen / (REPEATS // 2):.1%}", f"{middle:.0f} ({low:.0f} to {high:.0f})", f"{np.mean(then):.1%}")
        yield [f"{sizes[0]}, {sizes[1]}", str(categories), f"{lead:g}", *shares]


def scaling() -> Iterator[list[str]]:
    """How the sd of a difference falls with 4 n images: over test sets, and over draws of one test set of n."""
    yield ["metric", "sd of the difference", "over test sets", "over draws of 4 n of n images", "by the root"]
    rng = np.random.default_rng(15)
    nominal, anomalous = 10, 16
    ids = tuple(f"{index:02d}" for index in range(nominal + anomalous))
    spreads = []
    for times in (1, 4):
        pairs = (_two_detectors(rng, times * nominal, times * anomalous) for _ in range(REPEATS))
        values = [[evaluate(*one) for one in pair] for pair in pairs]
        spreads.append([np.std([one[name] - other[name] for one, other in values]) for name in METRICS])
    ratios = []
    for _ in range(REPEATS // 20):
        pair = _two_detectors(rng, nominal, anomalous)
        counts = [count_images(RankedTestSet.of(*one, ["good"] * len(ids)), ids) for one in pair]
        drawn = []
        for times in (1, 4):
            taken = [rng.multinomial(times * (n - 1), np.full(n, 1 / n), size=DRAWS // 2) for n in (nominal, anomalous)]
            one, other = (of.evaluate(np.hstack(taken)) for of in counts)
            drawn.append([np.std(one[name] - other[name]) for name in METRICS])
        ratios.append(np.divide(*drawn))
    middle, scatter = np.median(ratios, axis=0), np.std(ratios, axis=0)
    for place, name in enumerate(METRICS):
        fresh = spreads[0][place] / spreads[1][place]
        yield [name, f"{spreads[0][place]:.3f}", f"{fresh:.2f}", f"{middle[place]:.2f} ±{scatter[place]:.2f}", "2.00"]


def _two_detectors(rng: np.random.Generator, nominal: int, anomalous: int) -> list[tuple[Rows, Rows, Rows, Rows]]:
    """Return maps, masks, labels and scores of two detectors that share half of their noise, the first better."""
    masks = np.zeros((nominal + anomalous, 40, 40), bool)
    for index in range(nominal, nominal + anomalous):
        row, column, size = rng.integers(3, 22), rng.integers(3, 22), rng.integers(4, 14)
        masks[index, row : row + size, column : column + size] = True
    strength = rng.gamma(3, 0.6, size=(nominal + anomalous, 1, 1)) * masks
    shared = rng.normal(size=masks.shape)
    found = []
    for lead in (1.0, 0.8):
        noise = ndimage.gaussian_filter(sqrt(0.5) * (shared + rng.normal(size=masks.shape)), (0, 2, 2)) * 7
        maps = noise + lead * strength
        found.append((maps, masks, masks.any(axis=(1, 2)), maps.max(axis=(1, 2))))
    return found


def _with_lead(rng: np.random.Generator, sizes: tuple[int, int], methods: int, shift: float) -> list[Rows]:
    """Return pairs in order of equal methods of which the first is better."""
    shared, labels = rng.normal(size=sum(sizes)), np.arange(sum(sizes)) >= sizes[0]
    tables = []
    for place in range(methods):
        scores = sqrt(0.5) * shared + sqrt(0.5) * rng.normal(size=labels.size)
        scores = scores + (sqrt(2) * stats.norm.ppf(0.8) + shift * (place == 0)) * labels
        tables.append((scores[~labels, np.newaxis] < scores[labels]).astype(np.float64))
    return tables


def _means(images: TestSet, tables: list[list[Rows]]) -> list[MeanOf]:
    """Return the means over categories of each method."""
    values = np.mean([[table.mean() for table in tables_of] for tables_of in tables], axis=0)
    means = [
        MeanOf.of(float(value), [images.resampled(tables_of[place]) for tables_of in tables])
        for place, value in enumerate(values)
    ]
    return [mean for mean in means if mean]


def _compared(images: TestSet, tables: list[list[Rows]]) -> tuple[bool, float]:
    """Return whether the second method is told apart from a leading first one, and the detectable difference."""
    means = _means(images, tables)
    order = sorted(range(len(means)), key=lambda place: -means[place].value)
    found = dict(zip(order[1:], against_best([means[place] for place in order]), strict=True))
    apart = order[0] == 0 and not found[1].tied
    return apart, max(one.detectable or 0.0 for one in found.values())
