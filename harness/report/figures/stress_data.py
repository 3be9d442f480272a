"""Accuracy by the level of a condition, as data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from harness.data.conditions import CONDITIONS, NONE, parse_condition
from harness.report.figures.data import FigureData, Series
from harness.report.groups import Group
from harness.report.pivot import Cut, measured_value
from harness.report.uncertainty import Uncertainty
from harness.store.quantities import quantity
from harness.store.store import Store

__all__ = ["StressPoint", "measured_stress"]


@dataclass(frozen=True, slots=True)
class StressPoint:
    """One point of a curve.

    Parameters
    ----------
    level
        Of the condition, in the unit of its kind; at the neutral one samples are as they are.
    value
        The metric, a mean over categories, in [0, 1].
    low, high
        Its 95% interval over test sets; None where it has none.
    """

    level: float
    value: float
    low: float | None = None
    high: float | None = None


def measured_stress(groups: Sequence[Group], store: Store, metric: str) -> FigureData[Series[StressPoint]]:
    """Return a curve for each method over the levels of the kind of conditions that has the most of them.

    Parameters
    ----------
    groups
        That differ in the condition alone.
    store
        Where counts lie.
    metric
        Id of an accuracy metric.
    """
    by_text = {group.protocol.condition: group for group in groups}
    plain = by_text.pop(NONE, None)
    kinds = Counter(kind.title for text in by_text if (kind := parse_condition(text).kind) is not None)
    if plain is None or not kinds:
        return FigureData("", (), metric, ("Conditions are drawn beside 'none': measure both with 'harness run'.",))
    title, _ = kinds.most_common(1)[0]
    kind, intervals = CONDITIONS[title], Uncertainty(store)
    levels = {kind.neutral: plain}
    levels |= {condition.level: by_text[text] for text in by_text if (condition := parse_condition(text)).kind == kind}
    curves: dict[str, list[StressPoint]] = {}
    for level, group in sorted(levels.items()):
        for method in group.methods:
            value = measured_value(group, method, Cut(quantity(metric)))
            if value.number is not None and value.identity is not None:
                interval = intervals.of(value.identity)
                ends = (None, None) if interval is None else (interval.low, interval.high)
                curves.setdefault(method.label, []).append(StressPoint(level, value.number, *ends))
    others = [name for name in kinds if name != title]
    notes = (f"Not drawn: {', '.join(others)}; choose with --condition '{others[0]}:*'.",) if others else ()
    parts = tuple(Series(label, False, tuple(points)) for label, points in sorted(curves.items()))
    return FigureData(f"{title}: {kind.help}; {plain.title}", parts, metric, notes)
