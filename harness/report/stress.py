"""What conditions do to methods: a metric under each condition, and its change against samples as they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from harness.data.conditions import NONE, condition_order, parse_condition
from harness.report.differences import difference_value
from harness.report.grid import Grid, NumberId, Row, Value, missing
from harness.report.groups import Group, MethodRecords, group_records
from harness.report.pivot import Cut, group_grid, measured_value, method_rows
from harness.report.uncertainty import Uncertainty
from harness.store.provenance import mixed_versions
from harness.store.quantities import Quantity, quantity
from harness.store.query import RecordQuery
from harness.store.record import Record

__all__ = ["StressFamily", "stress_families", "stress_grids", "why_incomparable", "widened"]

_METRICS = ("i_auroc", "aupro_30")
_CAPTION = (
    "difference: under the condition minus without one, with its 95% interval, by a bootstrap over the same test "
    "images; variation between trainings is not included"
)
_OTHER_CATEGORIES = "some under conditions over other categories, as their footnotes say"
_NOT_RUN = "not measured under this condition"
_NO_PLAIN = "not measured under 'none'"


@dataclass(frozen=True, slots=True)
class StressFamily:
    """Groups that differ in the condition alone.

    Parameters
    ----------
    plain
        Samples as they are.
    changed
        By condition, in the order of kinds and levels; at least one.
    """

    plain: Group
    changed: dict[str, Group]

    @property
    def groups(self) -> dict[str, Group]:
        """By condition, that of samples as they are first."""
        return {NONE: self.plain, **self.changed}

    @property
    def labels(self) -> tuple[str, ...]:
        """The methods that have a number under some condition, or were measured without one."""
        measured = {method.label for group in self.changed.values() for method in group.methods if method.ok}
        return tuple(sorted(measured | {method.label for method in self.plain.methods}))

    def under(self, condition: str, label: str) -> MethodRecords | None:
        """Return the records of a method under a condition; None where it has none."""
        return next((method for method in self.groups[condition].methods if method.label == label), None)

    def values(self, label: str, metric: Quantity) -> dict[str, Value]:
        """Return the numbers of a method by condition; a dash with the reason where there is none."""
        values = {}
        for text, group in self.groups.items():
            records = self.under(text, label)
            not_run = missing(_NO_PLAIN if text == NONE else _NOT_RUN)
            values[text] = not_run if records is None else measured_value(group, records, Cut(metric))
        return values


def widened(query: RecordQuery) -> tuple[str, ...]:
    """Return the conditions that a comparison of conditions is about: all where a query names none, and ``none``."""
    return () if query.conditions in ((), (NONE,)) else (*query.conditions, NONE)


def stress_families(records: Iterable[Record], query: RecordQuery) -> tuple[StressFamily, ...]:
    """Return groups that were measured with and without conditions.

    Parameters
    ----------
    records
        In any order.
    query
        Chooses among them; all conditions where it names none.
    """
    groups = [group for group in group_records(records, replace(query, conditions=widened(query))) if group.ok]
    families: dict[tuple[object, ...], dict[str, Group]] = {}
    for group in groups:
        protocol = replace(group.protocol, condition=NONE)
        key = (group.dataset, protocol.digest, str(group.shots), group.split)
        families.setdefault(key, {})[group.protocol.condition] = group
    return tuple(
        StressFamily(
            members[NONE], {text: members[text] for text in sorted(members, key=condition_order) if text != NONE}
        )
        for members in families.values()
        if NONE in members and len(members) > 1
    )


def stress_grids(
    records: Iterable[Record], query: RecordQuery, metrics: Sequence[str], intervals: Uncertainty | None
) -> list[Grid]:
    """Return a table of each metric: methods against conditions, and differences to samples as they are.

    Parameters
    ----------
    records, query
        As for :func:`stress_families`.
    metrics
        Ids of accuracy metrics; I-AUROC and AUPRO@30% where empty.
    intervals
        Of the results folder; None leaves the differences out.
    """
    chosen = [quantity(metric) for metric in metrics or _METRICS]
    families = stress_families(records, query)
    if intervals is not None:
        intervals.prepare(number for family in families for number in _compared(family, chosen[0]))
    return [_grid(family, metric, intervals) for family in families for metric in chosen]


def why_incomparable(before: Value, after: Value, condition: str, intervals: Uncertainty) -> str:
    """Return why a number under a condition may not be compared with that of samples as they are; empty where it may.

    Parameters
    ----------
    before, after
        A metric of a method without and under the condition.
    condition
        As it is written.
    intervals
        Of the results folder.
    """
    first, second = before.identity, after.identity
    if second is None:
        return after.note
    if first is None:
        return before.note if before.note == _NO_PLAIN else f"no number under '{NONE}': {before.note}"
    stale, now_stale = first.method.shown_stale, second.method.shown_stale
    if bool(stale) != bool(now_stale):
        return f"stale: {now_stale}" if now_stale else f"the number under '{NONE}' is stale: {stale}"
    if set(first.categories) != set(second.categories):
        return "not measured in the same categories"
    if not intervals.same_images(first, second):
        kind = parse_condition(condition).kind
        left_out = kind is not None and not kind.changes and kind.tail
        return "not tested on the same images" + (": those in training are left out" if left_out else "")
    return "stale, each of other code or data" if stale and _made_by(first) != _made_by(second) else ""


def _made_by(number: NumberId) -> dict[str, tuple[object, ...]]:
    """Return the code and the data of a number, by category."""
    records = number.method.among(number.categories)
    return {name: (record.environment.provider, record.content.test) for name, record in records.items()}


def _compared(family: StressFamily, metric: Quantity) -> Iterator[NumberId]:
    """Yield the numbers of the methods that have one without a condition and one under some condition."""
    for label in family.labels:
        values = family.values(label, metric)
        numbers = [value.identity for value in values.values() if value.identity is not None]
        if values[NONE].identity is not None and len(numbers) > 1:
            yield from numbers


def _grid(family: StressFamily, metric: Quantity, intervals: Uncertainty | None) -> Grid:
    cuts = [Cut(metric, text, {"condition": text}) for text in family.groups]
    rows = [row for label in family.labels for row in _rows(family, label, metric, intervals)]
    others = any(len({value.over for value in row.values if value.over}) > 1 for row in rows)
    caption = "; ".join(filter(None, (_OTHER_CATEGORIES * others, _CAPTION if intervals is not None else "")))
    title = f"{metric.title} under conditions"
    return group_grid(family.plain, "stress", title, [cut.column for cut in cuts], rows, caption=caption)


def _rows(family: StressFamily, label: str, metric: Quantity, intervals: Uncertainty | None) -> list[Row]:
    """Return the rows of a method: its label is about samples as they are, else about the first condition it has."""
    values = family.values(label, metric)
    lead, group, first = next(
        (text, group, records)
        for text, group in family.groups.items()
        if (records := family.under(text, label)) is not None and (text == NONE or records.ok)
    )
    shown = [value if text == lead else _with_notes(value, first, group.categories) for text, value in values.items()]
    gaps: list[Value] = []
    if intervals is not None and values[NONE].number is not None:
        gaps = [_change(values[NONE], values[text], text, metric, intervals) for text in family.changed]
    return method_rows(group, first, shown, differences=[Value(""), *gaps])


def _with_notes(value: Value, first: MethodRecords, categories: Sequence[str]) -> Value:
    """Return a number with a note of what its row's label does not say of it.

    Parameters
    ----------
    value
        Under a condition.
    first, categories
        What the label is about.
    """
    if value.identity is None:
        return value
    records, names, labelled = value.identity.method, value.identity.categories, first.among(categories)
    absent = [records.why_missing(name) for name in labelled if name not in names]
    more = [name for name in names if name not in labelled]
    notes = [f"without {', '.join(absent)}"] * bool(absent) + [f"also over {', '.join(more)}"] * bool(more)
    if records.shown_stale != first.shown_stale:
        again = f"stale: {records.shown_stale}; 'harness run' measures it again"
        notes.append(again if records.shown_stale else "not stale")
    if (versions := mixed_versions(records.ok.values())) != mixed_versions(first.ok.values()):
        notes.append(versions)
    return replace(value, note="; ".join(filter(None, (value.note, *notes))))


def _change(before: Value, after: Value, condition: str, metric: Quantity, intervals: Uncertainty) -> Value:
    """Return what a condition changes of a metric, with its interval; a dash with the reason where it is unknown."""
    reason, first, second = why_incomparable(before, after, condition, intervals), before.identity, after.identity
    if reason or first is None or second is None:
        return missing(reason)
    (difference,) = intervals.against_best(first, [second])
    if difference is None:
        return missing("no interval, since its images give none")
    return difference_value(difference, metric)
