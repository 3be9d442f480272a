"""Any two methods of a setting compared: paired differences with intervals, and the images that they disagree on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from harness.report.grid import NumberId
from harness.report.groups import Group, MethodRecords
from harness.report.html.columns import COLUMNS
from harness.report.html.sections import Line, Section
from harness.report.separation import separation
from harness.report.uncertainty import Uncertainty
from harness.store.details import read_details
from harness.store.means import mean_over
from harness.store.quantities import ACCURACY, quantity

__all__ = ["MOST_COMPARED", "comparisons"]

MOST_COMPARED = 16
"""Methods of a setting of which each is compared with each other."""

_DIGITS = 4
_SAMPLES = 5
"""Images that a pair shows in which one of its methods is ahead."""

_RANKED_BY = ("aupro_30", "i_auroc")
_Images = Mapping[tuple[str, str], tuple[str, float]]
"""By category and id: type of defect, and the share of the other kind that the score separates."""


@dataclass(frozen=True, slots=True)
class _Cut:
    """Part of a test set: all of it, one category, or one type of defect."""

    kind: str
    name: str
    categories: tuple[str, ...]
    defect: str = ""
    images: int = 0


def comparisons(sections: Sequence[Section], intervals: Uncertainty) -> list[dict[str, object] | None]:
    """Return, for each setting with two measured methods or more, what a page shows of each pair, as plain JSON values.

    ``methods`` are labels; ``cuts`` a kind (``mean``, ``category``, ``defect``), a name and, of a defect, how many
    images have it. ``differences`` holds, for each pair of methods in the order of their labels' places, for each
    accuracy metric, for each cut: the second one's number less the first one's, followed by the ends of its 95%
    interval where they are known; nothing where one has no number. ``samples`` holds for each pair category, image,
    defect, and for both methods the share of :func:`harness.report.separation.separation`.

    Parameters
    ----------
    sections
        Of the leaderboard.
    intervals
        Of the results folder that their records were read from.
    """
    compared = [(section, _methods(section)) for section in sections]
    intervals.prepare(
        NumberId(method, cut.categories, "", cut.defect)
        for section, methods in compared
        if section.group and len(methods) > 1
        for cut in _cuts(section.group, methods)
        for method in methods
    )
    return [
        _comparison(section.group, methods, intervals, sum(line.method is not None for line in section.lines))
        if section.group and len(methods) > 1
        else None
        for section, methods in compared
    ]


def _methods(section: Section) -> list[MethodRecords]:
    """Return the methods with numbers in the order of the section; the best ones where there are too many."""
    lines = [line for line in section.lines if line.method is not None and line.method.ok]
    kept = sorted(lines, key=_mean, reverse=True)[:MOST_COMPARED]
    return [line.method for line in lines if line in kept and line.method is not None]


def _mean(line: Line) -> float:
    values = {column.id: value.number for column, value in zip(COLUMNS, line.values, strict=True)}
    return next((value for value in map(values.get, _RANKED_BY) if value is not None), 0.0)


def _cuts(group: Group, methods: Sequence[MethodRecords]) -> list[_Cut]:
    having: dict[str, dict[str, int]] = {}
    for name in group.categories:
        for record in (method.ok[name] for method in methods if name in method.ok):
            for defect in record.by_defect:
                having.setdefault(defect, {})[name] = record.test_images.defects.get(defect, 0)
    return [
        _Cut("mean", "", group.categories),
        *(_Cut("category", name, (name,)) for name in group.categories if any(name in one.ok for one in methods)),
        *(
            _Cut("defect", defect, tuple(images), defect, sum(images.values()))
            for defect, images in sorted(having.items())
        ),
    ]


def _comparison(
    group: Group, methods: Sequence[MethodRecords], intervals: Uncertainty, measured: int
) -> dict[str, object]:
    cuts = _cuts(group, methods)
    images = [_images(method, intervals) for method in methods]
    pairs = list(combinations(range(len(methods)), 2))
    return {
        "methods": [method.label for method in methods],
        "leftOut": measured - len(methods),
        "cuts": [[cut.kind, cut.name, cut.images] for cut in cuts],
        "differences": [
            [
                [_difference(methods[first], methods[second], metric.id, cut, intervals) for cut in cuts]
                for metric in ACCURACY
            ]
            for first, second in pairs
        ],
        "samples": [list(_disagreements(images[first], images[second])) for first, second in pairs],
    }


def _difference(
    first: MethodRecords, second: MethodRecords, metric: str, cut: _Cut, intervals: Uncertainty
) -> list[float]:
    """Return the difference of two methods over the categories that both have, with its interval; empty for none.

    Accuracies are shares, so an interval ends at -1 and 1: that of few images would reach further.
    """
    names = tuple(name for name in cut.categories if name in first.ok and name in second.ok)
    ours, theirs = (NumberId(method, names, metric, cut.defect) for method in (first, second))
    (paired,) = intervals.against_best(ours, [theirs]) if names else (None,)
    if paired is not None:
        return [round(min(max(end, -1.0), 1.0), _DIGITS) for end in (paired.value, paired.low, paired.high)]
    means = [mean_over(quantity(metric), method.among(names), cut.defect)[0] for method in (first, second)]
    known = [mean for mean in means if mean is not None]
    return [round(known[1] - known[0], _DIGITS)] if len(known) == len(means) else []


def _images(method: MethodRecords, intervals: Uncertainty) -> _Images:
    images: dict[tuple[str, str], tuple[str, float]] = {}
    for category, record in method.ok.items():
        scored = read_details(intervals.store, record).images
        shares = separation(scored)
        images |= {(category, image.id): (image.defect, shares[image.id]) for image in scored}
    return images


def _disagreements(first: _Images, second: _Images) -> Iterator[tuple[str, str, str, float, float]]:
    """Yield the images that one method separates and the other doesn't, those that the first is better at first."""
    gaps = {key: share - second[key][1] for key, (_, share) in first.items() if key in second}
    ordered = sorted(gaps, key=lambda key: (-gaps[key], key))
    ahead = [key for key in ordered[:_SAMPLES] if gaps[key] > 0]
    behind = [key for key in ordered[-_SAMPLES:] if gaps[key] < 0]
    for category, sample in (*ahead, *behind):
        defect, share = first[category, sample]
        yield category, sample, defect, round(share, 3), round(second[category, sample][1], 3)
