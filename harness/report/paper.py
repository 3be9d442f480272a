"""The tables of Costanzino et al. (CVPR 2024), in the paper's order of rows and columns, from the published files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean

from harness.data.base import DATASETS
from harness.report.grid import Column, Grid, Row, Value, missing, rank_columns
from harness.report.names import METRICS, metric_name
from harness.report.published import MEAN, Published, PublishedRow

__all__ = ["PAPER_TABLES", "PaperTable", "paper_grids"]

SOURCE = "costanzino2024"
_CITATION = "Costanzino et al., CVPR 2024"


@dataclass(frozen=True, slots=True)
class PaperTable:
    """What a table of the paper shows.

    Parameters
    ----------
    number
        As in the paper.
    caption
        In our words.
    across
        What its columns are: ``category``, ``shots`` or ``metric``. Where they aren't metrics, each metric makes a
        block of its own.
    """

    number: int
    caption: str
    across: str


PAPER_TABLES: tuple[PaperTable, ...] = (
    PaperTable(1, "I-AUROC and AUPRO@30% by category", "category"),
    PaperTable(2, "AUPRO@1% by category", "category"),
    PaperTable(3, "means over its categories", "metric"),
    PaperTable(4, "few-shot: 5, 10, 50 or all training samples", "shots"),
    PaperTable(5, "speed, memory and accuracy", "metric"),
    PaperTable(6, "how the two distances are combined", "metric"),
    PaperTable(7, "mapping inside a modality or across, 50 epochs", "metric"),
)
"""All tables with numbers, in the paper's order."""


def paper_grids(
    published: Published,
    *,
    number: int | None = None,
    dataset: str | None = None,
    keep: Callable[[str], bool] = lambda method: True,
) -> list[Grid]:
    """Return the paper's tables, cell by cell as printed.

    Parameters
    ----------
    published
        All published numbers; those of other sources are left out.
    number
        One table only.
    dataset
        Tables of one dataset only.
    keep
        Tells by its label whether a method is shown.
    """
    grids = []
    for table in PAPER_TABLES:
        if number in (None, table.number):
            rows = [row for row in published.rows if row.source == SOURCE and row.table == table.number]
            shown = [row for row in rows if dataset in (None, row.dataset) and keep(row.method)]
            grids += _table_grids(table, shown)
    return grids


def _table_grids(table: PaperTable, rows: Sequence[PublishedRow]) -> list[Grid]:
    metrics = tuple(dict.fromkeys(row.metric for row in rows))
    if table.across == "metric":
        return [_grid(table, rows, "")] if rows else []
    return [_grid(table, [row for row in rows if row.metric == metric], metric) for metric in metrics]


def _grid(table: PaperTable, rows: Sequence[PublishedRow], metric: str) -> Grid:
    dataset = rows[0].dataset
    title = f"Table {table.number}. {DATASETS[dataset].title}: "
    title += f"{metric_name(metric).title} by {_BY[table.across]}" if metric else table.caption
    columns = tuple(_column(table.across, key, metric) for key in _across(table.across, rows))
    by_method: dict[str, list[PublishedRow]] = {}
    for row in rows:
        by_method.setdefault(row.method, []).append(row)
    lines = [_line(table, method, found, columns) for method, found in by_method.items()]
    return Grid(
        title=title,
        label_headings=("method",),
        columns=columns,
        rows=rank_columns(lines, columns),
        caption=f"as published: {_CITATION}",
        keys={"kind": "published", "table": str(table.number), "dataset": dataset},
    )


_BY = {"category": "category", "shots": "training samples"}


def _across(across: str, rows: Sequence[PublishedRow]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(getattr(row, across)) for row in rows))


def _column(across: str, key: str, metric: str) -> Column:
    if across == "metric":
        return Column(_HEADINGS.get(key, metric_name(key).heading), {"metric": key}, METRICS[key].lowest)
    return Column(key.replace("_", "\n"), {across: key, "metric": metric}, METRICS[metric].lowest)


_HEADINGS = {"fps": "fps", "memory_mb": "memory MB"}


def _line(table: PaperTable, method: str, rows: Sequence[PublishedRow], columns: Sequence[Column]) -> Row:
    found = {str(getattr(row, table.across)): row for row in rows}
    values = [_value(found.get(column.keys[table.across]), rows, column) for column in columns]
    keys = {"method": method, "source": "published"}
    if table.across != "category":
        keys["category"] = MEAN
    if table.across != "shots":
        keys["shots"] = str(rows[0].shots)
    return Row((Value(method),), tuple(values), keys, rank_group="published")


def _value(row: PublishedRow | None, rows: Sequence[PublishedRow], column: Column) -> Value:
    if row is not None:
        return Value(row.text, row.value)
    categories = [other.value for other in rows if other.category != MEAN]
    if column.keys.get("category") == MEAN and len(categories) == len(DATASETS[rows[0].dataset].categories):
        return missing(f"no value is recorded; the mean of its {len(categories)} categories is {mean(categories):.3f}")
    return missing("no value is recorded")
