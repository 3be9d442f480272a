"""Tables as pivots of a group of records: rows are methods, columns are cuts through quantities."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.registry import note_of
from harness.report.compare import difference, published_labels, published_values, why_not_comparable
from harness.report.grid import Column, Grid, NumberId, Row, Value, missing, rank_columns
from harness.report.groups import Group, MethodRecords
from harness.store.means import busy_reason, computed_by, is_time, machines_of, mean_over
from harness.store.paper import reason_for_no_difference
from harness.store.provenance import mixed_versions
from harness.store.published import MEAN, Published
from harness.store.quantities import Quantity

__all__ = [
    "CONTENDED",
    "Cut",
    "categories_of",
    "group_grid",
    "label_of",
    "lacking",
    "measured_on",
    "measured_value",
    "method_rows",
    "pivot",
    "remarks",
]

CONTENDED = "measured on a busy machine"
"""Marks a time that other load disturbed."""

_NAMED = 2
"""Categories that are named instead of counted."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A column: a quantity of one category or a mean over all, of one type of defect or all.

    Parameters
    ----------
    quantity
        What it shows.
    heading
        Lines between newlines; that of the quantity where empty.
    keys
        What distinguishes it from its neighbours in data formats, beside the quantity.
    category
        One category, or ``mean``.
    defect
        One type of defect against all good images; all where empty.
    """

    quantity: Quantity
    heading: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)
    category: str = MEAN
    defect: str = ""

    @property
    def column(self) -> Column:
        """Heading and keys."""
        keys = {**self.keys, "metric": self.quantity.id}
        return Column(self.heading or self.quantity.heading, keys, self.quantity.lowest)


def categories_of(group: Group, cut: Cut) -> tuple[str, ...]:
    """Return the categories that a cut is about: of a mean over one type of defect, those that have it."""
    names = group.categories if cut.category == MEAN else (cut.category,)
    if not cut.defect:
        return names
    having = {name for method in group.methods for name, record in method.ok.items() if cut.defect in record.by_defect}
    return tuple(name for name in names if name in having)


def measured_value(
    group: Group,
    method: MethodRecords,
    cut: Cut,
    categories: Sequence[str] | None = None,
    *,
    by_machine: bool = False,
) -> Value:
    """Return a number of a method as tables print it, or a dash with the reason.

    A mean is over the categories that the method has; it competes with means over the same ones. Numbers that depend
    on the machine do not compete where the group was measured on several, or read from several counters.

    Parameters
    ----------
    group, method
        What was measured.
    cut
        Which number.
    categories
        Of a mean; all of the group where None.
    by_machine
        Let numbers that depend on the machine compete among those of equal machines.
    """
    wanted = categories_of(group, cut) if categories is None else categories
    records = method.among(wanted)
    quantity, covered = cut.quantity, tuple(records)
    number, reason = mean_over(quantity, records, cut.defect, contended=group.query.contended)
    if number is None:
        return Value("-", note=reason if records else _why_no_record(method, wanted), quantity=quantity.id)
    accuracy, busy = quantity.kind == "accuracy", busy_reason(records) if is_time(quantity) else ""
    images = [record.test_images.defects.get(cut.defect, 0) for record in records.values() if cut.defect]
    alone = "".join(machines_of(records.values())) if by_machine and quantity.of_machine else ""
    return Value(
        quantity.text(number),
        number,
        note=f"{CONTENDED}, {busy}" if busy else "",
        ranked=quantity.ranked and not busy and (accuracy or by_machine or group.comparable(quantity)),
        over="+".join((*covered, *map(str, images), *filter(None, [alone]))),
        quantity=quantity.id,
        identity=NumberId(method, covered, quantity.id, cut.defect) if accuracy else None,
    )


def _why_no_record(method: MethodRecords, wanted: Sequence[str]) -> str:
    if len(wanted) == 1:
        return method.why_missing(wanted[0]).removeprefix(f"{wanted[0]} ").removeprefix("(").removesuffix(")")
    reasons = [method.why_missing(name) for name in wanted if name in method.records]
    return ": ".join(filter(None, ("no category is measured", ", ".join(reasons))))


def lacking(group: Group, method: MethodRecords) -> str:
    """Return which categories a method lacks and why, as a footnote; empty where it has all."""
    absent = [method.why_missing(category) for category in group.categories if category not in method.ok]
    return f"without {', '.join(absent)}" if absent else ""


def remarks(group: Group, method: MethodRecords) -> str:
    """Return what a reader must know: the method's own note, stale and older records, weights not the published ones.

    Parameters
    ----------
    group, method
        What was measured.
    """
    notes = []
    if method.shown_stale:
        notes.append(f"stale: {method.shown_stale}; 'harness run' measures it again")
    if versions := mixed_versions(method.ok.values()):
        notes.append(versions)
    if method.replaced:
        notes.append(f"older records of other data or splits are left out: {', '.join(method.replaced)}")
    of_records = dict.fromkeys(sentence for record in method.ok.values() for sentence in record.notes)
    if group.protocol.weights == "random":
        of_records = {note: None for note in of_records if not note.startswith("random weights")}
    own = note_of(method.cell.method)
    return "; ".join((*([own] if own else ()), *notes, *of_records))


def measured_on(method: MethodRecords) -> str:
    """Return the machines of a method, and what computed its parts there, as a footnote; empty without numbers."""
    machines = machines_of(method.ok.values())
    ways = dict.fromkeys(filter(None, map(computed_by, method.ok.values())))
    return f"measured on {'; '.join((', '.join(machines), *ways))}" if machines else ""


def label_of(group: Group, method: MethodRecords, *notes: str, name: str = "") -> Value:
    """Return the label of a method: where it lacks categories their number stands behind it, and a footnote has them.

    Parameters
    ----------
    group, method
        What was measured.
    notes
        Further footnotes; empty ones are left out.
    name
        In place of its label.
    """
    covered, whole = len(method.among(group.categories)), len(group.categories)
    marks = [f"{covered} of {whole}"] * (covered != whole) + ["stale"] * bool(method.shown_stale)
    text = (name or method.label) + (f" ({', '.join(marks)})" if marks else "")
    return Value(text, note="; ".join(filter(None, (lacking(group, method), remarks(group, method), *notes))))


def method_rows(
    group: Group,
    method: MethodRecords,
    measured: Sequence[Value],
    printed: Sequence[Value] | None = None,
    differences: Sequence[Value] = (),
    *,
    notes: Iterable[str] = (),
    keys: Mapping[str, str] | None = None,
    second: str = "",
) -> list[Row]:
    """Return the rows of a method: measured, and where there are published numbers those and the differences.

    Parameters
    ----------
    group, method
        What was measured.
    measured, printed, differences
        One value for each column; None and empty for no row.
    notes
        Further footnotes of the method.
    keys
        Further keys of its rows.
    second
        Second label; the source where empty.
    """
    covered = tuple(method.among(group.categories))
    common = {"method": method.label, "category": MEAN if covered == group.all_categories else "+".join(covered)}
    common |= keys or {}
    label = label_of(group, method, *notes)
    labels = (label, Value(second or "measured"))
    rows = [Row(labels, tuple(measured), common | {"source": "measured"}, True, second or "measured")]
    if printed is not None:
        rows.append(Row((Value(""), Value("published")), tuple(printed), common | {"source": "published"}))
    if any(value.text for value in differences):
        rows.append(Row((Value(""), Value("difference")), tuple(differences), common | {"source": "difference"}))
    return rows


def pivot(
    group: Group,
    kind: str,
    title: str,
    cuts: Sequence[Cut],
    *,
    published: Published | None = None,
    note: Callable[[MethodRecords], str] = lambda method: "",
    caption: str = "",
) -> Grid:
    """Return a table of a group: a row for each method, and its published numbers and differences where there are any.

    Parameters
    ----------
    group
        Measured under one protocol.
    kind
        Name of the table, for data formats.
    title
        What its numbers are; the group's title follows.
    cuts
        Its columns.
    published
        None to show measured numbers only. Where none may be compared the table has a warning instead.
    note
        A further footnote of each method.
    caption
        Sentence below the title.
    """
    warning = why_not_comparable(group, published) if published is not None else ""
    reference = None if warning else published
    quantities = [cut.quantity for cut in cuts]
    rows: list[Row] = []
    for method in group.methods:
        measured = [measured_value(group, method, cut) for cut in cuts]
        printed = published_values(group, method, reference, quantities) if reference else None
        notes = [note(method)]
        gaps: list[Value] = []
        if reference is not None:
            labels = published_labels(method, reference)
            unlike = reason_for_no_difference(group.dataset, labels)
            notes += [unlike if labels else "nothing is published for these parameters"]
            gaps = [difference(*three) for three in zip(measured, printed or (), quantities, strict=False)]
            gaps = [missing(unlike) if unlike and gap.text else gap for gap in gaps]
        rows += method_rows(group, method, measured, printed, gaps, notes=notes)
    return group_grid(group, kind, title, [cut.column for cut in cuts], rows, caption=caption, warning=warning)


def group_grid(
    group: Group,
    kind: str,
    title: str,
    columns: Sequence[Column],
    rows: Sequence[Row],
    *,
    caption: str = "",
    warning: str = "",
    second: str = "",
) -> Grid:
    """Return a table of a group; the column of sources is left out where all numbers are measured.

    Parameters
    ----------
    group
        What it shows.
    kind
        Name of the table, for data formats.
    title
        What its numbers are; the group's title follows.
    columns, rows
        Rows as of :func:`method_rows`.
    caption, warning
        Sentences below the title.
    second
        Heading of the second label; sources where empty.
    """
    with_source = bool(second) or any(row.keys["source"] != "measured" for row in rows)
    headings: tuple[str, ...] = ("method", second)
    shown = slice(None) if with_source else slice(1)
    kept = [replace(row, labels=row.labels[shown], starts=row.starts and with_source) for row in rows]
    return Grid(
        title=f"{title}: {group.title}",
        label_headings=headings[shown],
        columns=tuple(columns),
        rows=rank_columns(kept, columns),
        caption="; ".join(filter(None, (_averaged_over(group), caption))),
        warning=warning,
        keys={"kind": kind, **group.keys, **({"machine": group.machine} if group.machine else {})},
    )


def _averaged_over(group: Group) -> str:
    names = group.categories
    if len(names) == 1:
        return f"category {names[0]}"
    which = f"all {len(names)} categories" if names == group.all_categories else ", ".join(names)
    if all(len(method.among(names)) == len(names) for method in group.methods):
        return f"means over {' and '.join(names) if len(names) <= _NAMED else which}"
    return f"means over {which}, or over as many as the brackets say"
