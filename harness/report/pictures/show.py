"""Figures of maps: methods side by side (the paper's Figure 5), and how CFM comes to its map (Figure 6)."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness import registry
from harness.data.base import Dataset, SampleRef
from harness.errors import HarnessError, UsageError
from harness.report.pictures.choice import Choice
from harness.report.pictures.panels import picture, relief, truth
from harness.report.pictures.request import ShownMethod
from harness.report.pictures.sheet import Sheet
from harness.store.maps import ANOMALY_MAP

__all__ = ["FEATURE_MAPS", "Scale", "draw_features", "draw_methods"]

Scale = Literal["shared", "image"]

FEATURE_MAPS = ("e2d", "e2d_mapped", "e3d", "e3d_mapped", "map_2d", "map_3d", ANOMALY_MAP)
"""What Figure 6 shows, in its order."""

_HEAT, _FEATURE, _TRUTH = "inferno", "viridis", "gray"
_SIZE = 448
_LINE = 17
"""Characters of a line that fit above a panel."""

_PAIRS = (("e2d", "e2d_mapped"), ("e3d", "e3d_mapped"))


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    """Panels of a sample, and the maps of methods: label to name to map, and label to score."""

    image: NDArray[np.uint8]
    cloud: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    maps: Mapping[str, Mapping[str, NDArray[np.float32]]]
    scores: Mapping[str, float]


def draw_methods(choice: Choice, scale: Scale = "shared") -> Sheet:
    """Draw the paper's Figure 5: a row a sample with image, cloud, ground truth, and one map a method.

    Parameters
    ----------
    choice
        Methods and samples.
    scale
        ``shared``: one colour scale a method, over all rows; ``image``: one for each map.
    """
    rows = [_row(ref, choice.methods, choice.dataset, (ANOMALY_MAP,)) for ref in choice.samples]
    titles = [_title(method) for method in choice.methods]
    sheet = Sheet(
        [_label(ref) for ref in choice.samples],
        ["RGB", "point cloud", "ground truth", *titles],
        f"{choice.title}. {_of_scales(scale, len(titles))} Line: ground truth; number: anomaly score of the image.",
        bars=scale == "shared",
    )
    for position, row in enumerate(rows):
        sheet.show(position, 0, row.image)
        sheet.show(position, 1, row.cloud)
        sheet.show(position, 2, row.mask, colours=_TRUTH)
    for column, method in enumerate(choice.methods, start=3):
        shared = _limits(row.maps[method.label][ANOMALY_MAP] for row in rows)
        for position, row in enumerate(rows):
            values = row.maps[method.label][ANOMALY_MAP]
            limits = shared if scale == "shared" else _limits([values])
            note = _number(row.scores[method.label])
            sheet.show(position, column, values, colours=_HEAT, limits=limits, outline=row.mask, note=note)
        if scale == "shared":
            sheet.bar((column, column), _HEAT, shared)
    return sheet


def draw_features(choice: Choice, scale: Scale = "shared") -> Sheet:
    """Draw the paper's Figure 6: channel means of features and of their mapped counterparts, and the three maps.

    Parameters
    ----------
    choice
        Methods of the CFM family, one row each for every sample.
    scale
        ``shared``: one colour scale a column, and one for both of a pair of features, over all rows; ``image``: over
        each row alone.

    Raises
    ------
    UsageError
        Where a method has no such maps.
    """
    for method in choice.methods:
        _check_features(method, choice.samples)
    several = len(choice.methods) > 1
    shown = [(ref, method) for ref in choice.samples for method in choice.methods]
    rows = [_row(ref, (method,), choice.dataset, FEATURE_MAPS) for ref, method in shown]
    maps = [_on_object(row.maps[method.label]) for row, (_, method) in zip(rows, shown, strict=True)]
    sheet = Sheet(
        [_label(ref) + (f"\n{_title(method)}" if several else "") for ref, method in shown],
        ["RGB", "ground truth", *_headings(choice.methods)],
        f"{', '.join(_title(one).replace(chr(10), ' ') for one in choice.methods)}; {choice.title}. E: mean of the "
        f"features over channels, a pair on one colour scale.{_untrained(choice)} {_of_columns(scale)} Line: ground "
        "truth; number: anomaly score of the image.",
        bars=scale == "shared",
    )
    shared = _column_limits(maps)
    for position, (row, (_, method), own) in enumerate(zip(rows, shown, maps, strict=True)):
        limits = shared if scale == "shared" else _column_limits([own])
        sheet.show(position, 0, row.image)
        sheet.show(position, 1, row.mask, colours=_TRUTH)
        for column, name in enumerate(FEATURE_MAPS, start=2):
            note = _number(row.scores[method.label]) if name == ANOMALY_MAP else ""
            sheet.show(
                position, column, own[name], colours=_colours(name), limits=limits[name], outline=row.mask, note=note
            )
    if scale == "shared":
        for first, last in ((2, 3), (4, 5), (6, 6), (7, 7), (8, 8)):
            name = FEATURE_MAPS[first - 2]
            sheet.bar((first, last), _colours(name), shared[name])
    return sheet


def _row(ref: SampleRef, methods: Sequence[ShownMethod], dataset: Dataset, names: Iterable[str]) -> _Row:
    files = {method.label: method.maps[ref.category] for method in methods}
    maps = {label: file.read(ref.id, names) for label, file in files.items()}
    scores = {label: file.score(ref.id) for label, file in files.items()}
    sample, side = dataset.load(ref), len(next(iter(maps.values()))[ANOMALY_MAP])
    return _Row(picture(sample, _SIZE), relief(sample, _SIZE), truth(sample, side), maps, scores)


def _check_features(method: ShownMethod, samples: Sequence[SampleRef]) -> None:
    for ref in samples:
        missing = [name for name in FEATURE_MAPS if name not in method.maps[ref.category].names(ref.id)]
        if missing:
            raise UsageError(
                f"Figure 6 shows the features of CFM, and the maps of {method.label} have no '{missing[0]}': "
                "name methods of its family with --methods 'cfm*', or draw --figure 5."
            )


def _on_object(maps: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    """Return the maps of features with NaN where there are none, and the others as they are."""
    features = {name for pair in _PAIRS for name in pair}
    inside = np.logical_or.reduce([maps[name] != 0 for name in features])
    return {name: np.where(inside, values, np.nan) if name in features else values for name, values in maps.items()}


def _limits(maps: Iterable[NDArray[np.float32]], ends: tuple[float, float] = (0, 100)) -> tuple[float, float]:
    values = np.concatenate([one[np.isfinite(one)] for one in maps])
    if not len(values):
        return 0.0, 1.0
    low, high = np.percentile(values, ends)
    return float(low), float(high if high > low else low + 1)


def _column_limits(rows: Sequence[Mapping[str, NDArray[np.float32]]]) -> dict[str, tuple[float, float]]:
    """Return the ends of each map's colours; a pair of features shares them, without its outermost hundredths."""
    limits = {name: _limits(row[name] for row in rows) for name in FEATURE_MAPS}
    for pair in _PAIRS:
        limits |= dict.fromkeys(pair, _limits((row[name] for row in rows for name in pair), (1, 99)))
    return limits


def _colours(name: str) -> str:
    return _FEATURE if any(name in pair for pair in _PAIRS) else _HEAT


def _headings(methods: Sequence[ShownMethod]) -> list[str]:
    parameters = [next(iter(method.records.values())).cell.parameters for method in methods]
    across = all(one.get("mapping", "cross") == "cross" for one in parameters)
    ways = {str(one.get("aggregate", "product")) for one in parameters}
    return [
        "2D features\n$E_{2D}$",
        f"mapped from {'3D' if across else '2D'}\n$\\hat{{E}}_{{2D}}$",
        "3D features\n$E_{3D}$",
        f"mapped from {'2D' if across else '3D'}\n$\\hat{{E}}_{{3D}}$",
        "2D distance\n$\\Psi_{2D}$",
        "3D distance\n$\\Psi_{3D}$",
        f"anomaly map\n({', '.join(sorted(ways))})",
    ]


def _label(ref: SampleRef) -> str:
    return "\n".join(
        (*textwrap.wrap(ref.category, _LINE), *textwrap.wrap(ref.defect, _LINE), ref.id.rpartition("/")[2])
    )


def _number(score: float) -> str:
    """Return a score with three digits; all of those before the point where there are more."""
    return f"{score:.0f}" if abs(score) >= 1000 else f"{score:#.3g}".removesuffix(".")


def _title(method: ShownMethod) -> str:
    """Return the name that the paper prints, with parameters on lines of their own."""
    cell = next(iter(method.records.values())).cell
    try:
        name = registry.load(cell.method).meta.title
    except HarnessError:  # its plugin is not installed here
        name = cell.method
    parameters = method.label.removeprefix(cell.method).strip("[] ").replace(",", ", ")
    return "\n".join((name, *textwrap.wrap(parameters, _LINE)))


def _of_scales(scale: Scale, methods: int) -> str:
    if scale == "image":
        return "Each map has a colour scale of its own, from its lowest to its highest value."
    unlike = " Methods have different units, so colours compare within a column only." if methods > 1 else ""
    return f"One colour scale a method, shared by all rows.{unlike}"


def _untrained(choice: Choice) -> str:
    """Return why the features of random networks have no picture: their last layer takes the mean away."""
    random = any(record.cell.protocol.weights == "random" for one in choice.methods for record in one.records.values())
    return " With random weights the mean of real features is 0 everywhere." if random else ""


def _of_columns(scale: Scale) -> str:
    return "Scales are shared by all rows." if scale == "shared" else "Scales are those of each row."
