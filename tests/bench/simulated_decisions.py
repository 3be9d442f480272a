"""What is said of decisions, where the truth is known: rates of false alarms, and intervals of fitted tails."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from scipy import stats
from simulated_sets import REPEATS

from harness.metrics.decisions import decide, tail_threshold, threshold_at
from harness.report.intervals import share_interval

__all__ = ["decided_rates", "fitted_tails"]

_SCORES: dict[str, Any] = {"normal": stats.norm, "gamma, shape 3": stats.gamma(3), "Student, 5 degrees": stats.t(5)}
_NOMINAL = (20, 50, 100, 250)


def decided_rates() -> Iterator[list[str]]:
    """False alarms by a threshold of nominal scores, and how often the exact interval of a test set holds the truth."""
    yield ["nominal", "target", "expected", "mean false alarms", "held", "missed, held"]
    for count, rate in product(_NOMINAL, (0.0, 0.01, 0.05)):
        rng = np.random.default_rng(21)
        alarms, held = [], np.zeros(2)
        for _ in range(REPEATS):
            threshold = threshold_at(rng.normal(size=count), rate)
            scores = [*rng.normal(size=25), *rng.normal(2.0, 1.0, size=80)]
            outcome = decide(threshold.value, [0] * 25 + [1] * 80, scores)
            alarms.append(float(stats.norm.sf(threshold.value)))
            truths = (alarms[-1], float(stats.norm.cdf(threshold.value, 2.0)))
            counts = ((outcome.false_alarms, outcome.good), (outcome.missed, outcome.anomalous))
            intervals = [share_interval(*part) for part in counts]
            held += [one.low <= truth <= one.high for one, truth in zip(intervals, truths, strict=True)]
        shares = (threshold.attainable, float(np.mean(alarms)), *(held / REPEATS))
        yield [str(count), f"{rate:.0%}", *(f"{share:.1%}" for share in shares)]


def fitted_tails() -> Iterator[list[str]]:
    """How often the interval of a fitted tail's threshold holds the true one, and how far thresholds are from it."""
    yield ["scores", "nominal", "target", "held", "error of the fit", "error of the order statistic"]
    for (name, scores), count, rate in product(_SCORES.items(), _NOMINAL, (0.01, 0.05)):
        rng = np.random.default_rng(22)
        truth, held = float(scores.isf(rate)), 0
        errors = []
        for seed in range(REPEATS // 2):
            nominal = scores.rvs(size=count, random_state=rng)
            tail = tail_threshold(nominal, rate, seed)
            held += tail.low <= truth <= tail.high
            errors.append((tail.value - truth, threshold_at(nominal, rate).value - truth))
        fit, order = np.sqrt(np.mean(np.square(errors), axis=0)) / scores.std()
        yield [name, str(count), f"{rate:.0%}", f"{held / (REPEATS // 2):.1%}", f"{fit:.2f}", f"{order:.2f}"]
