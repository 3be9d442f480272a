"""Coverage of intervals, false leads and false alarms where the truth is known: rules of before beside those of today.

    python tests/bench/simulate_statistics.py [NAME...]

prints one Markdown table for each name (all without one). Everything is drawn from fixed seeds; the rules of today are
the functions of the package, those of before are written out here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import product
from math import log, sqrt

import numpy as np
from scipy import ndimage, stats
from simulated_decisions import decided_rates, fitted_tails
from simulated_power import more_images, power, scaling
from simulated_sets import DRAWS, REPEATS, Rows, TestSet, auroc_pairs, overlap_pairs

from harness.data.split_files import seeded_order
from harness.gate.tolerances import DEFAULTS
from harness.measure.latency import summarise
from harness.metrics.pro import aupro_official
from harness.report.intervals import MeanOf, against_best, mean_interval, paired_with_best, seed_interval
from harness.report.rank import rank_methods
from harness.report.replicates import draw_images

_KINDS: dict[str, Callable[..., list[Rows]]] = {"I-AUROC": auroc_pairs, "mean overlap": overlap_pairs}
_SIZES = ((25, 5), (5, 25), (10, 10), (25, 20), (22, 88))


def coverage() -> Iterator[list[str]]:
    """How often the 95% interval of one category, and of a mean over four, holds the truth."""
    yield ["metric", "truth", "nominal, anomalous", "categories", "before", "today"]
    for (name, pairs_of), truth, sizes, categories in product(_KINDS.items(), (0.8, 0.95), _SIZES, (1, 4)):
        rng = np.random.default_rng(2)
        images = TestSet(*sizes)
        held = np.zeros(2)
        for _ in range(REPEATS if categories == 1 else REPEATS // 2):
            tables = [pairs_of(rng, sizes, truth)[0] for _ in range(categories)]
            drawn = np.mean([images.values(images.before, table) for table in tables], axis=0)
            low, high = np.quantile(drawn, [0.025, 0.975])
            mean = MeanOf.of(float(np.mean(tables)), [images.resampled(table) for table in tables])
            found = mean_interval(mean, by_images=name == "I-AUROC") if mean else None
            today = found is not None and found.low <= truth <= found.high
            held += low <= truth <= high, today
        repeats = REPEATS if categories == 1 else REPEATS // 2
        yield [
            name,
            str(truth),
            f"{sizes[0]}, {sizes[1]}",
            str(categories),
            *(f"{share:.1%}" for share in held / repeats),
        ]


def false_leads() -> Iterator[list[str]]:
    """How often a method that equals the best of its column is told apart from it."""
    yield ["metric", "equal methods", "clearly worse ones", "categories", "before", "today"]
    for (name, pairs_of), (equal, worse), categories in product(
        _KINDS.items(), ((2, 0), (3, 0), (7, 0), (2, 5)), (1, 4)
    ):
        rng = np.random.default_rng(3)
        sizes = (25, 40)
        images = TestSet(*sizes)
        wrong = np.zeros(2)
        repeats = REPEATS // 2
        for _ in range(repeats):
            tables = [
                pairs_of(rng, sizes, 0.9, equal) + [table * 0.7 for table in pairs_of(rng, sizes, 0.9, worse)]
                for _ in range(categories)
            ]
            values = np.mean([[table.mean() for table in tables_of] for tables_of in tables], axis=0)
            drawn = np.mean(
                [[images.values(images.before, table) for table in tables_of] for tables_of in tables], axis=0
            )
            order = np.argsort(-values, kind="stable")
            best = order[0]
            gaps = [np.quantile(drawn[best] - drawn[other], 0.025) for other in range(equal) if other != best]
            means = [
                MeanOf.of(float(values[place]), [images.resampled(tables_of[place]) for tables_of in tables])
                for place in order
            ]
            found = dict(zip(order[1:], against_best([mean for mean in means if mean]), strict=True))
            apart = any(not one.tied for other, one in found.items() if other < equal)
            wrong += any(gap > 0 for gap in gaps), apart
        yield [name, str(equal), str(worse), str(categories), *(f"{share:.1%}" for share in wrong / repeats)]


def perfect() -> Iterator[list[str]]:
    """How often the bound of an I-AUROC that is 1.000 on the test set holds the truth; before it was [1.000, 1.000]."""
    yield ["truth", "nominal, anomalous", "perfect test sets", "of these held before", "held today", "bound"]
    for truth, sizes in product((0.95, 0.99), ((4, 4), (8, 16), (25, 25))):
        rng = np.random.default_rng(5)
        low = 0.05 ** (1 / min(sizes))
        separated = sum(bool(auroc_pairs(rng, sizes, truth)[0].all()) for _ in range(20 * REPEATS)) / (20 * REPEATS)
        images = TestSet(*sizes)
        mean = MeanOf.of(1.0, [images.resampled(np.ones(sizes))])
        found = mean_interval(mean, by_images=True) if mean else None
        assert found is not None
        assert abs(found.low - low) < 1e-9
        shares = (f"{share:.1%}" for share in (separated, 0.0, float(found.low <= truth)))
        yield [str(truth), f"{sizes[0]}, {sizes[1]}", *shares, f"{low:.3f}"]


def two_by_ranks() -> Iterator[list[str]]:
    """How often two equal methods are told apart by ranks, exactly: every outcome of the categories is counted."""
    yield ["categories", "before: Nemenyi alone", "today: exact sign test"]
    for categories in (4, 5, 6, 7, 8, 9, 10, 14):
        shares = np.zeros(2)
        for wins in range(categories + 1):
            values = np.zeros((2, categories))
            values[0, :wins], values[1, wins:] = 1, 1
            chance = float(stats.binom.pmf(wins, categories, 0.5))
            ranks = stats.rankdata(-values, axis=0).mean(axis=1)
            before = abs(ranks[0] - ranks[1]) > 1.96 / sqrt(categories)
            today = not rank_methods(values).tied(int(np.argmax(ranks))) if wins * 2 != categories else False
            shares += chance * before, chance * today
        yield [str(categories), *(f"{share:.1%}" for share in shares)]


def several_by_ranks() -> Iterator[list[str]]:
    """How often some of several equal methods is told apart from the best by ranks: Friedman, then Nemenyi."""
    yield ["methods", "categories", "told apart"]
    rng = np.random.default_rng(6)
    for methods, categories in product((3, 5, 7), (4, 10)):
        wrong = 0
        for _ in range(REPEATS):
            ranking = rank_methods(rng.normal(size=(methods, categories)))
            wrong += not all(ranking.tied(method) for method in range(methods))
        yield [str(methods), str(categories), f"{wrong / REPEATS:.1%}"]


def gate_means() -> Iterator[list[str]]:
    """How often a check fails with noise alone, and with a fall of 0.9 tolerances in every category."""
    yield ["categories", "noise alone, before", "noise alone, today", "fall, before", "fall, today"]
    tolerance, spread = DEFAULTS["aupro_1"], 0.0018
    rng = np.random.default_rng(7)
    for categories in (2, 4, 10):
        noise = rng.uniform(-spread, spread, size=(20 * REPEATS, categories))
        texts = []
        for fall in (0.0, 0.9 * tolerance):
            moved = fall + (noise if not fall else noise / 10)
            cells = (moved > tolerance).any(axis=1)
            means = moved.mean(axis=1) > tolerance / sqrt(categories)
            texts += [f"{cells.mean():.1%}", f"{(cells | means).mean():.1%}"]
        yield [str(categories), *texts]


def speed_alarms() -> Iterator[list[str]]:
    """How often two runs of equal speed differ by more than a ratio: runs vary by a log-sd s, calls within one not."""
    ratios = (1.1, 1.2, 1.3, 1.5)
    yield ["s between runs", *(f"ratio {ratio}" for ratio in ratios)]
    for spread in (0.02, 0.05, 0.1, 0.15):
        yield [f"{spread:.0%}", *(f"{stats.norm.sf(log(ratio) / (sqrt(2) * spread)):.2%}" for ratio in ratios)]


def over_lists() -> Iterator[list[str]]:
    """How often one of several equal methods is told apart from the best by the t test over few-shot lists."""
    yield ["lists", "methods", "each pair by itself", "today", "half width, sd"]
    rng = np.random.default_rng(8)
    for lists, methods in product((2, 3, 5), (2, 7)):
        wrong = np.zeros(2)
        for _ in range(REPEATS):
            values = rng.normal(size=(methods, lists)) + rng.normal(size=lists)
            best, *others = (values[index].tolist() for index in np.argsort(-values.mean(axis=1)))
            alone = [seed_interval(np.subtract(best, other).tolist()).holds_zero for other in others]
            wrong += not all(alone), not all(one.tied for one in paired_with_best(best, others))
        half = stats.t.ppf(0.975, lists - 1) / sqrt(lists)
        yield [str(lists), str(methods), *(f"{share:.1%}" for share in wrong / REPEATS), f"{half:.2f}"]


def latencies() -> Iterator[list[str]]:
    """How often the 95% interval of a median holds the truth where each call depends on the one before."""
    yield ["calls", "correlation", "holds the median"]
    rng = np.random.default_rng(9)
    for calls, correlation in product((20, 100, 300), (0.0, 0.3, 0.6, 0.9)):
        held = 0
        for _ in range(REPEATS):
            noise = np.empty(calls)
            noise[0] = rng.normal()
            steps = sqrt(1 - correlation**2) * rng.normal(size=calls)
            for index in range(1, calls):
                noise[index] = correlation * noise[index - 1] + steps[index]
            found = summarise(20 * np.exp(0.05 * noise))
            held += found.low_ms is not None and found.high_ms is not None and found.low_ms <= 20 <= found.high_ms
        yield [str(calls), str(correlation), f"{held / REPEATS:.1%}"]


def components() -> Iterator[list[str]]:
    """How often the interval of PRO holds the truth: images drawn with all their defects, or defects one by one."""
    yield ["images", "likeness within an image", "defects drawn one by one", "images drawn"]
    rng = np.random.default_rng(10)
    for images, likeness in product((20, 80), (0.0, 0.5, 0.9)):
        held = np.zeros(2)
        for _ in range(REPEATS):
            count = rng.integers(1, 6, size=images)
            owner = np.repeat(np.arange(images), count)
            value = sqrt(likeness) * rng.normal(size=images)[owner] + sqrt(1 - likeness) * rng.normal(size=owner.size)
            of_image = np.bincount(owner, value)
            by_image = rng.multinomial(images - 1, np.full(images, 1 / images), size=DRAWS)
            by_defect = rng.multinomial(owner.size - 1, np.full(owner.size, 1 / owner.size), size=DRAWS)
            draws = (by_defect @ value / (owner.size - 1), (by_image @ of_image) / (by_image @ count))
            degrees = (owner.size - 1, images - 1)
            for place, (drawn, free) in enumerate(zip(draws, degrees, strict=True)):
                held[place] += abs(value.mean()) <= stats.t.ppf(0.975, free) * drawn.std()
        yield [str(images), str(likeness), *(f"{share:.1%}" for share in held / REPEATS)]


def official_bias() -> Iterator[list[str]]:
    """Official AUPRO@1% of one and the same detector by the number of normal pixels that it is judged on."""
    yield ["images of 64 x 64", "exact AUPRO@1%", "official AUPRO@1%", "PRO above all normal pixels"]
    from harness.metrics.pro import aupro

    rng = np.random.default_rng(11)
    for images in (2, 10, 50, 200):
        found = []
        for _ in range(max(4, 200 // images)):
            maps = ndimage.gaussian_filter(rng.normal(size=(images, 64, 64)), (0, 2, 2)) * 7
            masks = np.zeros(maps.shape, bool)
            masks[::2, 20:32, 20:32] = True
            maps += 2.5 * masks
            top = maps[~masks].max()
            found.append((aupro(maps, masks, 0.01), aupro_official(maps, masks, 0.01), (maps[masks] > top).mean()))
        yield [str(images), *(f"{number:.3f}" for number in np.mean(found, axis=0))]


def thresholds() -> Iterator[list[str]]:
    """What thresholds add to the spread over test sets: metrics from counts against metrics from maps, 60 draws."""
    from harness.metrics import METRICS, RankedTestSet, evaluate
    from harness.store.counts import count_images

    yield ["metric", "sd over test sets", "largest error of a draw", "error of the sd"]
    rng = np.random.default_rng(12)
    maps = ndimage.gaussian_filter(rng.normal(size=(40, 96, 96)), (0, 3, 3)) * 10
    masks = np.zeros(maps.shape, bool)
    for index in range(15, 40):
        row, column, size = rng.integers(5, 60), rng.integers(5, 60), rng.integers(6, 25)
        masks[index, row : row + size, column : column + size] = True
    maps += 2.0 * masks
    labels, scores = masks.any(axis=(1, 2)), maps.max(axis=(1, 2))
    ids = tuple(f"{index:02d}" for index in range(40))
    counts = count_images(RankedTestSet.of(maps, masks, labels, scores, ["good"] * 40), ids)
    drawn = draw_images(ids, labels, 60, 1)
    fast = counts.evaluate(drawn)
    exact = []
    for weights in drawn:
        order = np.repeat(np.arange(40), weights)
        exact.append(evaluate(maps[order], masks[order], labels[order], scores[order]))
    for name in METRICS:
        slow = np.array([one[name] for one in exact], dtype=np.float64)
        yield [
            name,
            f"{slow.std():.4f}",
            f"{np.abs(fast[name] - slow).max():.4f}",
            f"{fast[name].std() / slow.std() - 1:+.1%}",
        ]


def split_lists() -> Iterator[list[str]]:
    """Whether lists sorted by SHA-256 take every sample equally often: chi-square over 2000 seeds, and nesting."""
    yield ["samples", "shots", "p-value of equal shares", "nested"]
    for samples, shots in product((210, 1000), (5, 10, 50)):
        ids = [f"train/good/{index:03d}" for index in range(samples)]
        taken = np.zeros(samples)
        nested = True
        for seed in range(2000):
            order = seeded_order("mvtec3d", "bagel", f"simulated-{seed}", ids)
            taken[[int(name[-3:]) if samples < 1000 else int(name.rpartition("/")[2]) for name in order[:shots]]] += 1
            nested = nested and set(order[:5]) <= set(order[:shots]) and len(set(order)) == samples
        expected = 2000 * shots / samples
        statistic = float(((taken - expected) ** 2).sum() / expected / (1 - shots / samples))
        yield [str(samples), str(shots), f"{stats.chi2.sf(statistic, samples - 1):.2f}", "yes" if nested else "no"]


def rounding() -> Iterator[list[str]]:
    """Differences of a measured number to one that is published with three decimals."""
    yield ["measured less published", "largest error", "printed differences other than those of printed numbers"]
    rng = np.random.default_rng(13)
    measured, truth = rng.uniform(0.5, 1, size=(2, 100_000))
    published = truth.round(3)
    error = np.abs((measured - published) - (measured - truth)).max()
    printed = np.array([float(f"{number:.3f}") for number in measured - published])
    unlike = np.abs(printed - (measured.round(3) - published)) > 5e-4
    yield ["one category", f"{error:.4f}", f"{unlike.mean():.2%}"]


SIMULATIONS: dict[str, Callable[[], Iterator[list[str]]]] = {
    function.__name__: function
    for function in (
        coverage,
        perfect,
        false_leads,
        power,
        more_images,
        scaling,
        decided_rates,
        fitted_tails,
        two_by_ranks,
        several_by_ranks,
        over_lists,
        gate_means,
        speed_alarms,
        latencies,
        components,
        thresholds,
        official_bias,
        rounding,
        split_lists,
    )
}


def main(names: list[str]) -> None:
    """Print the tables of some simulations, all without a name."""
    for name in names or SIMULATIONS:
        simulate = SIMULATIONS[name]
        print(f"\n**{(simulate.__doc__ or '').strip()}** (`{name}`)\n")
        for place, line in enumerate(simulate()):
            print(f"| {' | '.join(line)} |", flush=True)
            if not place:
                print(f"| {' | '.join('---' for _ in line)} |")


if __name__ == "__main__":
    main(sys.argv[1:])
