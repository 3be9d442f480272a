"""What every figure is as data: matplotlib draws it, and the report's page takes parts of it as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["FigureData", "Series"]

Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class FigureData(Generic[Part]):
    """A figure before it is drawn.

    Parameters
    ----------
    title
        What holds for all of it.
    parts
        Series, curves or rows; none where nothing measured can be drawn.
    shows
        Id of the accuracy metric, or the kind of curves.
    notes
        What was left out and why.
    """

    title: str
    parts: tuple[Part, ...]
    shows: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Series(Generic[Part]):
    """Points that a line may connect, measured or published: those of a method, or of a device."""

    label: str
    published: bool
    points: tuple[Part, ...]
