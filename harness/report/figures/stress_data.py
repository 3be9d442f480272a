"""Accuracy by the level of a condition, as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.data.conditions import NONE, ConditionKind, condition_order, parse_condition
from harness.report.figures.data import FigureData, Series
from harness.report.grid import Value
from harness.report.groups import Group
from harness.report.stress import StressFamily, why_incomparable
from harness.report.uncertainty import Uncertainty
from harness.store.quantities import Quantity, quantity
from harness.store.store import Store

__all__ = ["StressPoint", "measured_stress"]

_BARS = f"bar: 95% interval of the difference to '{NONE}' (dotted), paired over test images"


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
        The value at the neutral level plus the ends of the 95% interval of the difference to it, paired over test
        images; None at that level, and where there is none.
    neutral
        Whether samples are as they are.
    """

    level: float
    value: float
    low: float | None = None
    high: float | None = None
    neutral: bool = False


@dataclass(frozen=True, slots=True)
class _Curves:
    """The comparable numbers under conditions of one kind.

    Parameters
    ----------
    kind
        Of conditions.
    texts
        The measured ones, by level.
    methods
        By label: numbers by condition, that of samples as they are first, then at least one other.
    left_out
        By reason: what was left out.
    """

    kind: ConditionKind
    texts: tuple[str, ...]
    methods: dict[str, dict[str, Value]] = field(default_factory=dict)
    left_out: dict[str, list[str]] = field(default_factory=dict)

    @property
    def levels(self) -> int:
        """How many conditions some method has a comparable number under."""
        return len({text for values in self.methods.values() for text in values} - {NONE})

    @property
    def why_left_out(self) -> str:
        """What was left out and why, as part of a sentence; empty for nothing."""
        return "; ".join(f"{', '.join(names)} ({reason})" for reason, names in self.left_out.items())


def measured_stress(groups: Sequence[Group], store: Store, metric: str) -> FigureData[Series[StressPoint]]:
    """Return a curve for each method over the levels of the kind of conditions that has the most of them.

    A point whose difference to the number of samples as they are can't be told is left out, with a note: other
    categories, other test images, or one of the two stale.

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
    if plain is None or not by_text:
        return FigureData("", (), metric, ("Conditions are compared with 'none': measure both with 'harness run'.",))
    intervals = Uncertainty(store)
    family = StressFamily(plain, {text: by_text[text] for text in sorted(by_text, key=condition_order)})
    kinds = _by_kind(family, quantity(metric), intervals)
    drawn = max(kinds, key=lambda curves: curves.levels)
    intervals.prepare(
        value.identity for values in drawn.methods.values() for value in values.values() if value.identity is not None
    )
    parts = tuple(
        Series(label, False, _points(drawn.kind, values, intervals)) for label, values in sorted(drawn.methods.items())
    )
    notes = [f"Left out: {drawn.why_left_out}."] if drawn.left_out else []
    for curves in (curves for curves in kinds if curves is not drawn):
        how = f"choose with --condition {','.join(curves.texts)}" if curves.levels else curves.why_left_out
        notes.append(f"Not drawn: {curves.kind.title}; {how}.")
    with_bars = any(point.low is not None for curve in parts for point in curve.points)
    title = "; ".join((f"{drawn.kind.title}: {drawn.kind.help}", plain.title, *([_BARS] if with_bars else [])))
    return FigureData(title, parts, metric, tuple(notes))


def _by_kind(family: StressFamily, metric: Quantity, intervals: Uncertainty) -> list[_Curves]:
    """Return what can be drawn of each kind of conditions, in their order."""
    by_kind: dict[str, _Curves] = {}
    for text in family.changed:
        kind = parse_condition(text).kind
        if kind is not None and kind.title not in by_kind:
            texts = [other for other in family.changed if parse_condition(other).kind == kind]
            by_kind[kind.title] = _Curves(kind, tuple(texts))
    for label in family.labels:
        values = family.values(label, metric)
        measured = {text: value for text, value in values.items() if family.under(text, label) is not None}
        for curves in by_kind.values():
            _add(curves, label, values[NONE], measured, intervals)
    return list(by_kind.values())


def _add(curves: _Curves, label: str, plain: Value, measured: Mapping[str, Value], intervals: Uncertainty) -> None:
    """Add the numbers of a method that may be compared, and what was left out."""
    kept = {}
    for text in (text for text in curves.texts if text in measured):
        if reason := why_incomparable(plain, measured[text], text, intervals):
            curves.left_out.setdefault(reason, []).append(f"{label} under {text}")
        else:
            kept[text] = measured[text]
    if kept:
        curves.methods[label] = {NONE: plain, **kept}


def _points(kind: ConditionKind, values: Mapping[str, Value], intervals: Uncertainty) -> tuple[StressPoint, ...]:
    """Return the points of a method by level."""
    plain, points = values[NONE], []
    for text, value in values.items():
        if value.number is None or plain.number is None or value.identity is None or plain.identity is None:
            continue
        level = kind.neutral if text == NONE else parse_condition(text).level
        (difference,) = [None] if text == NONE else intervals.against_best(plain.identity, [value.identity])
        low, high = (
            (None, None) if difference is None else (plain.number + difference.low, plain.number + difference.high)
        )
        points.append(StressPoint(level, value.number, low, high, text == NONE))
    return tuple(sorted(points, key=lambda point: point.level))
