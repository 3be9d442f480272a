"""How long a plan takes, estimated from earlier records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from heapq import heapify, heapreplace
from math import fsum, log
from statistics import median
from typing import Literal

from harness.cell import Cell
from harness.measure.reading import HELD_SAMPLES
from harness.plan.planning import Plan, PlannedCell
from harness.store.measurements import LatencyWindow
from harness.store.record import Record

__all__ = ["Basis", "CellTime", "Estimate", "MethodTime", "duration_text", "estimate"]

Basis = Literal["category", "dataset", "method", "epochs", "parameters", ""]
"""The nearest earlier record: of the same method, parameters, samples and category; of the same dataset; of another
dataset; of the same method with another number of epochs; with other parameters; none."""

_NOT_STAGES = ("method", "overhead")
_STRESS_STAGES = ("load", "score", "metrics", "record", "maps")
"""Stages of a cell under a condition of test samples that another cell was fitted for."""
_EPOCHS = "epochs"


@dataclass(frozen=True, slots=True)
class CellTime:
    """The estimated time of one cell.

    Parameters
    ----------
    planned
        The cell.
    seconds
        Time from the start of its process to its record; None where no earlier record is like it.
    basis
        Which records the estimate uses.
    """

    planned: PlannedCell
    seconds: float | None
    basis: Basis


@dataclass(frozen=True, slots=True)
class MethodTime:
    """The estimated time of the cells of one method.

    Parameters
    ----------
    label
        As in tables.
    cells, unknown
        Cells to run, and how many of them have no estimate.
    seconds
        Sum of the estimates.
    basis
        How many cells are estimated from which kind of record.
    """

    label: str
    cells: int
    unknown: int
    seconds: float
    basis: Mapping[Basis, int]


@dataclass(frozen=True)
class Estimate:
    """How long the cells of a plan take that are to run.

    Parameters
    ----------
    cells
        In the order of the plan.
    devices
        Torch device names; each runs one cell at a time.
    """

    cells: tuple[CellTime, ...]
    devices: tuple[str, ...]

    @property
    def unknown(self) -> int:
        """How many cells have no estimate: where there is any, every sum is a lower bound."""
        return sum(cell.seconds is None for cell in self.cells)

    @cached_property
    def seconds(self) -> float:
        """Sum of the estimates, in s: the time on one device."""
        return fsum(cell.seconds or 0.0 for cell in self.cells)

    @cached_property
    def elapsed_seconds(self) -> float:
        """Time until the last cell ends, in s: a device takes the next cell of the plan as soon as it is free."""
        busy = [0.0 for _ in self.devices]
        heapify(busy)
        for cell in self.cells:
            heapreplace(busy, busy[0] + (cell.seconds or 0.0))
        return max(busy)

    @property
    def by_method(self) -> tuple[MethodTime, ...]:
        """The sums of each method, in the order of the plan."""
        groups: dict[str, list[CellTime]] = {}
        for cell in self.cells:
            groups.setdefault(cell.planned.job.cell.label, []).append(cell)
        return tuple(_sum(label, cells) for label, cells in groups.items())

    def to_json(self) -> dict[str, object]:
        """Return times and their sums as plain JSON values."""
        return {
            "devices": list(self.devices),
            "seconds": round(self.seconds, 1),
            "elapsed_seconds": round(self.elapsed_seconds, 1),
            "without_record": self.unknown,
            "cells": [
                {
                    "id": cell.planned.job.cell.id,
                    "seconds": None if cell.seconds is None else round(cell.seconds, 1),
                    "basis": cell.basis or "none",
                }
                for cell in self.cells
            ],
            "by_method": [
                {
                    "method": method.label,
                    "cells": method.cells,
                    "seconds": round(method.seconds, 1),
                    "without_record": method.unknown,
                    "basis": {kind or "none": count for kind, count in method.basis.items()},
                }
                for method in self.by_method
            ],
        }


def estimate(plan: Plan, records: Iterable[Record], devices: Sequence[str]) -> Estimate:
    """Estimate the time of every cell of a plan that is to be measured.

    A record is used where it is ok and of the same method, preset and kind of device. Of those the nearest one is
    used, by parameters, dataset, number of training samples and category in this order; of equally near ones their
    median. The time of fitting is taken as proportional to the training samples and to the parameter ``epochs``
    where both cells have it, that of scoring to the test samples that the latency pass does not predict, and all else
    as constant. Cells of one fit, under conditions of test samples, are fitted once and take the time of scoring each;
    no record of such a cell is used. Memory banks with a coreset grow faster than that, and no other parameter is
    scaled.

    Parameters
    ----------
    plan
        What is to run.
    records
        Earlier ones, of any plan.
    devices
        Torch device names, at least one.
    """
    kinds = {_kind(device) for device in devices}
    earlier: dict[tuple[object, ...], list[Record]] = {}
    for record in records:
        usable = record.status == "ok" and record.seconds and not record.cell.condition.of_test
        if usable and record.environment.kind in kinds:
            earlier.setdefault(_family(record.cell), []).append(record)
    to_run = [planned for planned in plan.cells if planned.action == "run" and not planned.job.unsupported]
    fitted = {job.cell.id for job in plan.to_run}
    times = (
        _time(planned, earlier.get(_family(planned.job.cell), ()), fits=planned.job.cell.id in fitted)
        for planned in to_run
    )
    return Estimate(tuple(times), tuple(devices))


def duration_text(seconds: float) -> str:
    """Return a time in its two largest units: ``45 s``, ``12 min``, ``3 h 20 min``, ``2 d 4 h``."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(round(seconds / 3600), 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def _sum(label: str, cells: Sequence[CellTime]) -> MethodTime:
    basis: dict[Basis, int] = {}
    for cell in cells:
        basis[cell.basis] = basis.get(cell.basis, 0) + 1
    seconds = fsum(cell.seconds or 0.0 for cell in cells)
    return MethodTime(label, len(cells), basis.get("", 0), seconds, basis)


def _kind(device: object) -> str:
    return str(device or "").partition(":")[0]


def _family(cell: Cell) -> tuple[object, ...]:
    """Return what must be equal for the time of a cell to say anything about another one."""
    return cell.method, cell.protocol.preset, bool(cell.checkpoint)


def _time(planned: PlannedCell, earlier: Sequence[Record], *, fits: bool) -> CellTime:
    if not earlier:
        return CellTime(planned, None, "")
    distances = [_distance(planned, record) for record in earlier]
    nearest = min(distances)
    closest = [record for record, distance in zip(earlier, distances, strict=True) if distance == nearest]
    return CellTime(planned, median(_scaled(planned, record, fits=fits) for record in closest), _basis(nearest))


_Distance = tuple[int, bool, float, bool]


def _distance(planned: PlannedCell, record: Record) -> _Distance:
    """Return how far a record is, by parameters, dataset, training samples and category in this order."""
    cell, other = planned.job.cell, record.cell
    size = abs(log(_ratio(len(planned.job.train_ids), record.samples.train)))
    return (
        _parameters_apart(cell, other),
        cell.dataset != other.dataset,
        round(size, 6),
        (cell.dataset, cell.category) != (other.dataset, other.category),
    )


def _parameters_apart(cell: Cell, other: Cell) -> int:
    """Return 0 for equal parameters, 1 where another number of epochs is all that differs, else 2."""
    ours, theirs = dict(cell.parameters), dict(other.parameters)
    differing = {name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name)}
    if not differing:
        return 0
    return 1 if differing == {_EPOCHS} and _epochs_ratio(cell, other) is not None else 2


def _epochs_ratio(cell: Cell, other: Cell) -> float | None:
    """Return how many times the epochs of another cell a cell has; None where one of them has none."""
    ours, theirs = cell.parameters.get(_EPOCHS), other.parameters.get(_EPOCHS)
    if isinstance(ours, int | float) and isinstance(theirs, int | float) and min(ours, theirs) > 0:
        return ours / theirs
    return None


def _basis(distance: _Distance) -> Basis:
    parameters, other_dataset, size, other_category = distance
    if parameters:
        return "epochs" if parameters == 1 else "parameters"
    if other_dataset:
        return "method"
    return "dataset" if size or other_category else "category"


def _scaled(planned: PlannedCell, record: Record, *, fits: bool) -> float:
    """Return the time of a record, as if it had the samples and epochs of a planned cell.

    Parameters
    ----------
    planned, record
        The two.
    fits
        Whether the planned cell is the one of its job that the method is fitted for.
    """
    stages = {stage: time for stage, time in record.seconds.items() if stage not in _NOT_STAGES}
    if planned.job.cell.condition.of_test:
        stages = {name: time for name, time in stages.items() if name in _STRESS_STAGES or (fits and name == "fit")}
    if "fit" in stages:
        stages["fit"] *= _fit_ratio(planned, record)
    if "score" in stages:
        stages["score"] = _score_seconds(planned, record)
    return fsum(stages.values())


def _score_seconds(planned: PlannedCell, record: Record) -> float:
    """Return the time of the score pass: in proportion to the test samples, but for what the latency pass predicts."""
    seconds, tested = record.seconds["score"], record.samples.test
    ratio = _ratio(planned.test_samples, tested)
    window, stages = record.latency.end_to_end or LatencyWindow(), list(record.seconds)
    measured = window.calls and window.median_ms is not None
    if not tested or not measured or "latency" not in stages[: stages.index("score")]:
        return seconds * ratio  # in older records the score pass, which came first, predicted all
    each = (window.median_ms or 0.0) / 1000
    most = min(HELD_SAMPLES, record.cell.protocol.latency.warmups + (window.calls or 0))
    ours, theirs = min(most, planned.test_samples or tested), min(most, tested)
    ours = 0 if planned.job.cell.condition.of_test else ours
    return max(0.0, (seconds + theirs * each) * ratio - ours * each)


def _fit_ratio(planned: PlannedCell, record: Record) -> float:
    """Return how many times longer fitting takes; released weights are loaded, so their time stays the same."""
    cell = planned.job.cell
    if cell.checkpoint:
        return 1.0
    samples = _ratio(len(planned.job.train_ids), record.samples.train)
    return samples * (_epochs_ratio(cell, record.cell) or 1.0)


def _ratio(planned: int, earlier: int | None) -> float:
    return planned / earlier if planned and earlier else 1.0
