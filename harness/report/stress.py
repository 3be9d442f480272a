"""What conditions do to methods: a metric under each condition, and its change against samples as they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from harness.data.conditions import NONE, condition_order
from harness.report.differences import difference_value
from harness.report.grid import Grid, NumberId, Value, missing
from harness.report.groups import Group, MethodRecords, group_records
from harness.report.pivot import Cut, group_grid, measured_value, method_rows
from harness.report.uncertainty import Uncertainty
from harness.store.quantities import Quantity, quantity
from harness.store.query import RecordQuery
from harness.store.record import Record

__all__ = ["StressFamily", "stress_families", "stress_grids", "widened"]

_METRICS = ("i_auroc", "aupro_30")
_CAPTION = (
    "difference: under the condition less without one, with its 95% interval, by a bootstrap over the same test "
    "images; training again is another question"
)
_NOT_RUN = "not measured under this condition"


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

    def under(self, condition: str, label: str) -> MethodRecords | None:
        """Return the records of a method under a condition; None where it has none that is ok."""
        group = self.plain if condition == NONE else self.changed[condition]
        return next((method for method in group.methods if method.label == label and method.ok), None)


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
    return [_grid(family, metric, intervals) for family in stress_families(records, query) for metric in chosen]


def _grid(family: StressFamily, metric: Quantity, intervals: Uncertainty | None) -> Grid:
    plain, rows = family.plain, []
    cuts = [Cut(metric, text, {"condition": text}) for text in (NONE, *family.changed)]
    for method in plain.methods:
        under = {text: family.under(text, method.label) for text in family.changed}
        values = [measured_value(plain, method, Cut(metric))]
        for text, records in under.items():
            group = family.changed[text]
            values.append(missing(_NOT_RUN) if records is None else measured_value(group, records, Cut(metric)))
        gaps = [Value("")]
        if intervals is not None:
            gaps += [_change(plain, method, records, metric, intervals) for records in under.values()]
        rows += method_rows(plain, method, values, differences=gaps)
    caption = _CAPTION if intervals is not None else ""
    title = f"{metric.title} under conditions"
    return group_grid(plain, "stress", title, [cut.column for cut in cuts], rows, caption=caption)


def _change(
    plain: Group, method: MethodRecords, changed: MethodRecords | None, metric: Quantity, intervals: Uncertainty
) -> Value:
    """Return what a condition changes of a metric, with its interval; a dash with the reason where it is unknown."""
    if changed is None:
        return missing(_NOT_RUN)
    names = tuple(method.among(plain.categories))
    if names != tuple(changed.among(plain.categories)):
        return missing("not measured in the same categories")
    before, after = NumberId(method, names, metric.id), NumberId(changed, names, metric.id)
    (difference,) = intervals.against_best(before, [after])
    if difference is not None:
        return difference_value(difference, metric)
    same = intervals.same_images(before, after)
    return missing("no interval, since its images give none" if same else "not tested on the same images")
