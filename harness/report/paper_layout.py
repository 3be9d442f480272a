"""Tables in the paper's layout: published rows, measured rows, or both with their differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import mean

from harness.data.registry import DATASETS, dataset_title
from harness.data.splits import Shots
from harness.report.compare import difference, on_other_machine
from harness.report.grid import Grid, Row, Value, missing, rank_columns
from harness.report.groups import samples_title
from harness.report.pivot import Cut, label_of, measured_on, measured_value, remarks
from harness.report.series import Series
from harness.store.paper import CITATION, PAPER_SHOTS, PaperTable, printed_rows
from harness.store.published import MEAN, Published, PublishedRow
from harness.store.quantities import known_energy, quantity

__all__ = ["layout_grids", "printed_numbers"]

Printed = Mapping[str, Mapping[tuple[str, str, str], PublishedRow]]
"""The published numbers of a table: method, in the paper's order, to metric, category and shots."""


def printed_numbers(table: PaperTable, published: Published, keep: Callable[[PublishedRow], bool]) -> Printed:
    """Return the published numbers of a table that are asked for."""
    rows: dict[str, dict[tuple[str, str, str], PublishedRow]] = {}
    for row in printed_rows(published, table):
        if keep(row):
            rows.setdefault(row.method, {})[row.metric, row.category, str(row.shots)] = row
    return rows


def layout_grids(
    table: PaperTable,
    printed: Printed | None,
    series: Series | None,
    *,
    metrics: Sequence[str] = (),
    warning: str = "",
) -> list[Grid]:
    """Return a table in the paper's layout, one grid for each of its blocks.

    Best and runner-up are marked among measured numbers and among published ones.

    Parameters
    ----------
    table
        Whose layout.
    printed
        Published numbers; None to leave them out.
    series
        Measured rows; where None, only columns with a published number are shown.
    metrics
        These accuracy metrics only; all where empty.
    warning
        Why measured and published rows don't stand in one table.
    """
    layout = _Layout(table, printed, series, warning)
    return [layout.grid(block) for block in table.blocks(metrics) if layout.cuts(block)] if layout.lines else []


@dataclass(frozen=True, slots=True)
class _Line:
    """A method of a table: as shown, its label where it is measured and where it is printed, whether that is shown."""

    label: str
    measured: str = ""
    printed: str = ""
    shown: bool = True


@dataclass(frozen=True, slots=True)
class _PaperCut(Cut):
    """A column of a table of the paper: a cut at a number of training samples."""

    shots: Shots = "full"


class _Layout:
    """Makes the grids of a table."""

    def __init__(self, table: PaperTable, printed: Printed | None, series: Series | None, warning: str) -> None:
        self._table, self._printed, self._series, self._warning = table, printed, series, warning
        self._shots: Shots = series.first.shots if series and table.across != "shots" else "full"
        self.lines = self._find_lines()

    def _find_lines(self) -> list[_Line]:
        printed = self._printed
        rows = self._series.rows(self._table, apart=printed is None) if self._series else []
        if printed is None:
            return [_Line(label, label) for _, label in rows]
        lines = []
        for name in printed:
            labels = [label for printed_label, label in rows if printed_label == name]
            lines.append(_Line(name, labels[0] if labels else "", name))
            lines += [_Line(label, label, name, shown=False) for label in labels[1:]]
        return lines + [_Line(label, label) for name, label in rows if name not in printed]

    def grid(self, block: Sequence[str]) -> Grid:
        """Return the grid of a block."""
        cuts = self.cuts(block)
        blocks = [self._rows(line, cuts) for line in self.lines]
        rows = [row for block in _ruled(blocks) for row in block]
        mixed = len({row.keys["source"] for row in rows}) > 1
        headings: tuple[str, ...] = ("method", "")
        shown = slice(None) if mixed else slice(1)
        kept = [replace(row, labels=row.labels[shown], starts=row.starts and mixed) for row in rows]
        columns = tuple(cut.column for cut in cuts)
        return Grid(
            title=self._title(block),
            label_headings=headings[shown],
            columns=columns,
            rows=rank_columns(kept, columns),
            caption=self._caption(),
            warning=self._warning,
            keys=self._keys(),
        )

    def cuts(self, block: Sequence[str]) -> tuple[_PaperCut, ...]:
        """Return the columns of a block."""
        cuts = self._all_cuts(block)
        if self._series is not None or self._printed is None:
            return cuts
        numbers = {number for numbers in self._printed.values() for number in numbers}
        return tuple(cut for cut in cuts if (cut.quantity.id, cut.category, str(cut.shots)) in numbers)

    def _all_cuts(self, block: Sequence[str]) -> tuple[_PaperCut, ...]:
        first = quantity(block[0])
        if self._table.across == "category":
            own = self._series.first.categories if self._series else DATASETS[self._table.dataset].categories
            names = (*own, MEAN)
            return tuple(_PaperCut(first, n.replace("_", "\n"), {"category": n}, n, shots=self._shots) for n in names)
        if self._table.across == "shots":
            sizes = self._series.sizes if self._series and self._printed is None else PAPER_SHOTS
            return tuple(_PaperCut(first, str(shots), {"shots": str(shots)}, shots=shots) for shots in sizes)
        quantities = map(quantity, self._with_energy(block))
        return tuple(_PaperCut(each, each.short or each.heading, shots=self._shots) for each in quantities)

    def _with_energy(self, block: Sequence[str]) -> tuple[str, ...]:
        """Return the metrics of a block, with energy after the frame rate where some record of a row has it."""
        methods = [self._series.methods[line.measured] for line in self.lines if line.measured] if self._series else []
        records = [record for method in methods for of in method.values() for record in of.ok.values()]
        ids = [id for metric in block for id in ((metric, "energy_j") if metric == "fps" else (metric,))]
        return known_energy(ids, records)

    def _rows(self, line: _Line, cuts: Sequence[_PaperCut]) -> list[Row]:
        measured = [self._measured(line.measured, cut) for cut in cuts] if line.measured else []
        printed = self._published(line.printed, cuts)
        unlike = self._table.unlike.get(line.printed, "")
        parts: dict[str, Sequence[Value]] = {"measured": measured, "published": printed if line.shown else []}
        if measured and printed:
            pairs = zip(parts["published"], cuts, strict=False)
            parts["published"] = [on_other_machine(value, cut.quantity) for value, cut in pairs]
            gaps = [self._difference(*three) for three in zip(measured, printed, cuts, strict=True)]
            parts["difference"] = [missing(unlike) if unlike and gap.text else gap for gap in gaps]
        keys = {"method": line.label} | self._constant()
        label = self._label(line, unlike)
        rows: list[Row] = []
        for source, values in parts.items():
            if any(value.text for value in values):
                labels = (Value("") if rows else label, Value(source))
                group = "" if source == "difference" else source
                rows.append(Row(labels, tuple(values), keys | {"source": source}, rank_group=group))
        return rows

    def _measured(self, label: str, cut: _PaperCut) -> Value:
        assert self._series is not None
        method = self._series.methods[label].get(cut.shots)
        if method is None:
            return missing(f"not run with {samples_title(cut.shots)}")
        group = self._series.groups[cut.shots]
        value = measured_value(group, method, cut)
        absent = [name for name in group.categories if name not in method.ok]
        if self._table.across != "shots" or not absent or value.number is None:
            return value
        covered = len(group.categories) - len(absent)
        note = f"mean of {covered} of {len(group.categories)} categories: without {', '.join(absent)}"
        return replace(value, note=note)

    def _difference(self, measured: Value, printed: Value, cut: _PaperCut) -> Value:
        """Return measured minus published; nothing for a mean that lacks categories."""
        series = self._series
        whole = series.groups[cut.shots].all_categories if series and cut.shots in series.groups else ()
        if cut.category == MEAN and measured.over != "+".join(whole):
            return Value("")
        return difference(measured, printed, cut.quantity)

    def _published(self, label: str, cuts: Sequence[_PaperCut]) -> list[Value]:
        """Return the published numbers of a line, with what is doubtful about them; none where it has none."""
        if self._printed is None or not label:
            return []
        values = [_printed_value(self._printed[label], cut) for cut in cuts]
        doubts = [self._table.doubts.get((label, cut.quantity.id), "") for cut in cuts]
        return [replace(value, note=value.note or doubt) for value, doubt in zip(values, doubts, strict=True)]

    def _constant(self) -> dict[str, str]:
        """Return the keys of a row: what its columns don't say."""
        keys = {} if self._table.across == "category" else {"category": MEAN}
        return keys if self._table.across == "shots" else keys | {"shots": str(self._shots)}

    def _label(self, line: _Line, unlike: str) -> Value:
        if not line.measured or self._series is None:
            return Value(line.label, note=unlike)
        methods = self._series.methods[line.measured]
        timed = "fps" in self._table.metrics
        if self._table.across != "shots":
            (method,) = methods.values()
            return label_of(self._series.first, method, measured_on(method) if timed else "", unlike, name=line.label)
        notes = (remarks(self._series.groups[shots], method) for shots, method in methods.items())
        return Value(line.label, note="; ".join(dict.fromkeys(filter(None, (*notes, unlike)))))

    def _title(self, block: Sequence[str]) -> str:
        what, number = self._table.title(block), self._table.number
        if self._printed is None and self._series:
            return f"{what[:1].upper()}{what[1:]}, as in Table {number}: {self._series.title}"
        return f"Table {number}. {dataset_title(self._table.dataset)}: {what}"

    def _caption(self) -> str:
        if self._series is None or not any(line.measured for line in self.lines):
            return f"as published: {CITATION}"
        speed = "measured fps: strict math" if "fps" in self._table.metrics else ""
        if self._printed is None:
            return speed
        return "; ".join(filter(None, (f"measured: {self._series.title}", speed, f"published: {CITATION}")))

    def _keys(self) -> dict[str, str]:
        context = self._series.keys if self._series else {"dataset": self._table.dataset}
        if self._table.across == "category" or self._series is None:
            context = {key: value for key, value in context.items() if key != "shots"}
        kind = "paper" if any(line.measured for line in self.lines) else "published"
        where = {"machine": self._series.first.machine} if self._series and self._series.first.machine else {}
        return {"kind": kind, "table": str(self._table.number)} | context | where


def _printed_value(rows: Mapping[tuple[str, str, str], PublishedRow], cut: _PaperCut) -> Value:
    """Return a number as printed, or a dash with the reason."""
    id = cut.quantity.id
    if cut.quantity.kind == "energy":
        return missing("no paper prints it")
    row = rows.get((id, cut.category, str(cut.shots)))
    if row is not None:
        return Value(row.text, row.value)
    parts = [row.value for (metric, category, _), row in rows.items() if metric == id and category != MEAN]
    dataset = next(row.dataset for row in rows.values())
    if cut.category == MEAN and len(parts) == len(DATASETS[dataset].categories):
        return missing(f"no value is recorded; the mean of its {len(parts)} categories is {mean(parts):.3f}")
    return missing("no value is recorded")


def _ruled(blocks: Sequence[Sequence[Row]]) -> list[list[Row]]:
    """Return blocks of rows with a rule above each of them, but none between two that are one row each."""
    before = [0, *map(len, blocks)]
    return [
        [replace(row, starts=not place and max(len(block), above) > 1) for place, row in enumerate(block)]
        for block, above in zip(blocks, before, strict=False)
    ]
