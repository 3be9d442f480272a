"""Accuracy of measured methods: all metrics beside published ones, by category, and by type of defect."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from harness.report.beside import Reference, group_grid, measured_value, method_rows, published_labels
from harness.report.grid import Column, Grid, Row, Value, missing
from harness.report.measured import MeasuredGroup, MeasuredMethod, mean_of
from harness.report.names import ACCURACY, MetricName
from harness.report.papertables import why_unlike
from harness.report.ties import Claim, Judge, mark_ties
from harness.report.uncertainty import IntervalValue, Uncertainty
from harness.store.published import MEAN, Published
from harness.store.record import Record

__all__ = ["accuracy_grid", "accuracy_value", "add_intervals", "category_grid", "claims_of", "defect_grid"]


def accuracy_grid(
    group: MeasuredGroup,
    published: Published | None,
    *,
    metrics: Sequence[str] = (),
    judge: Judge | None = None,
) -> Grid:
    """Return all accuracy metrics of a group: each method measured, published, and the difference.

    Values are means over categories. Where a method lacks some, its row says which, and it stands beside the mean of
    the published values of the same categories. A group that is not comparable stands alone and says why.

    Parameters
    ----------
    group
        Measured under one protocol.
    published
        None to show measured numbers only.
    metrics
        These only; all where empty.
    judge
        Tells which methods are tied.
    """
    reference = Reference.of(group, published)
    shown = [metric for metric in ACCURACY if not metrics or metric.id in metrics]
    columns = [Column(metric.heading, {"metric": metric.id}, metric.lowest) for metric in shown]
    rows: list[Row] = []
    for method in group.methods:
        measured = [accuracy_value(method, group.categories, metric) for metric in shown]
        beside = reference.values(group, method, shown)
        unlike = _unlike(method, reference)
        remark = "; ".join(filter(None, (reference.remark(method), unlike)))
        made = method_rows(group, method, shown, measured, beside, remark=remark)
        rows += [_without_differences(row, unlike) if unlike else row for row in made]
    grid = group_grid(group, "accuracy", "Accuracy", columns, rows, warning=reference.warning)
    return mark_ties(grid, claims_of(group), judge)


def _unlike(method: MeasuredMethod, reference: Reference) -> str:
    if reference.published is None:
        return ""
    return why_unlike(method.cell.dataset, published_labels(method, reference.published))


def _without_differences(row: Row, why: str) -> Row:
    """Return a row with a dash for every difference."""
    if row.keys["source"] != "difference":
        return row
    return replace(row, values=tuple(missing(why) if value.text else value for value in row.values))


def category_grid(group: MeasuredGroup, metric: MetricName, *, judge: Judge | None = None) -> Grid:
    """Return a metric by category, and its mean: for metrics that the paper does not print so.

    Parameters
    ----------
    group
        Measured under one protocol.
    metric
        An accuracy metric.
    judge
        Tells which methods are tied.
    """
    wanted = [(name, (name,)) for name in group.categories] + [(MEAN, group.categories)]
    columns = [Column(name.replace("_", "\n"), {"category": name, "metric": metric.id}) for name, _ in wanted]
    rows: list[Row] = []
    for method in group.methods:
        values = [accuracy_value(method, names, metric) for _, names in wanted]
        rows += method_rows(group, method, [metric] * len(values), values, None)
    grid = group_grid(group, "categories", f"{metric.title} by category", columns, rows)
    return mark_ties(replace(grid, caption=""), claims_of(group), judge)


def claims_of(group: MeasuredGroup) -> Callable[[Row, Column], Claim | None]:
    """Return what tells of a group's measured accuracies whose they are."""
    methods = {method.label: method for method in group.methods}

    def find(row: Row, column: Column) -> Claim | None:
        if row.keys["source"] != "measured":
            return None
        category, defect = column.keys.get("category", MEAN), column.keys.get("defect", "all")
        method = methods[row.keys["method"]]
        wanted = group.categories if category == MEAN else (category,)
        wanted = wanted if defect == "all" else _having(group, defect)
        covered = tuple(name for name in wanted if name in method.ok)
        return Claim(method, covered, column.keys["metric"], "" if defect == "all" else defect) if covered else None

    return find


def add_intervals(grid: Grid, group: MeasuredGroup, intervals: Uncertainty | None) -> Grid:
    """Return a table of a group whose measured means carry their intervals, which data formats show.

    Parameters
    ----------
    grid
        Of :func:`accuracy_grid`, :func:`category_grid` or :func:`defect_grid`.
    group
        What it shows.
    intervals
        Where they come from; None leaves the table as it is.
    """
    if intervals is None:
        return grid
    asked, find = intervals, claims_of(group)

    def bounded(row: Row, column: Column, value: Value) -> Value:
        claim = find(row, column) if value.number is not None else None
        found = asked.of(claim.method, claim.categories, claim.metric, claim.defect) if claim else None
        if found is None:
            return value
        return IntervalValue(
            value.text, value.number, value.note, value.place, value.tied, value.ranked, found.low, found.high
        )

    rows = (
        replace(row, values=tuple(map(bounded, [row] * len(grid.columns), grid.columns, row.values)))
        for row in grid.rows
    )
    return replace(grid, rows=tuple(rows))


def defect_grid(group: MeasuredGroup, metric: MetricName, *, judge: Judge | None = None) -> Grid | None:
    """Return a metric by type of defect, each against all good samples; None where no defect is recorded.

    Values are means over the categories that have the defect.

    Parameters
    ----------
    group
        Measured under one protocol.
    metric
        An accuracy metric.
    judge
        Tells which methods are tied, over all defects and in each.
    """
    where = _categories_by_defect(group)
    if not where:
        return None
    columns = [
        Column(f"{defect}\nn={_images(group, defect, found)}", {"defect": defect, "metric": metric.id})
        for defect, found in where.items()
    ]
    columns.append(Column("all", {"defect": "all", "metric": metric.id}))
    rows: list[Row] = []
    for method in group.methods:
        values = [accuracy_value(method, found, metric, defect) for defect, found in where.items()]
        values.append(accuracy_value(method, group.categories, metric))
        rows += method_rows(group, method, [metric] * len(values), values, None)
    caption = "each defect (n images) against all good ones, in the categories that have it"
    grid = group_grid(group, "defects", f"{metric.title} by defect", columns, rows, caption=caption)
    return mark_ties(grid, claims_of(group), judge)


def accuracy_value(method: MeasuredMethod, categories: Sequence[str], metric: MetricName, defect: str = "") -> Value:
    """Return the mean of an accuracy metric over categories.

    Parameters
    ----------
    method, categories
        Its records in these categories.
    metric
        An accuracy metric.
    defect
        One type of defect against all good samples; all where empty.
    """

    def pick(record: Record) -> float | None:
        return (record.by_defect.get(defect, {}) if defect else record.metrics).get(metric.id)

    def why(record: Record) -> str:
        return "" if defect else record.undefined.get(metric.id, "")

    return measured_value(mean_of(method, categories, pick, why), metric)


def _categories_by_defect(group: MeasuredGroup) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for category in group.categories:
        for method in group.methods:
            for defect in method.ok[category].by_defect if category in method.ok else ():
                found.setdefault(defect, {})[category] = None
    return {defect: tuple(found[defect]) for defect in sorted(found)}


def _having(group: MeasuredGroup, defect: str) -> tuple[str, ...]:
    return _categories_by_defect(group).get(defect, ())


def _images(group: MeasuredGroup, defect: str, categories: Sequence[str]) -> int:
    """Return how many test images of some categories have a defect."""
    records = [next(method.ok[name] for method in group.methods if name in method.ok) for name in categories]
    return sum(record.test_images.defects.get(defect, 0) for record in records)
