"""What ``harness tables`` shows: which tables there are, which records and published numbers they are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from harness.errors import ExitCode, HarnessError, UsageError
from harness.report.decision_table import decision_grid
from harness.report.differences import difference_grid
from harness.report.grid import Grid, Value
from harness.report.groups import Group, group_records, split_by_machine
from harness.report.literature import literature_grids
from harness.report.own_tables import accuracy_grid, category_grid, cost_grid, defect_grid, memory_grid, timing_grid
from harness.report.paper_layout import layout_grids, printed_numbers
from harness.report.rank import rank_grid
from harness.report.seeds import seed_grids, typical_groups
from harness.report.series import Series, find_series
from harness.report.stress import stress_grids
from harness.report.ties import mark_ties, numbers_of
from harness.report.uncertainty import Uncertainty
from harness.store.literature import read_literature, with_comparable
from harness.store.paper import PAPER_DATASET, PAPER_TABLES, PaperTable
from harness.store.published import Published
from harness.store.quantities import ACCURACY, quantity, require_accuracy
from harness.store.query import RecordQuery
from harness.store.record import Record

__all__ = [
    "LITERATURE",
    "TABLES",
    "NothingMeasuredError",
    "Source",
    "Table",
    "TableRequest",
    "measured_grids",
    "published_grids",
]

Source = Literal["measured", "published", "both"]

_DEFECT_METRICS = ("i_auroc", "aupro_30")
_CATEGORY_METRICS = ("p_auroc", "aupro_30", "aupro_1")

_EXACT = {metric.id.removesuffix("_official"): metric.id for metric in ACCURACY if metric.id.endswith("_official")}
"""Exact metrics, which no paper prints, to those that papers print."""

_TIED = ("paper", "accuracy", "categories", "defects")
"""Kinds of tables whose best numbers are compared with the others."""

LITERATURE = "literature"
"""Name of the table of other publications than the paper."""

_Make = Callable[[Group, "Published | None", Sequence[str]], Iterable["Grid | None"]]


class NothingMeasuredError(HarnessError):
    """Measured numbers are asked for, and there are none."""

    exit_code = ExitCode.NOTHING_MEASURED


@dataclass(frozen=True, slots=True)
class Table:
    """A table that can be asked for by name.

    Parameters
    ----------
    name
        On the command line: the number of a table of the paper, or a word.
    help
        What it shows, in one line.
    in_all
        Whether ``all`` means it, too.
    """

    name: str
    help: str
    in_all: bool = True


def _accuracy(group: Group, published: Published | None, metrics: Sequence[str]) -> Iterator[Grid]:
    yield accuracy_grid(group, None if published is None else with_comparable(published), metrics)


def _categories(group: Group, published: Published | None, metrics: Sequence[str]) -> Iterator[Grid]:
    for metric in metrics or _CATEGORY_METRICS:
        yield category_grid(group, quantity(metric))


def _defects(group: Group, published: Published | None, metrics: Sequence[str]) -> Iterator[Grid | None]:
    for metric in metrics or _DEFECT_METRICS:
        yield defect_grid(group, quantity(metric))


_OF_GROUP: dict[str, _Make] = {
    "accuracy": _accuracy,
    "categories": _categories,
    "defects": _defects,
    "decisions": lambda group, published, metrics: [decision_grid(group)],
    "costs": lambda group, published, metrics: [cost_grid(group, published)],
    "timing": lambda group, published, metrics: [timing_grid(group)],
    "memory": lambda group, published, metrics: [memory_grid(group)],
    "rank": lambda group, published, metrics: [rank_grid(group, metrics)],
}

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        *(Table(str(table.number), f"Table {table.number} of the paper: {table.caption}") for table in PAPER_TABLES),
        Table("accuracy", "all accuracy metrics, measured next to published"),
        Table("categories", "accuracy by category", in_all=False),
        Table("defects", "accuracy by type of defect, each against all good images"),
        Table("decisions", "false alarms and missed defects with thresholds set on nominal samples"),
        Table("costs", "speed and memory next to published", in_all=False),
        Table("timing", "latency of every window: medians with intervals, percentiles, calls"),
        Table("memory", "memory part by part, each with the counter that it comes from"),
        Table("rank", "mean ranks over categories, with the Friedman and Nemenyi tests"),
        Table("differences", "difference of each method to the best with its 95% interval", in_all=False),
        Table("stress", "accuracy under conditions, with differences to samples as they are"),
        Table("seeds", "means over random few-shot lists with their 95% interval"),
        Table(LITERATURE, "what other publications print, each with what it compares with", in_all=False),
    )
}
"""Every table by name, in the order in which they are printed."""

_OF_MACHINE = ("costs", "timing", "memory")
"""Tables of which each is about one machine."""

_OLD_NAMES = {"exact": "accuracy"}
"""Names of version 0.1, which are still understood."""


@dataclass(frozen=True, slots=True)
class TableRequest:
    """Which tables to show, of which records.

    Parameters
    ----------
    query
        Which records.
    tables
        Names in :data:`TABLES`, ``all``, or names of version 0.1; where empty, those that ``all`` means.
    metrics
        Ids of accuracy metrics; where empty, those that each table has by default.
    """

    query: RecordQuery = field(default_factory=RecordQuery)
    tables: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()

    def check(self, records: Sequence[Record], published: Published) -> None:
        """Raise UsageError for a name that is unknown, and for a table of the paper without any of the metrics."""
        others = read_literature().methods if self.wants(LITERATURE) else ()
        self.query.check(records, (*published.methods, *others))
        require_accuracy(self.metrics)
        for name in self.tables:
            if name not in ("all", *TABLES, *_OLD_NAMES):
                raise UsageError(f"There is no table '{name}': choose from {', '.join(TABLES)} with --table.")
        for table in PAPER_TABLES:
            if str(table.number) in self.tables and not table.blocks(self.metrics):
                has = [metric for metric in table.metrics if quantity(metric) in ACCURACY]
                raise UsageError(
                    f"Table {table.number} has no {' and no '.join(self.metrics)}: "
                    f"choose from {', '.join(has)} with --metric."
                )

    @property
    def named(self) -> tuple[str, ...]:
        """The tables that are asked for by their names."""
        return tuple(_OLD_NAMES.get(name, name) for name in self.tables if name != "all")

    def wants(self, table: str) -> bool:
        """Return whether a table is asked for, by itself or among all."""
        everything = not self.tables or "all" in self.tables
        return table in self.named or (everything and TABLES[table].in_all)


def measured_grids(
    records: Sequence[Record],
    published: Published | None,
    request: TableRequest,
    intervals: Uncertainty | None = None,
    elsewhere: Sequence[Record] = (),
) -> list[Grid]:
    """Return tables of measured methods: the paper's, then our own for each group of comparable records.

    Of several few-shot lists of one size, one is shown (``first`` where it is measured); the table ``seeds`` has the
    means over all. A table of speed or memory is about one machine; of several machines each has its own.

    Parameters
    ----------
    records
        From which the request's query chooses.
    published
        None to show measured numbers only.
    request
        Its tables and metrics.
    intervals
        Decides which numbers are tied with the best, and gives the intervals of means; None leaves both out.
    elsewhere
        Records of the same cells on other machines (:attr:`harness.store.store.Store.elsewhere`).
    """
    groups = [group for group in group_records(records, request.query) if any(method.ok for method in group.methods)]
    shown = typical_groups(groups)
    others = request.query.select(elsewhere)
    machines = {id(group): split_by_machine(group, others) for group in shown}
    grids: list[Grid] = []
    for table in PAPER_TABLES:
        timed = any(quantity(metric).of_machine for metric in table.metrics)
        members = [part for group in shown for part in machines[id(group)]] if timed else shown
        grids += _like_paper(table, members, published, request)
    wanted = {name: make for name, make in _OF_GROUP.items() if request.wants(name)}
    for group in shown:
        for name, make in wanted.items():
            for part in machines[id(group)] if name in _OF_MACHINE else (group,):
                grids += [grid for grid in make(part, published, request.metrics) if grid is not None]
        if intervals is not None and request.wants("differences"):
            differences = difference_grid(group, intervals, request.metrics)
            grids += [differences] if differences is not None else []
    grids += stress_grids(records, request.query, request.metrics, intervals) if request.wants("stress") else []
    grids += seed_grids(groups, request.metrics) if request.wants("seeds") else []
    grids += _others(request, shown) if published is not None else []
    if intervals is None:
        return grids
    intervals.prepare(numbers_of(grid for grid in grids if grid.keys["kind"] in _TIED))
    return [_compared(grid, intervals) for grid in grids]


def _compared(grid: Grid, intervals: Uncertainty) -> Grid:
    """Return a table with ties marked, and in our own tables with the interval of each mean, for data formats."""
    if grid.keys["kind"] not in _TIED:
        return grid
    marked = mark_ties(grid, intervals)
    if grid.keys["kind"] == "paper":
        return marked

    def bounded(value: Value) -> Value:
        interval = intervals.of(value.identity) if value.identity else None
        return value if interval is None else replace(value, low=interval.low, high=interval.high)

    rows = (replace(row, values=tuple(map(bounded, row.values))) for row in marked.rows)
    return replace(marked, rows=tuple(rows))


def published_grids(published: Published, request: TableRequest) -> list[Grid]:
    """Return the paper's tables, and that of other publications where it is asked for.

    Raises
    ------
    UsageError
        Where no table has a number for the request.
    """
    query = request.query
    grids = [
        grid
        for table in PAPER_TABLES
        if _wants_number(request, table)
        for grid in layout_grids(
            table, printed_numbers(table, published, query.keeps_published), None, metrics=request.metrics
        )
    ]
    grids += _others(request)
    if not grids:
        where = f"in table {', '.join(request.tables)}" if request.tables else "in any table"
        shots = [f"{size} shots" for size in query.shots]
        about = ", ".join(filter(None, (query.dataset, *query.methods, *query.categories, *shots, *request.metrics)))
        exact = " and ".join(_EXACT[metric] for metric in request.metrics if metric in _EXACT)
        hint = f"papers print {exact} instead; ask for that, or leave out" if exact else "leave out"
        raise UsageError(
            f"There is no published number{f' for {about}' if about else ''} {where}: "
            f"{hint} --dataset, --methods, --categories, --shots, --metric or --table."
        )
    return grids


def _like_paper(
    table: PaperTable, groups: Sequence[Group], published: Published | None, request: TableRequest
) -> Iterator[Grid]:
    """Yield a table of the paper with measured rows, then what may not stand in it, in the same layout."""
    if not _wants_number(request, table):
        return
    query, metrics = request.query, request.metrics
    printed = None
    if published is not None:
        printed = printed_numbers(table, published, lambda row: query.keeps_label(row.method))
    joined = table.across == "shots"
    asked = str(table.number) in request.tables
    own: list[Series] = []
    apart: list[tuple[Series, str]] = []
    for series in find_series(groups, joined=joined):
        beside = series.of_paper()
        warning = beside.reason_not_in_paper_table(table, published)
        if warning or printed is None:
            apart.append((series, warning))
        else:
            own.append(beside)
    for series in own:
        few = not joined or any(shots != "full" for shots in series.groups)
        if asked or (few and series.rows(table, apart=False)):
            yield from layout_grids(table, printed, series, metrics=metrics)
    if asked and not own and published is not None:
        yield from layout_grids(table, printed_numbers(table, published, query.keeps_published), None, metrics=metrics)
    for series, warning in apart:
        several = not joined or len(series.groups) > 1
        if asked or (several and (table.dataset == PAPER_DATASET or series.first.dataset == table.dataset)):
            yield from layout_grids(table, None, series, metrics=metrics, warning=warning)


def _others(request: TableRequest, groups: Sequence[Group] = ()) -> list[Grid]:
    wanted = request.wants(LITERATURE)
    return literature_grids(read_literature(), request.query, request.metrics, groups) if wanted else []


def _wants_number(request: TableRequest, table: PaperTable) -> bool:
    return request.wants(str(table.number))
