"""What a figure shows: the group of comparable records that it is drawn from, chosen by name or by size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from harness.report.groups import Group, group_records
from harness.report.tables import NothingMeasuredError, Source, TableRequest
from harness.store.published import Published
from harness.store.query import RecordQuery
from harness.store.record import Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Drawn", "FigureRequest", "biggest", "chosen_group", "chosen_groups", "nothing_measured"]

_T = TypeVar("_T")
_START = "harness run --methods cfm,cfm-t --shots 10"


@dataclass(frozen=True)
class Drawn:
    """A figure, and what its reader must know beside it.

    Parameters
    ----------
    figure
        To be written.
    notes
        Sentences: what was left out, and what else could be drawn.
    """

    figure: Figure
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FigureRequest:
    """What to draw.

    Parameters
    ----------
    query
        Which records; where they are of several settings, the largest group is drawn.
    metric
        An accuracy metric's id.
    source
        ``measured``, ``published`` or ``both``.
    """

    query: RecordQuery = field(default_factory=RecordQuery)
    metric: str = "aupro_30_official"
    source: Source = "both"

    def check(self, records: Sequence[Record], published: Published) -> None:
        """Raise UsageError for a name that nothing is known of."""
        TableRequest(self.query, metrics=(self.metric,)).check(records, published)


def chosen_groups(records: Iterable[Record], request: FigureRequest) -> tuple[Group, ...]:
    """Return the groups that a request leaves and that hold any number, in the order of tables."""
    return tuple(group for group in group_records(records, request.query) if group.cells)


def chosen_group(records: Iterable[Record], request: FigureRequest) -> tuple[Group | None, tuple[str, ...]]:
    """Return the group to draw, the one with the most measured cells, and a sentence where there are others.

    Parameters
    ----------
    records
        All of a results folder.
    request
        What is asked for.
    """
    groups = chosen_groups(records, request)
    if not groups:
        return None, ()
    return biggest(groups, lambda group: group.cells, lambda group: group.options)


def biggest(
    candidates: Sequence[_T], size: Callable[[_T], int], options: Callable[[_T], str]
) -> tuple[_T, tuple[str, ...]]:
    """Return the largest of some things that can't share a figure, and a sentence that says how to choose another.

    Parameters
    ----------
    candidates
        To choose from, at least one; of equals the first is taken.
    size, options
        Number of cells of one, and the command-line options that choose it.
    """
    largest = max(candidates, key=size)
    others = [options(other) for other in candidates if other is not largest]
    if not others:
        return largest, ()
    more = f" (and {len(others) - 1} more)" if len(others) > 1 else ""
    sentence = (
        f"Drawn is the largest of {len(candidates)} groups that can't share a figure; another: {others[0]}{more}."
    )
    return largest, (sentence,)


def nothing_measured(
    records: Sequence[Record], request: FigureRequest, folder: str, why: str = ""
) -> NothingMeasuredError:
    """Return the error for a figure of measured numbers where there are none.

    Parameters
    ----------
    records
        All of a results folder.
    request
        What is asked for.
    folder
        Where records were looked for.
    why
        Sentences about what was left out, where there were records.
    """
    if why:
        return NothingMeasuredError(f"No measured cell in {folder} can be drawn. {why}")
    if not records:
        return NothingMeasuredError(
            f"Nothing is measured in {folder}: start with '{_START}', or name another --results DIR."
        )
    everything = RecordQuery(request.query.dataset, request.query.methods)
    groups = [group for group in group_records(records, everything) if group.cells]
    if not groups:
        return NothingMeasuredError(f"No cell in {folder} that was asked for is ok: see 'harness status --failed'.")
    return NothingMeasuredError(
        f"No measured cell in {folder} fits the options; what could be drawn: {groups[0].options}."
    )
