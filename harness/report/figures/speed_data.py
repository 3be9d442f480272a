"""Accuracy, frame rate and memory of methods: what Figure 1 of Costanzino et al. (CVPR 2024) shows, as data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.data.base import DATASETS
from harness.errors import UsageError
from harness.report.compare import why_not_comparable
from harness.report.figures.request import FigureRequest
from harness.report.groups import Group, MethodRecords
from harness.report.pivot import Cut, label_of, measured_value
from harness.store.published import MEAN, Published
from harness.store.quantities import quantity

__all__ = [
    "AS_PUBLISHED",
    "SpeedData",
    "SpeedPoint",
    "SpeedSeries",
    "measured_speeds",
    "pareto_front",
    "published_speeds",
]

AS_PUBLISHED = "as published"
"""Name of the published series: the published numbers name no device."""

PUBLISHED_DATASET, PUBLISHED_SHOTS = "mvtec3d", "full"
"""Where frame rates are published."""

_ONLY_PUBLISHED = (
    f"frame rates are for {PUBLISHED_DATASET}, all training samples and categories, with the metrics i_auroc, p_auroc, "
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


@dataclass(frozen=True, slots=True)
class SpeedSeries:
    """Points whose speeds may be compared: of one device, or of one publication.

    Parameters
    ----------
    name
        In the legend.
    published
        Drawn hollow where True, filled where not.
    points
        By frame rate.
    """

    name: str
    published: bool
    points: tuple[SpeedPoint, ...]

    @property
    def front(self) -> tuple[SpeedPoint, ...]:
        """The points that no other one beats in both, by rising frame rate; of those with the most categories."""
        most = max(self.points, key=lambda point: len(point.categories)).categories
        alike = [point for point in self.points if point.categories == most]
        kept = pareto_front([(point.fps, point.value) for point in alike])
        return tuple(alike[index] for index in kept)


@dataclass(frozen=True, slots=True)
class SpeedData:
    """The figure as data.

    Parameters
    ----------
    title
        What holds for all points.
    metric
        Id of the accuracy metric.
    series
        The published one first.
    notes
        What was left out and why.
    """

    title: str
    metric: str
    series: tuple[SpeedSeries, ...]
    notes: tuple[str, ...] = ()


def measured_speeds(group: Group, published: Published | None, request: FigureRequest) -> SpeedData:
    """Return measured points, a series for each device, with the published ones where these are comparable.

    Parameters
    ----------
    group
        Measured under one protocol.
    published
        None to show measured numbers only.
    request
        Metric, methods and categories.
    """
    notes: list[str] = []
    by_device: dict[str, list[SpeedPoint]] = {}
    for method in group.methods:
        result = _measured_point(group, method, request)
        if isinstance(result, str):
            notes.append(f"{method.label} is left out: {result}.")
        else:
            device, point = result
            by_device.setdefault(device, []).append(point)
    series = [SpeedSeries(f"measured on {device}", False, _sorted(points)) for device, points in by_device.items()]
    warning = why_not_comparable(group, published) if published is not None else ""
    if warning:
        notes.append(warning)
    elif published is not None:
        points = _published_points(group, published, request)
        series = [SpeedSeries(AS_PUBLISHED, True, points), *series] if points else series
        if not points:
            notes.append(f"Nothing is published beside: {_ONLY_PUBLISHED}.")
    return SpeedData(group.title, request.metric, tuple(series), tuple(notes))


def published_speeds(published: Published, request: FigureRequest) -> SpeedData:
    """Return the published points alone.

    Raises
    ------
    UsageError
        Where none is published for the request.
    """
    query = request.query
    dataset = query.dataset or PUBLISHED_DATASET
    shots = str(next(iter(query.shots), PUBLISHED_SHOTS))
    points = _published_on(dataset, shots, published, request)
    if not points or query.categories:
        what = f"{quantity(request.metric).title} with a frame rate"
        about = f"{dataset}, {shots} shots" + (f", {'+'.join(query.categories)}" if query.categories else "")
        raise UsageError(f"No {what} is published for {about}: {_ONLY_PUBLISHED}.")
    title = f"{DATASETS[dataset].title}, all training samples; as published by Costanzino et al., CVPR 2024, Table 5"
    return SpeedData(title, request.metric, (SpeedSeries(AS_PUBLISHED, True, points),))


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


def _measured_point(group: Group, method: MethodRecords, request: FigureRequest) -> tuple[str, SpeedPoint] | str:
    """Return the device and point of a method, or why it has none."""
    covered = tuple(method.among(group.categories))
    if not covered:
        return "no category is measured"
    ids = ("fps", "memory_mb", request.metric)
    fps, memory, value = (measured_value(group, method, Cut(quantity(id))) for id in ids)
    if fps.number is None or value.number is None:
        return (fps if fps.number is None else value).note or "its records have no such number"
    device = method.ok[covered[0]].environment.hardware or "an unknown device"
    return device, SpeedPoint(label_of(group, method).text, fps.number, value.number, memory.number, covered)


def _published_points(group: Group, published: Published, request: FigureRequest) -> tuple[SpeedPoint, ...]:
    if group.categories != group.all_categories:
        return ()
    return _published_on(group.dataset, str(group.shots), published, request)


def _published_on(dataset: str, shots: str, published: Published, request: FigureRequest) -> tuple[SpeedPoint, ...]:
    values: dict[str, dict[str, float]] = {}
    for row in published.rows:
        if (row.dataset, str(row.shots), row.category) == (dataset, shots, MEAN) and request.query.keeps_label(
            row.method
        ):
            values.setdefault(row.method, {}).setdefault(row.metric, row.value)
    categories = DATASETS[dataset].categories
    return _sorted(
        SpeedPoint(method, numbers["fps"], numbers[request.metric], numbers.get("memory_mb"), categories)
        for method, numbers in values.items()
        if "fps" in numbers and request.metric in numbers
    )


def _sorted(points: Iterable[SpeedPoint]) -> tuple[SpeedPoint, ...]:
    return tuple(sorted(points, key=lambda point: (point.fps, point.value, point.label)))
