"""The table of what other publications print, source by source."""

from __future__ import annotations

from collections.abc import Sequence

from harness.data.registry import DATASETS, dataset_title
from harness.data.splits import Shots, shots_order
from harness.report.grid import Grid, Row, Value, missing
from harness.report.groups import samples_title
from harness.report.pivot import Cut
from harness.store.literature import SOURCES
from harness.store.published import MEAN, Published, PublishedRow
from harness.store.quantities import ACCURACY
from harness.store.query import RecordQuery

__all__ = ["literature_grids"]

_CAPTION = (
    "as printed; no difference to measured numbers is given, since sources differ in more than the method: see the "
    "notes, and docs/published.md"
)


def literature_grids(published: Published, query: RecordQuery, metrics: Sequence[str] = ()) -> list[Grid]:
    """Return a table for each dataset and number of training samples; numbers of different sources don't compete.

    Parameters
    ----------
    published
        Of :func:`harness.store.literature.read_literature`.
    query
        Chooses datasets, methods and numbers of samples; with categories their numbers are shown, without them means.
    metrics
        Ids of accuracy metrics; all where empty.
    """
    rows = [row for row in published.rows if query.keeps_published(row) and (not metrics or row.metric in metrics)]
    rows = [row for row in rows if (row.category == MEAN) != bool(query.categories)]
    settings = {(row.dataset, row.shots) for row in rows}
    names = list(DATASETS)
    ordered = sorted(settings, key=lambda setting: (names.index(setting[0]), -shots_order(setting[1])))
    return [_grid(*setting, [row for row in rows if (row.dataset, row.shots) == setting]) for setting in ordered]


def _grid(dataset: str, shots: Shots, rows: Sequence[PublishedRow]) -> Grid:
    quantities = [metric for metric in ACCURACY if any(row.metric == metric.id for row in rows)]
    numbers = {(row.source, row.method, row.category, row.metric): row for row in rows}
    keys = tuple(dict.fromkeys(key[:3] for key in numbers))
    by_category = any(category != MEAN for _, _, category in keys)
    lines = []
    for source, method, category in keys:
        values = [_value(numbers.get((source, method, category, metric.id))) for metric in quantities]
        labels = [Value(method), Value(SOURCES[source].citation, note=SOURCES[source].note)]
        labels += [Value(category)] if by_category else []
        lines.append(Row(tuple(labels), tuple(values), {"method": method, "source": source, "category": category}))
    title = f"Other published numbers: {dataset_title(dataset)}, {samples_title(shots)}"
    headings = ("method", "source", *(("category",) if by_category else ()))
    columns = tuple(Cut(quantity).column for quantity in quantities)
    context = {"kind": "literature", "dataset": dataset, "shots": str(shots)}
    return Grid(title, headings, columns, tuple(lines), caption=_CAPTION, keys=context)


def _value(row: PublishedRow | None) -> Value:
    return Value(row.text, row.value, ranked=False) if row is not None else missing("not printed")
