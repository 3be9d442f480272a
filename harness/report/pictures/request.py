"""What a user wants to see of the maps that were kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from harness.data.splits import Shots
from harness.errors import ExitCode, HarnessError
from harness.store.maps import MapFile
from harness.store.record import Record

__all__ = ["MapsMissingError", "ShowRequest", "ShownMethod"]


class MapsMissingError(HarnessError):
    """Maps are asked for that were never kept."""

    exit_code = ExitCode.NOTHING_MEASURED


@dataclass(frozen=True, slots=True)
class ShowRequest:
    """What a user asked for.

    Parameters
    ----------
    methods
        Names, globs, or labels with parameters; where empty every method with maps, for Figure 6 of features.
    dataset
        Name of the dataset.
    categories
        Names or globs; all that have maps where empty.
    samples
        Ids such as ``test/crack/001``, or with the category before them; chosen by defect where empty.
    defects
        Names of defects, ``good`` among them; all but ``good`` where empty.
    worst, best
        Take so many samples that the first method's score tells worst or best from the other kind.
    shots, split
        Which runs, where there are several; None for any.
    figure
        5: maps of methods side by side; 6: features of CFM and how its map comes about.
    """

    methods: tuple[str, ...] = ()
    dataset: str = "toy"
    categories: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()
    defects: tuple[str, ...] = ()
    worst: int | None = None
    best: int | None = None
    shots: Shots | None = None
    split: str | None = None
    figure: Literal[5, 6] = 5


@dataclass(frozen=True, slots=True)
class ShownMethod:
    """A method with its records and maps by category."""

    label: str
    records: Mapping[str, Record]
    maps: Mapping[str, MapFile]
