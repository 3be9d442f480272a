"""The table of decisions: what thresholds set on nominal samples let through and stop, with exact intervals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from harness.metrics.decisions import RATES
from harness.report.grid import Column, Grid, Row, Value, missing, range_text
from harness.report.groups import Group, MethodRecords
from harness.report.intervals import Interval, share_interval
from harness.report.pivot import Cut, group_grid, measured_value, method_rows
from harness.store.decisions import Decisions, OperatingPoint, Part, rate_key
from harness.store.means import mean_over
from harness.store.quantities import quantity
from harness.store.record import Record

__all__ = ["Counted", "attainable_text", "counted", "decision_grid", "points_at", "threshold_sources"]

_CAPTION = (
    "a threshold for each category, set on scores of nominal samples alone, at a target rate of false alarms; images "
    "of all categories are counted together, with the exact 95% interval of Clopper and Pearson for these thresholds; "
    "F1: mean over categories; best possible F1: of the threshold that the labels of the test images would choose, a "
    "bound and no result"
)


@dataclass(frozen=True, slots=True)
class Counted:
    """Some images of several, and where their true share may lie.

    Parameters
    ----------
    count, of
        How many images of how many.
    share
        Their quotient, with its exact interval.
    """

    count: int
    of: int
    share: Interval

    @property
    def text(self) -> str:
        """As in ``3 of 20 (3 to 38%)``."""
        return f"{self.count} of {self.of} ({self.interval})"

    @property
    def interval(self) -> str:
        """As in ``3 to 38%``."""
        return f"{self.share.low * 100:.0f} to {self.share.high * 100:.0f}%"


def counted(parts: Iterable[Part]) -> Counted | None:
    """Return the sum of some parts; None where there is no image."""
    parts = list(parts)
    count, of = sum(part.count for part in parts), sum(part.of for part in parts)
    return Counted(count, of, share_interval(count, of)) if of else None


def points_at(records: Iterable[Record], rate: float) -> tuple[OperatingPoint, ...]:
    """Return the operating points of records at a target rate of false alarms; those without one are left out."""
    points = (record.decisions.points.get(rate_key(rate)) for record in records)
    return tuple(point for point in points if point is not None)


def threshold_sources(decisions: Iterable[Decisions]) -> str:
    """Return how many nominal samples thresholds are set on, and where these come from, in words."""
    numbers: dict[str, list[int]] = {}
    for each in decisions:
        numbers.setdefault(each.source, []).append(each.nominal)
    return " and ".join(f"{range_text(min(counts), max(counts))} {source}" for source, counts in numbers.items())


def attainable_text(points: Sequence[OperatingPoint]) -> str:
    """Return where more false alarms are expected than the target rate, as part of a sentence; empty where nowhere.

    Parameters
    ----------
    points
        At one rate, one for each category.
    """
    lacking = [point for point in points if point.attainable > point.rate]
    if not lacking:
        return ""
    shares = [point.attainable for point in lacking]
    expected = f"{range_text(f'{100 * min(shares):.1f}', f'{100 * max(shares):.1f}')}% false alarms are expected"
    rate = lacking[0].rate
    if not rate:
        return f"the largest nominal score is the threshold, and {expected}"
    if len(lacking) == len(points):
        return f"too few nominal samples for {rate:.0%}: their largest score is the threshold, and {expected}"
    where = f"in {len(lacking)} of {len(points)} categories"
    return f"too few nominal samples for {rate:.0%} {where}: there the largest score is the threshold, and {expected}"


def decision_grid(group: Group) -> Grid | None:
    """Return what thresholds decide for each method of a group, a row for each rate; None where no record has any."""
    if not any(record.decisions.points for record in group.ok):
        return None
    columns = [
        Column("false alarms\nof good", {}, True),
        Column("missed\nof anomalous", {}, True),
        Column("F1", {}),
        Column("best possible F1\n(knows the labels)", {}),
    ]
    rows: list[Row] = []
    for method in group.methods:
        for position, rate in enumerate(RATES):
            (row,) = _rows(group, method, rate)
            continued = replace(row, labels=(Value(""), *row.labels[1:]), starts=False)
            rows.append(continued if position else row)
    return group_grid(group, "decisions", "Decisions", columns, rows, caption=_CAPTION, second="threshold")


def _rows(group: Group, method: MethodRecords, rate: float) -> list[Row]:
    """Return the row of a method at a rate."""
    key = rate_key(rate)
    records = [record for record in method.among(group.categories).values() if record.decisions.points]
    values = [
        _count(method, group, f"false_alarms_{key}", [point.false_alarms for point in points_at(records, rate)]),
        _count(method, group, f"missed_{key}", [point.missed for point in points_at(records, rate)]),
        measured_value(group, method, Cut(quantity(f"f1_{key}"))),
        measured_value(group, method, Cut(quantity("best_f1"))) if rate == RATES[0] else Value(""),
    ]
    sources = threshold_sources(record.decisions for record in records)
    notes = [f"thresholds set on {sources}" if sources and rate == RATES[0] else ""]
    (row,) = method_rows(group, method, values, notes=notes, keys={"rate": key}, second=f"{key}%")
    label = Value(f"{key}%", note=attainable_text(points_at(records, rate)))
    return [replace(row, labels=(row.labels[0], label))]


def _count(method: MethodRecords, group: Group, id: str, parts: Sequence[Part]) -> Value:
    """Return the sum of parts over a method's categories, or a dash with the reason."""
    share, reason = mean_over(quantity(id), method.among(group.categories))
    whole = counted(parts)
    if share is None or whole is None:
        return replace(missing(reason), quantity=id)
    interval = whole.share
    return Value(whole.text, interval.value, ranked=False, low=interval.low, high=interval.high, quantity=id)
