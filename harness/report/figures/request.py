"""What a figure shows: the group of comparable records that it is drawn from, chosen by name or by size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from harness.data.base import DATASETS
from harness.data.splits import parse_shots, require_split_name
from harness.errors import UsageError
from harness.registry import nearest_names
from harness.report.measured import MeasuredGroup, group_records
from harness.report.tables import NothingMeasuredError, Request, Source, select
from harness.store.published import Published
from harness.store.record import Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Drawn", "FigureRequest", "biggest", "chosen_group", "chosen_groups", "nothing_measured"]

_Found = TypeVar("_Found")
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
    """What to draw; None and empty choose everything, or the largest group where one must be chosen.

    Parameters
    ----------
    metric
        An accuracy metric's id.
    dataset, preset, shots, split, weights
        What tells groups of comparable records apart.
    methods
        Names, globs, or labels with parameters.
    categories
        Those that means cover.
    source
        ``measured``, ``published`` or ``both``.
    """

    metric: str = "aupro_30_official"
    dataset: str | None = None
    preset: str | None = None
    shots: str | None = None
    split: str | None = None
    weights: str | None = None
    methods: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    source: Source = "both"

    @property
    def tables_request(self) -> Request:
        """The same choice of dataset, methods and metric, as tables know it."""
        return Request(self.dataset, self.methods, (self.metric,))

    def check(self, records: Sequence[Record], published: Published) -> None:
        """Raise UsageError for a name that nothing is known of."""
        self.tables_request.check(records, published)
        if self.shots is not None:
            parse_shots(self.shots)
        if self.split is not None:
            require_split_name(self.split)
        datasets = [self.dataset] if self.dataset else list(DATASETS)
        known = {category for name in datasets for category in DATASETS[name].categories}
        known |= {record.cell.category for record in records if self.dataset in (None, record.cell.dataset)}
        for category in self.categories:
            if category not in known:
                raise UsageError(f"There is no category '{category}': {nearest_names(category, known)}")

    def keeps_label(self, label: str) -> bool:
        """Return whether a method is shown."""
        return self.tables_request.keeps(label)

    def covered(self, group: MeasuredGroup) -> tuple[str, ...]:
        """Return the categories of a group that means cover."""
        return tuple(name for name in group.categories if not self.categories or name in self.categories)

    def options(self, group: MeasuredGroup) -> str:
        """Return the command-line options that choose a group."""
        keys = {**group.keys, "split": "" if group.shots == "full" else group.split}
        return " ".join(f"--{name} {value}" for name, value in keys.items() if value)

    def keeps(self, group: MeasuredGroup) -> bool:
        """Return whether a group is one of those asked for."""
        asked = {name: getattr(self, name) for name in ("dataset", "preset", "shots", "split", "weights")}
        if group.shots == "full":
            asked["split"] = None
        return all(value in (None, group.keys[name]) for name, value in asked.items())


def chosen_groups(records: Iterable[Record], request: FigureRequest) -> tuple[MeasuredGroup, ...]:
    """Return the groups that a request leaves and that hold any number, in the order of tables."""
    groups = group_records(select(records, request.tables_request))
    return tuple(group for group in groups if request.keeps(group) and _cells(group, request))


def chosen_group(records: Iterable[Record], request: FigureRequest) -> tuple[MeasuredGroup | None, tuple[str, ...]]:
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
    return biggest(groups, lambda group: _cells(group, request), request.options)


def biggest(
    found: Sequence[_Found], size: Callable[[_Found], int], options: Callable[[_Found], str]
) -> tuple[_Found, tuple[str, ...]]:
    """Return the largest of some things that can't share a figure, and a sentence that says how to choose another.

    Parameters
    ----------
    found
        To choose from, at least one; of equals the first is taken.
    size, options
        Number of cells of one, and the command-line options that choose it.
    """
    largest = max(found, key=size)
    others = [options(other) for other in found if other is not largest]
    if not others:
        return largest, ()
    more = f" (and {len(others) - 1} more)" if len(others) > 1 else ""
    sentence = f"Drawn is the largest of {len(found)} groups that can't share a figure; another: {others[0]}{more}."
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
    chosen = [record for record in select(records, request.tables_request) if record.status == "ok"]
    if not chosen:
        return NothingMeasuredError(f"No cell in {folder} that was asked for is ok: see 'harness status --failed'.")
    groups = [request.options(group) for group in group_records(chosen)]
    return NothingMeasuredError(f"No measured cell in {folder} fits the options; what could be drawn: {groups[0]}.")


def _cells(group: MeasuredGroup, request: FigureRequest) -> int:
    covered = request.covered(group)
    return sum(category in covered for method in group.methods for category in method.ok)
