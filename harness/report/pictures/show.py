"""Sheets of maps: methods side by side (the paper's Figure 5), how CFM comes to its map (Figure 6), one prediction."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness import registry
from harness.cell import Cell
from harness.contract import Sample
from harness.dataset_contract import SampleRef
from harness.errors import HarnessError, UsageError
from harness.report.pictures.choose import Choice
from harness.report.pictures.panels import FEATURE, HEAT, Panel, sample_panels, value_range
from harness.report.pictures.runs import ShownMethod
from harness.report.pictures.sheet import ColourBar, draw_sheet
from harness.store.maps import ANOMALY_MAP

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FEATURE_MAPS", "Scale", "draw_features", "draw_methods", "draw_prediction"]

Scale = Literal["shared", "image"]

FEATURE_MAPS = ("e2d", "e2d_mapped", "e3d", "e3d_mapped", "map_2d", "map_3d", ANOMALY_MAP)
"""What Figure 6 shows, in its order."""

_MAPPED = {"e2d": "e2d_mapped", "e3d": "e3d_mapped"}
_FEATURES = {*_MAPPED, *_MAPPED.values()}
_HEADINGS = {"rgb": "RGB", "cloud": "point cloud", "truth": "ground truth"}
_SIZE = 448
_LINE = 17
"""Characters of a line that fit above a panel."""

_Maps = Mapping[str, NDArray[Any]]
_Limits = dict[str, tuple[float, float]]


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    """A sample with its label, and maps with the numbers printed on them, by the name of their column."""

    ref: SampleRef
    label: str
    maps: _Maps
    numbers: Mapping[str, str]


def draw_methods(choice: Choice, scale: Scale = "shared") -> Figure:
    """Draw the paper's Figure 5: a row a sample with image, cloud, ground truth, and one map a method.

    Parameters
    ----------
    choice
        Methods and samples.
    scale
        ``shared``: one colour scale a method, over all rows; ``image``: one for each map.
    """
    rows = []
    for ref in choice.samples:
        files = {method.label: method.maps[ref.category] for method in choice.methods}
        maps = {label: file.read(ref.id, (ANOMALY_MAP,))[ANOMALY_MAP] for label, file in files.items()}
        rows.append(_Row(ref, _label(ref), maps, {label: _number(file.score(ref.id)) for label, file in files.items()}))
    titles = {method.label: _title(method.cell, method.label) for method in choice.methods}
    unlike = " Methods have different units, so colours compare within a column only." if len(titles) > 1 else ""
    scales = {
        "shared": f"One colour scale a method, shared by all rows.{unlike}",
        "image": "Each map has a colour scale of its own, from its lowest to its highest value.",
    }
    caption = f"{choice.title}. {scales[scale]}"
    return _draw(choice, rows, tuple(_HEADINGS), titles, _column_limits, scale, caption)


def draw_features(choice: Choice, scale: Scale = "shared") -> Figure:
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
    titles = {method.label: _title(method.cell, method.label) for method in choice.methods}
    rows = []
    for ref in choice.samples:
        for method in choice.methods:
            label = _label(ref) + (f"\n{titles[method.label]}" if len(titles) > 1 else "")
            file = method.maps[ref.category]
            maps = _on_object(file.read(ref.id, FEATURE_MAPS))
            rows.append(_Row(ref, label, maps, {ANOMALY_MAP: _number(file.score(ref.id))}))
    caption = (
        f"{', '.join(titles.values())}; {choice.title}. E: mean of the features over channels, a pair on one colour "
        f"scale.{_untrained(choice)} Scales are {'shared by all rows' if scale == 'shared' else 'those of each row'}."
    )
    return _draw(choice, rows, ("rgb", "truth"), _feature_titles(choice.methods), _feature_limits, scale, caption)


def draw_prediction(cell: Cell, sample: Sample, anomaly_map: NDArray[Any], score: float) -> Figure:
    """Draw the map of one sample beside its image and cloud.

    Parameters
    ----------
    cell
        What the method was fitted for.
    sample
        RGB and cleaned cloud.
    anomaly_map : (S, S) float
        Higher is more anomalous.
    score
        Anomaly score of the image.
    """
    panels, limits = sample_panels(sample, _SIZE), value_range([anomaly_map])
    return draw_sheet(
        ["\n".join(textwrap.wrap(sample.id, _LINE))],
        [_HEADINGS["rgb"], _HEADINGS["cloud"], _title(cell, cell.label)],
        [[panels["rgb"], panels["cloud"], Panel(anomaly_map, HEAT, limits, note=_number(score))]],
        f"Fitted on {cell.dataset}/{cell.category}. Number: anomaly score of the image.",
        [ColourBar(2, 2, HEAT, limits)],
    )


def _draw(
    choice: Choice,
    rows: Sequence[_Row],
    shown: Sequence[str],
    titles: Mapping[str, str],
    limits_of: Callable[[Sequence[_Maps]], _Limits],
    scale: Scale,
    caption: str,
) -> Figure:
    """Draw some panels of each sample (``shown``), and beside them a map for each title."""
    shared = limits_of([row.maps for row in rows])
    drawn = []
    for row in rows:
        panels = sample_panels(choice.dataset.load(row.ref), _SIZE, len(next(iter(row.maps.values()))))
        limits, truth = shared if scale == "shared" else limits_of([row.maps]), panels["truth"].values
        drawn.append([panels[name] for name in shown])
        for name in titles:
            drawn[-1].append(Panel(row.maps[name], _colours(name), limits[name], truth, row.numbers.get(name, "")))
    bars = [
        ColourBar(column, column + (name in _MAPPED), _colours(name), shared[name])
        for column, name in enumerate(titles, len(shown))
        if scale == "shared" and name not in _MAPPED.values()
    ]
    headings = [*(_HEADINGS[name] for name in shown), *titles.values()]
    caption += " Line: ground truth; number: anomaly score of the image."
    return draw_sheet([row.label for row in rows], headings, drawn, caption, bars)


def _check_features(method: ShownMethod, samples: Sequence[SampleRef]) -> None:
    for ref in samples:
        missing = [name for name in FEATURE_MAPS if name not in method.maps[ref.category].names(ref.id)]
        if missing:
            raise UsageError(
                f"Figure 6 shows the features of CFM, and the maps of {method.label} have no '{missing[0]}': "
                "name methods of its family with --methods 'cfm*', or draw --figure 5."
            )


def _on_object(maps: _Maps) -> _Maps:
    """Return the maps of features with NaN where there are none, and the others as they are."""
    inside = np.logical_or.reduce([maps[name] != 0 for name in _FEATURES])
    return {name: np.where(inside, values, np.nan) if name in _FEATURES else values for name, values in maps.items()}


def _column_limits(rows: Sequence[_Maps]) -> _Limits:
    """Return the ends of each column's colours."""
    return {name: value_range(row[name] for row in rows) for name in rows[0]}


def _feature_limits(rows: Sequence[_Maps]) -> _Limits:
    """Return the ends of each column's colours; a pair of features shares them, without its outermost hundredths."""
    limits = _column_limits(rows)
    for pair in _MAPPED.items():
        limits |= dict.fromkeys(pair, value_range((row[name] for row in rows for name in pair), (1, 99)))
    return limits


def _colours(name: str) -> str:
    return FEATURE if name in _FEATURES else HEAT


def _feature_titles(methods: Sequence[ShownMethod]) -> dict[str, str]:
    parameters = [method.cell.parameters for method in methods]
    across = all(values.get("mapping", "cross") == "cross" for values in parameters)
    aggregates = {str(values.get("aggregate", "product")) for values in parameters}
    titles = (
        "2D features\n$E_{2D}$",
        f"mapped from {'3D' if across else '2D'}\n$\\hat{{E}}_{{2D}}$",
        "3D features\n$E_{3D}$",
        f"mapped from {'2D' if across else '3D'}\n$\\hat{{E}}_{{3D}}$",
        "2D distance\n$\\Psi_{2D}$",
        "3D distance\n$\\Psi_{3D}$",
        f"anomaly map\n({', '.join(sorted(aggregates))})",
    )
    return dict(zip(FEATURE_MAPS, titles, strict=True))


def _label(ref: SampleRef) -> str:
    parts = (*textwrap.wrap(ref.category, _LINE), *textwrap.wrap(ref.defect, _LINE), ref.id.rpartition("/")[2])
    return "\n".join(parts)


def _number(score: float) -> str:
    """Return a score with three digits; all of those before the point where there are more."""
    return f"{score:.0f}" if abs(score) >= 1000 else f"{score:#.3g}".removesuffix(".")


def _title(cell: Cell, label: str) -> str:
    """Return the name that the paper prints, with the parameters of a label on lines of their own."""
    try:
        name = registry.load(cell.method).meta.title
    except HarnessError:  # its plugin is not installed here
        name = cell.method
    return "\n".join((name, *textwrap.wrap(registry.parse_label(label)[1].replace(",", ", "), _LINE)))


def _untrained(choice: Choice) -> str:
    """Return why the features of random networks have no picture: their last layer takes the mean away."""
    protocols = [record.cell.protocol for method in choice.methods for record in method.records.values()]
    random = any(protocol.weights == "random" for protocol in protocols)
    return " With random weights the mean of real features is 0 everywhere." if random else ""
