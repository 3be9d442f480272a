"""Accuracy by number of training samples, as data: few-shot curves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from harness.data.base import dataset_title
from harness.data.splits import SHOTS, Shots
from harness.errors import UsageError
from harness.report.compare import why_not_comparable
from harness.report.figures.request import FigureRequest, biggest
from harness.report.groups import Group, setting_title
from harness.report.pivot import Cut, measured_value
from harness.report.uncertainty import seed_interval
from harness.store.published import MEAN, Published
from harness.store.quantities import quantity
from harness.store.query import RecordQuery

__all__ = ["ShotsCurve", "ShotsData", "ShotsPoint", "measured_shots", "published_shots"]

SEEDS = "0-4"
"""In place of a split's name: all random lists of training samples, with an interval over them."""


@dataclass(frozen=True, slots=True)
class ShotsPoint:
    """One point of a curve.

    Parameters
    ----------
    shots
        Number of training samples.
    value
        The metric, a mean over categories (and splits), in [0, 1].
    low, high
        95% interval of the mean over splits; None where one split is measured.
    splits
        How many lists of training samples the value is the mean of.
    """

    shots: Shots
    value: float
    low: float | None = None
    high: float | None = None
    splits: int = 1


@dataclass(frozen=True, slots=True)
class ShotsCurve:
    """A method's points by number of training samples, measured or published."""

    label: str
    published: bool
    points: tuple[ShotsPoint, ...]


@dataclass(frozen=True, slots=True)
class ShotsData:
    """The figure as data.

    Parameters
    ----------
    title
        What holds for all curves.
    metric
        Id of the metric.
    curves
        By label, the published ones first.
    notes
        What was left out and why.
    """

    title: str
    metric: str
    curves: tuple[ShotsCurve, ...]
    notes: tuple[str, ...] = ()


def measured_shots(groups: Sequence[Group], published: Published | None, request: FigureRequest) -> ShotsData | None:
    """Return measured curves of one dataset and protocol, with the published ones where these are comparable.

    Splits are never mixed in a curve. Without ``--split`` the random ones are drawn where more than one of them is
    measured, else the one with the most numbers; all training samples belong to every split.

    Parameters
    ----------
    groups
        As chosen by the request.
    published
        None to show measured numbers only.
    request
        Metric, categories, split.

    Returns
    -------
    ShotsData or None
        None where no curve has a point.
    """
    families: dict[tuple[str, str], list[Group]] = {}
    for group in groups:
        families.setdefault((group.dataset, group.protocol.digest), []).append(group)
    if not families:
        return None
    family, notes = biggest(list(families.values()), _cells, _options)
    first, split = family[0], _asked_split(request.query) or _best_split(family)
    kept = [group for group in family if group.shots == "full" or _in_split(group, split)]
    labels = dict.fromkeys(method.label for group in kept for method in group.methods)
    remarks, covered = list(notes), _covered(kept)
    curves = [
        ShotsCurve(label, False, points)
        for label in sorted(labels)
        if (points := _points(label, kept, covered, request.metric, remarks))
    ]
    others = {group.split for group in family if group.shots != "full"} - {group.split for group in kept}
    if others:
        remarks.append(f"Not drawn: the splits {', '.join(sorted(others))}; choose with --split.")
    if len({point.shots for curve in curves for point in curve.points}) == 1:
        remarks.append(
            "One number of training samples is measured: 'harness run' with --shots 5,10,50,full adds others."
        )
    if published is not None:
        curves = [*_comparable(kept, covered, published, request, remarks), *curves]
    title = f"{setting_title(first.dataset, first.protocol.preset, first.protocol.weights)}; {_split_title(split)}"
    if covered != first.all_categories:
        title += f"; {', '.join(covered)}"
    return ShotsData(title, request.metric, tuple(curves), tuple(remarks)) if curves else None


def published_shots(published: Published, request: FigureRequest) -> ShotsData:
    """Return the published curves alone; raise UsageError where none is published for the request."""
    dataset = request.query.dataset or "mvtec3d"
    curves = () if request.query.categories else _published_curves(dataset, published, request)
    if not curves:
        raise UsageError(
            f"No {quantity(request.metric).title} by number of training samples is published for {dataset}: it is "
            "for all categories of mvtec3d, and the metrics i_auroc, p_auroc, aupro_30_official, aupro_1_official."
        )
    return ShotsData(
        f"{dataset_title(dataset)}; as published by Costanzino et al., CVPR 2024, Table 4", request.metric, curves
    )


def _points(
    label: str, groups: Iterable[Group], covered: Sequence[str], metric: str, notes: list[str]
) -> tuple[ShotsPoint, ...]:
    """Return a method's points; those that lack a category are left out, with a note."""
    values: dict[Shots, list[float]] = {}
    for group in groups:
        method = next((method for method in group.methods if method.label == label), None)
        if method is None:
            continue
        missing = [category for category in covered if category not in method.ok]
        value = measured_value(group, method, Cut(quantity(metric)), covered)
        if missing:
            notes.append(
                f"{label} at {group.shots} shots, split {group.split}, is left out: it lacks {', '.join(missing)}."
            )
        elif value.number is None:
            notes.append(f"{label} at {group.shots} shots is left out: {value.note}.")
        else:
            values.setdefault(group.shots, []).append(value.number)
    return tuple(_point(shots, values[shots]) for shots in SHOTS if shots in values)


def _point(shots: Shots, values: Sequence[float]) -> ShotsPoint:
    """Return the mean over splits with its 95% interval."""
    if len(values) < 2:
        return ShotsPoint(shots, values[0])
    interval = seed_interval(values)
    return ShotsPoint(shots, interval.value, interval.low, interval.high, len(values))


def _comparable(
    groups: Sequence[Group],
    covered: Sequence[str],
    published: Published,
    request: FigureRequest,
    notes: list[str],
) -> tuple[ShotsCurve, ...]:
    """Return the published curves that stand beside measured ones; none, with a note, where a group has a reason."""
    for group in groups:
        if reason := why_not_comparable(group, published):
            notes.append(reason)
            return ()
    if tuple(covered) != groups[0].all_categories:
        notes.append("Published curves are means over all categories, and these are not.")
        return ()
    return _published_curves(groups[0].dataset, published, request)


def _published_curves(dataset: str, published: Published, request: FigureRequest) -> tuple[ShotsCurve, ...]:
    find = partial(published.find, dataset, category=MEAN, metric=request.metric)
    curves = []
    for label in sorted(filter(request.query.keeps_label, published.methods)):
        rows = [(shots, find([label], shots)) for shots in SHOTS]
        points = tuple(ShotsPoint(shots, row.value) for shots, row in rows if row is not None)
        if len(points) > 1:
            curves.append(ShotsCurve(label, True, points))
    return tuple(curves)


def _covered(groups: Sequence[Group]) -> tuple[str, ...]:
    """Return the categories that means cover: those asked for that any method has."""
    measured = {category for group in groups for method in group.methods for category in method.ok}
    return tuple(category for category in groups[0].categories if category in measured)


def _best_split(family: Sequence[Group]) -> str:
    sizes: dict[str, int] = {}
    for group in family:
        if group.shots != "full":
            sizes[group.split] = sizes.get(group.split, 0) + _cells([group])
    if len(sizes.keys() - {"first"}) > 1:
        return SEEDS
    return max(sizes, key=lambda split: sizes[split]) if sizes else "first"


def _in_split(group: Group, split: str) -> bool:
    return group.split == split or (split == SEEDS and group.split != "first")


def _cells(groups: Sequence[Group]) -> int:
    return sum(len(method.ok) for group in groups for method in group.methods)


def _options(groups: Sequence[Group]) -> str:
    keys: Mapping[str, str] = groups[0].keys
    return " ".join(f"--{name} {keys[name]}" for name in ("dataset", "preset", "weights"))


def _asked_split(query: RecordQuery) -> str:
    return query.splits[0] if len(query.splits) == 1 else ""


def _split_title(split: str) -> str:
    return "mean and 95% interval over random splits" if split == SEEDS else f"split {split}"
