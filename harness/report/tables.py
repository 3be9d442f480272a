"""What ``harness tables`` shows: which records, which published numbers, in which order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from harness.data.base import DATASETS
from harness.errors import ExitCode, HarnessError, UsageError
from harness.registry import nearest_names
from harness.report.accuracy import accuracy_grid, defect_grid
from harness.report.costs import cost_grid
from harness.report.grid import Grid
from harness.report.measured import group_records
from harness.report.names import ACCURACY, metric_name
from harness.report.paper import paper_grids
from harness.report.published import Published, canonical_label
from harness.store import Record

__all__ = ["LEGEND", "NothingMeasuredError", "Request", "Source", "measured_grids", "published_grids", "select"]

Source = Literal["measured", "published", "both"]

LEGEND = (
    "Exact AUPRO is the integral of the PRO curve; official AUPRO follows the code with 99 thresholds whose numbers "
    "papers print. They are never comparable with each other."
)
"""Belongs below every output with AUPRO in it."""


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
        Metrics of the tables by defect.
    """

    dataset: str | None = None
    methods: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ("i_auroc", "aupro_30")

    def check(self, records: Iterable[Record], published: Published) -> None:
        """Raise UsageError for a dataset, metric or method that is neither measured nor published."""
        if self.dataset is not None and self.dataset not in DATASETS:
            raise UsageError(f"There is no dataset '{self.dataset}': {nearest_names(self.dataset, DATASETS)}")
        known = [metric.id for metric in ACCURACY]
        for metric in self.metrics:
            if metric not in known:
                raise UsageError(f"There is no accuracy metric '{metric}': {nearest_names(metric, known)}")
        labels = {*published.methods, *(record.cell.label for record in records)}
        for pattern in self.methods:
            if not any(_matches(pattern, label) for label in labels):
                names = {*labels, *(label.partition("[")[0] for label in labels)}
                raise UsageError(
                    f"Method '{pattern}' is neither measured nor published: {nearest_names(pattern, names)}"
                )

    def keeps(self, label: str) -> bool:
        """Return whether a method is shown."""
        return not self.methods or any(_matches(pattern, label) for pattern in self.methods)


def select(records: Iterable[Record], request: Request) -> list[Record]:
    """Return the records of the request's dataset and methods."""
    return [
        record
        for record in records
        if request.dataset in (None, record.cell.dataset) and request.keeps(record.cell.label)
    ]


def measured_grids(records: Sequence[Record], published: Published | None, request: Request) -> list[Grid]:
    """Return three kinds of tables for each group of comparable records: accuracy, by defect, speed and memory.

    Parameters
    ----------
    records
        As selected.
    published
        None to show measured numbers only.
    request
        Its metrics choose the tables by defect.
    """
    grids = []
    for group in group_records(records):
        by_defect = [defect_grid(group, metric_name(metric)) for metric in request.metrics]
        found = (accuracy_grid(group, published), *by_defect, cost_grid(group, published))
        grids += [grid for grid in found if grid is not None]
    return grids


def published_grids(published: Published, request: Request, number: int | None = None) -> list[Grid]:
    """Return the paper's tables.

    Raises
    ------
    UsageError
        Where no table has a number for the request.
    """
    grids = paper_grids(published, number=number, dataset=request.dataset, keep=request.keeps)
    if not grids:
        where = f"in table {number}" if number else "in any table"
        about = ", ".join(filter(None, (request.dataset, *request.methods)))
        raise UsageError(
            f"There is no published number for {about} {where}: leave out --dataset, --methods or --table."
        )
    return grids


def _matches(pattern: str, label: str) -> bool:
    if pattern == "all":
        return True
    if "[" in pattern:
        return canonical_label(pattern) == canonical_label(label)
    return fnmatchcase(label.partition("[")[0], pattern)
