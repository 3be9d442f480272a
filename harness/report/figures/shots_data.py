"""Accuracy by number of training samples, as data: few-shot curves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.data.registry import dataset_title
from harness.data.splits import Shots, shots_order
from harness.errors import UsageError
from harness.report.compare import why_not_comparable
from harness.report.figures.data import FigureData, Series
from harness.report.groups import Group, MethodRecords, samples_title, shared_title
from harness.report.intervals import seed_interval
from harness.report.pivot import Cut, measured_value
from harness.store.paper import PAPER_DATASET
from harness.store.published import MEAN, Published
from harness.store.quantities import ACCURACY, quantity
from harness.store.query import RecordQuery

__all__ = ["ShotsPoint", "measured_shots", "published_shots", "random_splits"]

_RANDOM = "0-4"
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


def measured_shots(groups: Sequence[Group], published: Published | None, metric: str) -> FigureData[Series[ShotsPoint]]:
    """Return measured curves of one protocol, after the published ones where these are comparable.

    Splits are never mixed in a curve. Without ``--split`` the random ones are drawn where more than one of them is
    measured, else the one with the most numbers; all training samples belong to every split.

    Parameters
    ----------
    groups
        Of one dataset and protocol, at least one.
    published
        None to show measured numbers only.
    metric
        Id of an accuracy metric.
    """
    first, split = groups[0], _split(groups)
    kept = [group for group in groups if group.shots == "full" or _in_split(group, split)]
    measured = {category for group in kept for method in group.methods for category in method.ok}
    covered = tuple(category for category in first.categories if category in measured)
    notes: list[str] = []
    labels = sorted({method.label for group in kept for method in group.methods})
    curves = [
        Series(label, False, points) for label in labels if (points := _points(label, kept, covered, metric, notes))
    ]
    if others := {group.split for group in groups if group.shots != "full"} - {group.split for group in kept}:
        notes.append(f"Not drawn: the splits {', '.join(sorted(others))}; choose with --split.")
    if len({point.shots for curve in curves for point in curve.points}) == 1:
        notes.append("One number of training samples is measured: 'harness run' with --shots 5,10,50,full adds others.")
    if curves and published is not None:
        beside = [group for group in kept if published.has(group.dataset, group.shots)] or kept
        if reason := next(filter(None, (why_not_comparable(group, published) for group in beside)), ""):
            notes.append(reason)
        elif covered != first.all_categories:
            notes.append("Published curves are means over all categories, and these are not.")
        else:
            curves = [*_published_curves(first.dataset, published, first.query, metric), *curves]
    setting = shared_title(kept)
    which = "mean and 95% interval over random splits" if split == _RANDOM else f"split {split}"
    title = "; ".join((setting, which, *([", ".join(covered)] if covered != first.all_categories else [])))
    return FigureData(title, tuple(curves), metric, tuple(notes))


def published_shots(published: Published, query: RecordQuery, metric: str) -> FigureData[Series[ShotsPoint]]:
    """Return the published curves alone; raise UsageError where none is published for the query."""
    dataset = query.dataset or PAPER_DATASET
    curves = () if query.categories else _published_curves(dataset, published, query, metric)
    if not curves:
        raise UsageError(
            f"No {quantity(metric).title} by number of training samples is published for {dataset}: it is for all "
            "categories of mvtec3d, and the metrics i_auroc, p_auroc, aupro_30_official, aupro_1_official."
        )
    title = f"{dataset_title(dataset)}; as published by Costanzino et al., CVPR 2024, Table 4"
    return FigureData(title, curves, metric)


def random_splits(rows: Iterable[tuple[str, Group, MethodRecords]]) -> list[tuple[list[str], dict[str, ShotsPoint]]]:
    """Return means of every metric over random splits, for methods that were measured over several of one length.

    Parameters
    ----------
    rows
        Name, group and records of each row.

    Returns
    -------
    list of tuple
        Names of the rows of a mean, which are of one protocol over the same categories, and the means by metric.
    """
    families: dict[tuple[object, ...], list[tuple[str, Group, MethodRecords]]] = {}
    for name, group, method in rows:
        if group.shots != "full" and _in_split(group, _RANDOM) and method.ok:
            covered = tuple(method.among(group.categories))
            key = (group.dataset, group.shots, group.protocol.digest, method.label, covered)
            families.setdefault(key, []).append((name, group, method))
    means = []
    for family in (family for family in families.values() if len(family) > 1):
        points = {}
        for metric in ACCURACY:
            numbers = [measured_value(group, method, Cut(metric)).number for _, group, method in family]
            known = [number for number in numbers if number is not None]
            if len(known) == len(numbers):
                points[metric.id] = _mean_over_splits(family[0][1].shots, known)
        means.append(([name for name, *_ in family], points))
    return means


def _points(
    label: str, groups: Iterable[Group], covered: Sequence[str], metric: str, notes: list[str]
) -> tuple[ShotsPoint, ...]:
    """Return a method's points; those that lack a category are left out, with a note."""
    values: dict[Shots, list[float]] = {}
    for group in groups:
        for method in (method for method in group.methods if method.label == label):
            missing = [category for category in covered if category not in method.ok]
            value = measured_value(group, method, Cut(quantity(metric)), covered)
            if missing:
                at = f"{label} with {samples_title(group.shots, group.split)}"
                notes.append(f"{at} is left out: it lacks {', '.join(missing)}.")
            elif value.number is None:
                notes.append(f"{label} with {samples_title(group.shots)} is left out: {value.note}.")
            else:
                values.setdefault(group.shots, []).append(value.number)
    return tuple(_mean_over_splits(shots, values[shots]) for shots in sorted(values, key=shots_order))


def _mean_over_splits(shots: Shots, values: Sequence[float]) -> ShotsPoint:
    """Return the mean over splits with its 95% interval, that of Student's t; a value by itself has none."""
    if len(values) < 2:
        return ShotsPoint(shots, values[0])
    interval = seed_interval(values)
    return ShotsPoint(shots, interval.value, interval.low, interval.high, len(values))


def _published_curves(
    dataset: str, published: Published, query: RecordQuery, metric: str
) -> tuple[Series[ShotsPoint], ...]:
    sizes = sorted({row.shots for row in published.rows if row.dataset == dataset}, key=shots_order)
    curves = []
    for label in sorted(filter(query.keeps_label, published.methods)):
        rows = [(shots, published.find(dataset, [label], shots, MEAN, metric)) for shots in sizes]
        points = tuple(ShotsPoint(shots, row.value) for shots, row in rows if row is not None)
        if len(points) > 1:
            curves.append(Series(label, True, points))
    return tuple(curves)


def _split(groups: Sequence[Group]) -> str:
    """Return the split that is asked for, all random ones where several are measured, or that with the most cells."""
    asked = groups[0].query.splits
    if len(asked) == 1:
        return asked[0]
    cells: dict[str, int] = {}
    for group in groups:
        if group.shots != "full":
            cells[group.split] = cells.get(group.split, 0) + group.cells
    if len(cells.keys() - {"first"}) > 1:
        return _RANDOM
    return max(cells, key=lambda split: cells[split], default="first")


def _in_split(group: Group, split: str) -> bool:
    return group.split == split or (split == _RANDOM and group.split != "first")
