"""Tables in the paper's layout: published rows, measured rows, or both with their differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import mean

from harness.data.base import DATASETS
from harness.data.splits import Shots
from harness.report.accuracy import accuracy_value
from harness.report.beside import difference
from harness.report.costs import cost_value, machines_of
from harness.report.grid import Column, Grid, Row, Value, missing, rank_columns
from harness.report.measured import MeasuredMethod
from harness.report.names import ACCURACY, metric_name
from harness.report.papertables import CITATION, Asked, PaperTable, printed_rows
from harness.report.series import Entry, Series
from harness.report.ties import Claim, Judge, mark_ties
from harness.store.published import MEAN, Published, PublishedRow

__all__ = ["Printed", "layout_grids"]

_ACCURACY = frozenset(metric.id for metric in ACCURACY)


@dataclass(frozen=True)
class Printed:
    """The published rows of a table.

    Parameters
    ----------
    rows
        Method to its numbers, in the paper's order.
    """

    rows: Mapping[str, Mapping[tuple[str, str, str], PublishedRow]]

    @classmethod
    def of(cls, table: PaperTable, published: Published, keep: Callable[[str], bool]) -> Printed:
        """Return the rows of a table, those of some methods only."""
        rows: dict[str, dict[tuple[str, str, str], PublishedRow]] = {}
        for row in printed_rows(published, table):
            if keep(row.method):
                rows.setdefault(row.method, {})[row.metric, row.category, str(row.shots)] = row
        return cls(rows)

    def value(self, label: str, asked: Asked) -> Value:
        """Return a number as printed, or a dash with the reason."""
        found = self.rows[label]
        row = found.get((asked.metric, asked.category, str(asked.shots)))
        if row is not None:
            return Value(row.text, row.value)
        parts = [row.value for (metric, category, _), row in found.items() if metric == asked.metric != category]
        dataset = next(row.dataset for row in found.values())
        if asked.category == MEAN and len(parts) == len(DATASETS[dataset].categories):
            return missing(f"no value is recorded; the mean of its {len(parts)} categories is {mean(parts):.3f}")
        return missing("no value is recorded")


def layout_grids(
    table: PaperTable,
    printed: Printed | None,
    series: Series | None,
    *,
    metrics: Sequence[str] = (),
    warning: str = "",
    judge: Judge | None = None,
) -> list[Grid]:
    """Return a table in the paper's layout, one grid for each of its blocks.

    Best and runner-up are marked among measured numbers and among published ones.

    Parameters
    ----------
    table
        Whose layout.
    printed
        Published rows; None to leave them out.
    series
        Measured rows; None to leave them out.
    metrics
        These accuracy metrics only; all where empty.
    warning
        Why measured and published rows don't stand in one table.
    judge
        Tells which measured numbers are tied.
    """
    lines = _lines(table, printed, series)
    builder = _Builder(table, printed, series, lines, warning)
    return [mark_ties(builder.grid(block), builder.claim, judge) for block in table.blocks(metrics)] if lines else []


@dataclass(frozen=True, slots=True)
class _Line:
    """A method of a table: its label, what was measured, the label under which it is printed, whether that is shown."""

    label: str
    entry: Entry | None
    printed: str = ""
    shown: bool = True


def _lines(table: PaperTable, printed: Printed | None, series: Series | None) -> list[_Line]:
    measured = series.rows(table, apart=printed is None) if series else []
    if printed is None:
        return [_Line(entry.label, entry) for _, entry in measured]
    lines = []
    for label in printed.rows:
        entries = [entry for name, entry in measured if name == label]
        lines.append(_Line(label, entries[0] if entries else None, label))
        lines += [_Line(entry.label, entry, label, shown=False) for entry in entries[1:]]
    return lines + [_Line(entry.label, entry) for name, entry in measured if name not in printed.rows]


class _Builder:
    """Makes the grids of a table."""

    def __init__(
        self, table: PaperTable, printed: Printed | None, series: Series | None, lines: Sequence[_Line], warning: str
    ) -> None:
        self._table, self._printed, self._series, self._warning = table, printed, series, warning
        self._lines = lines
        self._entries = {line.label: line.entry for line in lines if line.entry is not None}
        self._groups = dict(series.groups) if series else {}
        self._shots: Shots = series.first.shots if series and table.across != "shots" else "full"
        self._by_text: dict[str, Shots] = {str(shots): shots for shots in self._groups}
        methods = [method for entry in self._entries.values() for method in entry.methods.values()]
        self._one_machine = len(machines_of(methods)) <= 1

    def grid(self, block: Sequence[str]) -> Grid:
        """Return the grid of a block."""
        categories = self._series.first.categories if self._series else DATASETS[self._table.dataset].categories
        asked = self._table.asked(block, categories, self._shots)
        columns = tuple(one.column for one in asked)
        blocks = [self._rows(line, asked) for line in self._lines]
        rows = [row for block in _ruled(blocks) for row in block]
        mixed = len({row.keys["source"] for row in rows}) > 1
        headings: tuple[str, ...] = ("method", "")
        shown = slice(None) if mixed else slice(1)
        kept = [replace(row, labels=row.labels[shown], starts=row.starts and mixed) for row in rows]
        return Grid(
            title=self._title(block),
            label_headings=headings[shown],
            columns=columns,
            rows=rank_columns(kept, columns),
            caption=self._caption(),
            warning=self._warning,
            keys=self._keys(),
        )

    def claim(self, row: Row, column: Column) -> Claim | None:
        """Return what a measured accuracy is."""
        entry = self._entries.get(row.keys["method"]) if row.keys["source"] == "measured" else None
        shots = self._by_text.get(column.keys.get("shots", str(self._shots)))
        metric = column.keys["metric"]
        if entry is None or shots is None or shots not in entry.methods or metric not in _ACCURACY:
            return None
        category = column.keys.get("category", MEAN)
        categories = self._groups[shots].categories if category == MEAN else (category,)
        return Claim(entry.methods[shots], tuple(categories), metric)

    def _rows(self, line: _Line, asked: Sequence[Asked]) -> list[Row]:
        measured = [self._measured(line.entry, one) for one in asked] if line.entry else []
        printed = self._published(line, asked)
        unlike = self._table.unlike.get(line.printed, "")
        parts = {"measured": measured, "published": printed if line.shown else []}
        if measured and printed:
            parts["published"] = [_elsewhere(*two) for two in zip(parts["published"], asked, strict=False)]
            gaps = [_gap(*three) for three in zip(measured, printed, asked, strict=True)]
            parts["difference"] = [missing(unlike) if unlike and gap.text else gap for gap in gaps]
        keys = {"method": line.label} | self._constant()
        label = Value(line.label, note="; ".join(filter(None, (self._note(line.entry), unlike))))
        rows: list[Row] = []
        for source, values in parts.items():
            if any(value.text for value in values):
                labels = (Value("") if rows else label, Value(source))
                group = "" if source == "difference" else source
                rows.append(Row(labels, tuple(values), keys | {"source": source}, rank_group=group))
        return rows

    def _published(self, line: _Line, asked: Sequence[Asked]) -> list[Value]:
        """Return the published numbers of a line, with what is doubtful about them; none where it has none."""
        if self._printed is None or not line.printed:
            return []
        values = [self._printed.value(line.printed, one) for one in asked]
        doubts = [self._table.doubts.get((line.printed, one.metric), "") for one in asked]
        return [replace(value, note=value.note or doubt) for value, doubt in zip(values, doubts, strict=True)]

    def _constant(self) -> dict[str, str]:
        """Return the keys of a row: what its columns don't tell."""
        keys = {} if self._table.across == "category" else {"category": MEAN}
        return keys if self._table.across == "shots" else keys | {"shots": str(self._shots)}

    def _measured(self, entry: Entry, asked: Asked) -> Value:
        method = entry.methods.get(asked.shots)
        if method is None:
            return missing(f"not run with {_samples(asked.shots)}")
        everything = self._groups[asked.shots].categories
        wanted = everything if asked.category == MEAN else (asked.category,)
        if not any(category in method.ok for category in wanted):
            return missing(_why(method, asked.category, everything))
        name = metric_name(asked.metric)
        accuracy = asked.metric in _ACCURACY
        value = (accuracy_value if accuracy else cost_value)(method, wanted, name)
        if name.of_machine and not self._one_machine:
            value = replace(value, ranked=False)
        lacking = [category for category in wanted if category not in method.ok]
        if not lacking or value.number is None:
            return value
        told = f"mean of {len(wanted) - len(lacking)} of {len(wanted)} categories: without {', '.join(lacking)}"
        return replace(value, note=told, ranked=False)

    def _note(self, entry: Entry | None) -> str:
        if entry is None or self._series is None:
            return ""
        told = [self._series.remarks(entry)]
        if "fps" in self._table.metrics:
            machines = machines_of(entry.methods.values())
            told += [f"measured on {', '.join(machines)}"] if machines else []
        return "; ".join(filter(None, told))

    def _title(self, block: Sequence[str]) -> str:
        what, number = self._table.title(block), self._table.number
        if self._printed is None and self._series:
            return f"{what[:1].upper()}{what[1:]}, as in Table {number}: {self._series.title}"
        return f"Table {number}. {DATASETS[self._table.dataset].title}: {what}"

    def _caption(self) -> str:
        if self._series is None or not self._entries:
            return f"as published: {CITATION}"
        if self._printed is None:
            return ""
        return f"measured: {self._series.title}; published: {CITATION}"

    def _keys(self) -> dict[str, str]:
        context = self._series.keys if self._series else {"dataset": self._table.dataset}
        if self._table.across == "category" or self._series is None:
            context = {key: value for key, value in context.items() if key != "shots"}
        return {"kind": "paper" if self._entries else "published", "table": str(self._table.number)} | context


def _ruled(blocks: Sequence[Sequence[Row]]) -> list[list[Row]]:
    """Return blocks of rows with a rule above each of them, but none between two that are one row each."""
    before = [0, *map(len, blocks)]
    return [
        [replace(row, starts=not place and max(len(block), above) > 1) for place, row in enumerate(block)]
        for block, above in zip(blocks, before, strict=False)
    ]


def _elsewhere(printed: Value, asked: Asked) -> Value:
    """Say of a published number that depends on the machine that it was another one."""
    told = metric_name(asked.metric).of_machine and printed.number is not None
    return replace(printed, note="on the authors' machine: no difference is given") if told else printed


def _gap(measured: Value, printed: Value, asked: Asked) -> Value:
    """Return measured minus published; nothing for a mean that lacks categories."""
    if measured.number is not None and not measured.ranked and not metric_name(asked.metric).of_machine:
        return Value("")
    return difference(measured, printed, metric_name(asked.metric))


def _samples(shots: Shots) -> str:
    return "all training samples" if shots == "full" else f"{shots} training samples"


def _why(method: MeasuredMethod, category: str, everything: Sequence[str]) -> str:
    """Return why a number is missing, short where nothing was run."""
    if category != MEAN:
        told = method.why_missing(category).removeprefix(f"{category} ")
        return told.removeprefix("(").removesuffix(")")
    run = [method.why_missing(name) for name in everything if name in method.records]
    return f"no category is measured: {', '.join(run)}"
