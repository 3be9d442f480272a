"""What ``harness tables`` shows: which records, which published numbers, in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from harness.data.base import DATASETS
from harness.errors import ExitCode, HarnessError, UsageError
from harness.registry import base_name, nearest_names
from harness.report.accuracy import accuracy_grid, add_intervals, category_grid, defect_grid
from harness.report.costs import cost_grid
from harness.report.differences import difference_grid
from harness.report.grid import Grid
from harness.report.layout import Printed, layout_grids
from harness.report.measured import MeasuredGroup, group_records
from harness.report.memory import memory_grid
from harness.report.names import ACCURACY, metric_name
from harness.report.papertables import PAPER_TABLES, PaperTable
from harness.report.rank import rank_grid
from harness.report.seeds import seed_grids, typical_groups
from harness.report.series import Series, find_series
from harness.report.ties import Judge
from harness.report.timing import timing_grid
from harness.report.uncertainty import Uncertainty
from harness.store.published import Published, canonical_label
from harness.store.store import Record

__all__ = [
    "OWN_TABLES",
    "NothingMeasuredError",
    "Request",
    "Source",
    "measured_grids",
    "published_grids",
    "select",
]

Source = Literal["measured", "published", "both"]

_NUMBERS = tuple(str(table.number) for table in PAPER_TABLES)
_DEFECT_METRICS = ("i_auroc", "aupro_30")
_CATEGORY_METRICS = ("p_auroc", "aupro_30", "aupro_1")

_EXACT = {metric.id.removesuffix("_official"): metric.id for metric in ACCURACY if metric.id.endswith("_official")}
"""Exact metrics, which no paper prints, to those that papers print."""

_Make = Callable[[MeasuredGroup, "Published | None", "Request", "Judge | None"], Iterable["Grid | None"]]


class NothingMeasuredError(HarnessError):
    """Measured numbers are asked for, and there are none."""

    exit_code = ExitCode.NOTHING_MEASURED


@dataclass(frozen=True, slots=True)
class Request:
    """What to show.

    Parameters
    ----------
    dataset
        One dataset; all where None.
    methods
        Names, globs, or labels with parameters; all where empty.
    metrics
        Accuracy metrics; where empty, those that each table has by default.
    tables
        Numbers of the paper's tables and names of our own; where empty, all that say something about what is measured.
    """

    dataset: str | None = None
    methods: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()

    def check(self, records: Iterable[Record], published: Published) -> None:
        """Raise UsageError for a dataset, metric or table that is unknown, and a method that is nowhere.

        A table of the paper by its number must have one of the metrics, too.
        """
        if self.dataset is not None and self.dataset not in DATASETS:
            raise UsageError(f"There is no dataset '{self.dataset}': {nearest_names(self.dataset, DATASETS)}")
        known = [metric.id for metric in ACCURACY]
        for metric in self.metrics:
            if metric not in known:
                raise UsageError(f"There is no accuracy metric '{metric}': {nearest_names(metric, known)}")
        names = (*_NUMBERS, *OWN_TABLES)
        for table in self.tables:
            if table not in names:
                raise UsageError(f"There is no table '{table}': choose from {', '.join(names)} with --table.")
        self._check_numbered()
        labels = {*published.methods, *(record.cell.label for record in records)}
        for pattern in self.methods:
            if not any(_matches(pattern, label) for label in labels):
                methods = {*labels, *map(base_name, labels)}
                raise UsageError(
                    f"Method '{pattern}' is neither measured nor published: {nearest_names(pattern, methods)}"
                )

    def _check_numbered(self) -> None:
        for table in PAPER_TABLES:
            if str(table.number) in self.tables and not table.blocks(self.metrics):
                has = [metric for metric in table.metrics if metric in {known.id for known in ACCURACY}]
                raise UsageError(
                    f"Table {table.number} has no {' and no '.join(self.metrics)}: "
                    f"choose from {', '.join(has)} with --metric."
                )

    def keeps(self, label: str) -> bool:
        """Return whether a method is shown."""
        return not self.methods or any(_matches(pattern, label) for pattern in self.methods)

    @property
    def numbered(self) -> bool:
        """Whether a table of the paper is asked for by its number."""
        return any(table in _NUMBERS for table in self.tables)

    def wants(self, table: str) -> bool:
        """Return whether a table is asked for, by itself or among all."""
        return table in self.tables if self.tables else table not in _ON_REQUEST


def select(records: Iterable[Record], request: Request) -> list[Record]:
    """Return the records of the request's dataset and methods."""
    return [
        record
        for record in records
        if request.dataset in (None, record.cell.dataset) and request.keeps(record.cell.label)
    ]


def measured_grids(
    records: Sequence[Record],
    published: Published | None,
    request: Request,
    judge: Judge | None = None,
    intervals: Uncertainty | None = None,
) -> list[Grid]:
    """Return tables of measured methods: the paper's, then our own for each group of comparable records.

    Of several few-shot lists of one size, one is shown (``first`` where it is measured); the table ``seeds`` has the
    means over all.

    Parameters
    ----------
    records
        As selected.
    published
        None to show measured numbers only.
    request
        Its tables and metrics.
    judge
        Tells which measured numbers are tied; None where that is not to be told.
    intervals
        What the table ``differences`` is made with, and the intervals of means in data formats; none where None.
    """
    groups = [group for group in group_records(records) if any(method.ok for method in group.methods)]
    shown = typical_groups(groups)
    grids = [grid for table in PAPER_TABLES for grid in _like_paper(table, shown, published, request, judge)]
    wanted = [make for name, make in _OWN.items() if request.wants(name)]
    for group in shown:
        made = [grid for make in wanted for grid in make(group, published, request, judge) if grid is not None]
        grids += [add_intervals(grid, group, intervals) if _has_means(grid) else grid for grid in made]
        if intervals is not None and request.wants("differences"):
            differences = difference_grid(group, intervals, request.metrics)
            grids += [differences] if differences is not None else []
    return grids + (seed_grids(groups, request.metrics) if request.wants("seeds") else [])


def _has_means(grid: Grid) -> bool:
    return grid.keys["kind"] in ("accuracy", "categories", "defects")


def published_grids(published: Published, request: Request) -> list[Grid]:
    """Return the paper's tables.

    Raises
    ------
    UsageError
        Where no table has a number for the request.
    """
    grids = [
        grid
        for table in PAPER_TABLES
        if _wants_number(request, table) and request.dataset in (None, table.dataset)
        for grid in layout_grids(table, Printed.of(table, published, request.keeps), None, metrics=request.metrics)
    ]
    if not grids:
        where = f"in table {', '.join(request.tables)}" if request.tables else "in any table"
        about = ", ".join(filter(None, (request.dataset, *request.methods, *request.metrics)))
        exact = " and ".join(_EXACT[metric] for metric in request.metrics if metric in _EXACT)
        hint = f"papers print {exact} instead; ask for that, or leave out" if exact else "leave out"
        raise UsageError(
            f"There is no published number{f' for {about}' if about else ''} {where}: "
            f"{hint} --dataset, --methods, --metric or --table."
        )
    return grids


def _like_paper(
    table: PaperTable,
    groups: Sequence[MeasuredGroup],
    published: Published | None,
    request: Request,
    judge: Judge | None,
) -> Iterator[Grid]:
    """Yield a table of the paper with measured rows, then what may not stand in it, in the same layout."""
    if not _wants_number(request, table):
        return
    printed = Printed.of(table, published, request.keeps) if published is not None else None
    joined = table.across == "shots"
    asked = str(table.number) in request.tables
    own: list[tuple[Series, str]] = []
    apart: list[tuple[Series, str]] = []
    for series in find_series(groups, joined=joined):
        warning = series.why_apart(table, published)
        (apart if warning or printed is None else own).append((series, warning))
    for series, _ in own:
        few = not joined or any(shots != "full" for shots in series.groups)
        if asked or (few and series.rows(table, apart=False)):
            yield from layout_grids(table, printed, series, metrics=request.metrics, judge=judge)
    if asked and not own and request.dataset in (None, table.dataset):
        yield from layout_grids(table, printed, None, metrics=request.metrics)
    for series, warning in apart:
        several = not joined or len(series.groups) > 1
        if asked or (several and (table.dataset == "mvtec3d" or series.first.dataset == table.dataset)):
            yield from layout_grids(table, None, series, metrics=request.metrics, warning=warning, judge=judge)


def _wants_number(request: Request, table: PaperTable) -> bool:
    return not request.tables or str(table.number) in request.tables


def _exact(group: MeasuredGroup, published: Published | None, request: Request, judge: Judge | None) -> Iterator[Grid]:
    yield accuracy_grid(group, published, metrics=request.metrics, judge=judge)


def _categories(
    group: MeasuredGroup, published: Published | None, request: Request, judge: Judge | None
) -> Iterator[Grid]:
    for metric in request.metrics or _CATEGORY_METRICS:
        yield category_grid(group, metric_name(metric), judge=judge)


def _defects(
    group: MeasuredGroup, published: Published | None, request: Request, judge: Judge | None
) -> Iterator[Grid | None]:
    for metric in request.metrics or _DEFECT_METRICS:
        yield defect_grid(group, metric_name(metric), judge=judge)


_OWN: dict[str, _Make] = {
    "exact": _exact,
    "categories": _categories,
    "defects": _defects,
    "costs": lambda group, published, request, judge: [cost_grid(group, published)],
    "timing": lambda group, published, request, judge: [timing_grid(group)],
    "memory": lambda group, published, request, judge: [memory_grid(group)],
    "rank": lambda group, published, request, judge: [rank_grid(group, request.metrics)],
}

OWN_TABLES: tuple[str, ...] = (*_OWN, "differences", "seeds")
"""Names of the tables that the paper doesn't have."""

_ON_REQUEST = ("categories", "costs", "differences")


def _matches(pattern: str, label: str) -> bool:
    if pattern == "all":
        return True
    if "[" in pattern:
        return canonical_label(pattern) == canonical_label(label)
    return fnmatchcase(base_name(label), pattern)
