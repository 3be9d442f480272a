"""The kinds of figures, each drawn from the records of a results folder or from the published numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from harness.data.conditions import NONE
from harness.errors import UsageError
from harness.report.figures.curves import draw_curves
from harness.report.figures.curves_data import measured_curves
from harness.report.figures.data import FigureData
from harness.report.figures.latency import draw_latency
from harness.report.figures.latency_data import measured_latencies
from harness.report.figures.shots import draw_shots
from harness.report.figures.shots_data import measured_shots, published_shots
from harness.report.figures.speed import draw_speed
from harness.report.figures.speed_data import measured_speeds, published_speeds
from harness.report.figures.stress import draw_stress
from harness.report.figures.stress_data import measured_stress
from harness.report.groups import Group, group_records
from harness.report.stress import widened
from harness.report.tables import NothingMeasuredError, Source, TableRequest
from harness.store.published import Published
from harness.store.query import RecordQuery
from harness.store.record import Record
from harness.store.store import Store

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from harness.report.figures.style import Width

__all__ = ["KINDS", "Drawn", "Kind", "draw_kind", "largest_family"]

_START = "harness run --methods cfm,cfm-t --shots 10"


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure to be written, and what its reader must know beside it: what was left out, what else could be drawn."""

    figure: Figure
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of figure.

    Parameters
    ----------
    measured
        Its data, from groups of records that may share it, a store, published numbers to stand beside, and a metric.
    draw
        Draws its data.
    published
        Its data from published numbers alone; None where it has none.
    all_shots
        Whether groups of one protocol share it, whatever their number of training samples and split.
    all_conditions
        Whether groups share it that differ in the condition alone.
    """

    measured: Callable[[Sequence[Group], Store, Published | None, str], FigureData[Any]]
    draw: Callable[[Any, Width], Figure]
    published: Callable[[Published, RecordQuery, str], FigureData[Any]] | None = None
    all_shots: bool = False
    all_conditions: bool = False


KINDS: dict[str, Kind] = {
    "speed": Kind(lambda groups, _, *beside: measured_speeds(groups[0], *beside), draw_speed, published_speeds),
    "shots": Kind(lambda groups, _, *beside: measured_shots(groups, *beside), draw_shots, published_shots, True),
    "pro": Kind(lambda groups, store, *_: measured_curves(groups[0], store, "pro"), draw_curves),
    "roc": Kind(lambda groups, store, *_: measured_curves(groups[0], store, "roc"), draw_curves),
    "latency": Kind(lambda groups, store, *_: measured_latencies(groups[0], store), draw_latency),
    "stress": Kind(
        lambda groups, store, _, metric: measured_stress(groups, store, metric), draw_stress, all_conditions=True
    ),
}
"""By name on the command line."""


def draw_kind(
    name: str,
    store: Store,
    published: Published,
    query: RecordQuery,
    *,
    metric: str = "aupro_30_official",
    source: Source = "both",
    width: Width = "column",
    title: bool = True,
) -> Drawn:
    """Draw a figure.

    Parameters
    ----------
    name
        One of :data:`KINDS`.
    store
        Records, and what lies beside them.
    published
        All published numbers.
    query
        Which records; of several that can't share a figure, the most are drawn.
    metric
        Id of an accuracy metric.
    source
        ``measured``, ``published`` or ``both``.
    width
        ``column`` or ``page`` of a two-column paper.
    title
        Whether the figure says what holds for all of it.

    Raises
    ------
    UsageError
        Where a name is unknown, or nothing is published for the query.
    NothingMeasuredError
        Where the figure needs measured numbers and there are none.
    """
    records, kind = store.all(), KINDS[name]

    def drawn(data: FigureData[Any], *notes: str) -> Drawn:
        return Drawn(kind.draw(data if title else replace(data, title=""), width), (*notes, *data.notes))

    TableRequest(query, metrics=(metric,)).check(records, published)
    if kind.all_shots and query.shots:
        raise UsageError(f"A figure of kind '{name}' shows all numbers of training samples: leave out --shots.")
    if source == "published":
        if kind.published is None:
            raise UsageError(f"Nothing is published for a figure of kind '{name}': leave out --source published.")
        return drawn(kind.published(published, query, metric))
    why, wide = "", replace(query, conditions=widened(query)) if kind.all_conditions else query
    if groups := [group for group in group_records(records, wide) if group.cells]:
        family, notes = largest_family(groups, all_shots=kind.all_shots, all_conditions=kind.all_conditions)
        data = kind.measured(family, store, published if source == "both" else None, metric)
        if data.parts:
            return drawn(data, *notes)
        why = " ".join(data.notes)
    nothing = _nothing_measured(records, query, str(store.cells), why)
    if source == "measured" or kind.published is None:
        raise nothing
    raise NothingMeasuredError(f"{nothing} The published numbers alone: --source published.")


def largest_family(
    groups: Sequence[Group], *, all_shots: bool = False, all_conditions: bool = False
) -> tuple[list[Group], tuple[str, ...]]:
    """Return the groups with the most cells that may share a figure, and a sentence that says how to choose others.

    Parameters
    ----------
    groups
        To choose from, at least one; of equals the first is taken.
    all_shots
        Whether those of one dataset and protocol share a figure; each has one of its own where False.
    all_conditions
        Whether those share a figure that differ in the condition alone.
    """
    families: dict[object, list[Group]] = {}
    for group in groups:
        protocol = replace(group.protocol, condition=NONE) if all_conditions else group.protocol
        key = (group.dataset, protocol.digest)
        families.setdefault(key if all_shots else (*key, group.shots, group.split), []).append(group)
    largest = max(families.values(), key=lambda family: sum(group.cells for group in family))
    others = [family[0] for family in families.values() if family is not largest]
    if not others:
        return largest, ()
    keys = ("dataset", "preset", "weights")
    options = " ".join(f"--{key} {others[0].keys[key]}" for key in keys) if all_shots else others[0].options
    more = f" (and {len(others) - 1} more)" if len(others) > 1 else ""
    sentence = f"Drawn is the largest of {len(families)} groups that can't share a figure; another: {options}{more}."
    return largest, (sentence,)


def _nothing_measured(records: Sequence[Record], query: RecordQuery, folder: str, why: str) -> NothingMeasuredError:
    """Return the error for a figure of measured numbers where there are none; ``why`` says what was left out."""
    if why:
        return NothingMeasuredError(f"No measured cell in {folder} can be drawn. {why}")
    if not records:
        return NothingMeasuredError(
            f"Nothing is measured in {folder}: start with '{_START}', or name another --results DIR."
        )
    groups = [group for group in group_records(records, RecordQuery(query.dataset, query.methods)) if group.cells]
    if not groups:
        return NothingMeasuredError(f"No cell in {folder} that was asked for is ok: see 'harness status --failed'.")
    return NothingMeasuredError(
        f"No measured cell in {folder} fits the options; what could be drawn: {groups[0].options}."
    )
