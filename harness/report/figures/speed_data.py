"""Accuracy, frame rate and memory of methods: what Figure 1 of Costanzino et al. (CVPR 2024) shows, as data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.data.registry import DATASETS, dataset_title
from harness.data.splits import Shots
from harness.errors import UsageError
from harness.report.compare import why_not_comparable
from harness.report.figures.data import FigureData, Series
from harness.report.groups import Group, MethodRecords
from harness.report.pivot import CONTENDED, Cut, label_of, measured_value
from harness.store.means import busy_reason, machines_of
from harness.store.paper import PAPER_DATASET
from harness.store.published import MEAN, Published
from harness.store.quantities import quantity
from harness.store.query import RecordQuery

__all__ = ["SpeedPoint", "front_of", "measured_speeds", "pareto_front", "published_speeds"]

_AS_PUBLISHED = "as published"
"""Name of the published series: the published numbers name no device."""

_ONLY_PUBLISHED = (
    "frame rates are for mvtec3d, all training samples and categories, with the metrics i_auroc, p_auroc, "
    "aupro_30_official and aupro_1_official"
)


@dataclass(frozen=True, slots=True)
class SpeedPoint:
    """A method in the figure.

    Parameters
    ----------
    label
        The method, with the number of its categories where some lack.
    fps
        Frames a second of inference alone.
    value
        The accuracy metric, in [0, 1].
    memory_mb
        Bytes of parameters and bank in MB; None where it is not known.
    categories
        Those that its means cover: only points with the same ones compete for the front.
    """

    label: str
    fps: float
    value: float
    memory_mb: float | None
    categories: tuple[str, ...]


def measured_speeds(group: Group, published: Published | None, metric: str) -> FigureData[Series[SpeedPoint]]:
    """Return a series for each device, after the published one where its numbers are comparable.

    Parameters
    ----------
    group
        Measured under one protocol.
    published
        None to show measured numbers only.
    metric
        Id of an accuracy metric.
    """
    notes: list[str] = []
    by_device: dict[str, list[SpeedPoint]] = {}
    for method in group.methods:
        point = _measured_point(group, method, metric)
        if isinstance(point, str):
            notes.append(f"{method.label} is left out: {point}.")
        else:
            records = method.among(group.categories)
            (device,) = machines_of(records.values())
            by_device.setdefault(device + (f", {CONTENDED}" if busy_reason(records) else ""), []).append(point)
    series = [Series(f"measured on {device}", False, _by_speed(points)) for device, points in by_device.items()]
    if series and published is not None:
        whole = group.categories == group.all_categories
        points = _published_points(published, group.dataset, group.shots, group.query, metric) if whole else ()
        if warning := why_not_comparable(group, published):
            notes.append(warning)
        elif points:
            series.insert(0, Series(_AS_PUBLISHED, True, points))
        else:
            notes.append(f"Nothing is published beside: {_ONLY_PUBLISHED}.")
    return FigureData(group.title, tuple(series), metric, tuple(notes))


def published_speeds(published: Published, query: RecordQuery, metric: str) -> FigureData[Series[SpeedPoint]]:
    """Return the published points alone; raise UsageError where none is published for the query."""
    dataset = query.dataset or PAPER_DATASET
    shots: Shots = query.shots[0] if query.shots else "full"
    points = _published_points(published, dataset, shots, query, metric)
    if not points or query.categories:
        categories = f", {'+'.join(query.categories)}" if query.categories else ""
        raise UsageError(
            f"No {quantity(metric).title} with a frame rate is published for {dataset}, {shots} shots{categories}: "
            f"{_ONLY_PUBLISHED}."
        )
    title = f"{dataset_title(dataset)}, all training samples; as published by Costanzino et al., CVPR 2024, Table 5"
    return FigureData(title, (Series(_AS_PUBLISHED, True, points),), metric)


def front_of(series: Series[SpeedPoint]) -> list[SpeedPoint]:
    """Return the points that no other one beats in both, by rising frame rate; of those with the most categories."""
    most = max(series.points, key=lambda point: len(point.categories)).categories
    alike = [point for point in series.points if point.categories == most]
    return [alike[index] for index in pareto_front([(point.fps, point.value) for point in alike])]


def pareto_front(points: Sequence[tuple[float, float]]) -> tuple[int, ...]:
    """Return the indices of the points that no other one dominates, by rising first coordinate.

    A point dominates another if it is at least as high in both coordinates, and higher in one.
    """
    order = sorted(range(len(points)), key=lambda index: points[index], reverse=True)
    kept: list[int] = []
    for index in order:
        x, y = points[index]
        if not kept or y > points[kept[-1]][1] or (x, y) == points[kept[-1]]:
            kept.append(index)
    return tuple(reversed(kept))


def _measured_point(group: Group, method: MethodRecords, metric: str) -> SpeedPoint | str:
    """Return the point of a method, or why it has none."""
    covered = tuple(method.among(group.categories))
    if not covered:
        return "no category is measured"
    fps, value, memory = (measured_value(group, method, Cut(quantity(id))) for id in ("fps", metric, "memory_mb"))
    if fps.number is None or value.number is None:
        return (fps if fps.number is None else value).note or "its records have no such number"
    return SpeedPoint(label_of(group, method).text, fps.number, value.number, memory.number, covered)


def _published_points(
    published: Published, dataset: str, shots: Shots, query: RecordQuery, metric: str
) -> tuple[SpeedPoint, ...]:
    points = []
    for label in filter(query.keeps_label, published.methods):
        fps, value, memory = (published.find(dataset, [label], shots, MEAN, id) for id in ("fps", metric, "memory_mb"))
        if fps and value:
            categories = DATASETS[dataset].categories
            points.append(SpeedPoint(label, fps.value, value.value, memory.value if memory else None, categories))
    return _by_speed(points)


def _by_speed(points: Iterable[SpeedPoint]) -> tuple[SpeedPoint, ...]:
    return tuple(sorted(points, key=lambda point: (point.fps, point.value, point.label)))
