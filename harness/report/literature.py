"""The table of what other publications print, source by source, and what is measured of the same methods."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from harness.data.registry import DATASETS, dataset_title
from harness.data.splits import Shots, shots_order
from harness.report.compare import same_parameters
from harness.report.grid import Grid, Row, Value, missing
from harness.report.groups import Group, samples_title
from harness.report.pivot import Cut, label_of, measured_value
from harness.store.literature import SOURCES
from harness.store.published import MEAN, Published, PublishedRow
from harness.store.quantities import ACCURACY, PRINTED_ONLY, QUANTITIES
from harness.store.query import RecordQuery

__all__ = ["literature_grids"]

_CAPTION = (
    "as printed; no difference to measured numbers is given, since sources differ in more than the method: see the "
    "notes, and docs/published.md"
)
_MEASURED = "measured"


def literature_grids(
    published: Published, query: RecordQuery, metrics: Sequence[str] = (), groups: Sequence[Group] = ()
) -> list[Grid]:
    """Return a table for each dataset and number of training samples; numbers of different sources don't compete.

    Parameters
    ----------
    published
        Of :func:`harness.store.literature.read_literature`.
    query
        Chooses datasets, methods and numbers of samples; with categories their numbers are shown, without them means.
    metrics
        Ids of accuracy metrics; all where empty.
    groups
        What is measured: of the methods that a table names, rows below the printed ones.
    """
    rows = [row for row in published.rows if query.keeps_published(row) and (not metrics or row.metric in metrics)]
    rows = [row for row in rows if (row.category == MEAN) != bool(query.categories)]
    settings = {(row.dataset, row.shots) for row in rows}
    names = list(DATASETS)
    ordered = sorted(settings, key=lambda setting: (names.index(setting[0]), -shots_order(setting[1])))
    grids = []
    for setting in ordered:
        grid = _grid(*setting, [row for row in rows if (row.dataset, row.shots) == setting])
        own = [row for group in groups if (group.dataset, group.shots) == setting for row in _measured(grid, group)]
        grids.append(replace(grid, rows=(*grid.rows, *own)))
    return grids


def _grid(dataset: str, shots: Shots, rows: Sequence[PublishedRow]) -> Grid:
    quantities = [metric for metric in (*ACCURACY, *PRINTED_ONLY) if any(row.metric == metric.id for row in rows)]
    numbers = {(row.source, row.method, row.category, row.metric): row for row in rows}
    keys = tuple(dict.fromkeys(key[:3] for key in numbers))
    by_category = any(category != MEAN for _, _, category in keys)
    lines = []
    for source, method, category in keys:
        values = [_value(numbers.get((source, method, category, metric.id))) for metric in quantities]
        label = Value(SOURCES[source].citation, note=SOURCES[source].note)
        lines.append(_line(Value(method), label, category if by_category else "", values, method, source))
    title = f"Other published numbers: {dataset_title(dataset)}, {samples_title(shots)}"
    headings = ("method", "source", *(("category",) if by_category else ()))
    columns = tuple(Cut(quantity).column for quantity in quantities)
    context = {"kind": "literature", "dataset": dataset, "shots": str(shots)}
    return Grid(title, headings, columns, tuple(lines), caption=_CAPTION, keys=context)


def _measured(grid: Grid, group: Group) -> Iterator[Row]:
    """Yield a row for each method of a group that a table names, and each category that it shows."""
    names = dict.fromkeys(row.keys["method"] for row in grid.rows)
    categories = dict.fromkeys(row.keys["category"] for row in grid.rows)
    protocol, first = group.protocol, True
    split = "" if group.shots == "full" else f", split {group.split}"
    label = Value(f"measured: preset {protocol.preset}, {protocol.weights} weights{split}")
    for method in group.methods:
        if not any(same_parameters(name, method.cell, protocol.preset) for name in names):
            continue
        for category in categories:
            cuts = [_cut(column.keys["metric"], category) for column in grid.columns]
            values = [measured_value(group, method, cut) if cut else missing("not measured") for cut in cuts]
            row = _line(
                label_of(group, method), label, category if len(grid.label_headings) > 2 else "", values, method.label
            )
            yield replace(row, starts=first, keys={**group.keys, **row.keys})
            first = False


def _cut(metric: str, category: str) -> Cut | None:
    return Cut(QUANTITIES[metric], category=category) if metric in QUANTITIES else None


def _line(
    name: Value, source: Value, category: str, values: Sequence[Value], method: str, source_id: str = _MEASURED
) -> Row:
    labels = (name, source, *((Value(category),) if category else ()))
    keys = {"method": method, "source": source_id, "category": category or MEAN}
    return Row(labels, tuple(replace(value, ranked=False) for value in values), keys)


def _value(row: PublishedRow | None) -> Value:
    return Value(row.text, row.value) if row is not None else missing("not printed")
