"""Samples that tell what a method does with them, and samples that are out of the ordinary."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.contract import Sample

__all__ = ["Ledger", "TrainingSamples", "WitnessSample", "bigger", "black_image", "empty_cloud", "not_square", "spoil"]

_WITHHELD = ("mask", "anomalous", "defect")
_ARRAYS = ("rgb", "xyz", "plane")
_COPYING = ("dataclasses", "copy", "copyreg", "pickle")
"""Modules that read every field of a sample without looking at any."""


class WitnessSample(Sample):
    """A blind sample that notes which of the withheld fields are read; to be had from a :class:`Ledger`."""

    __slots__ = ()

    reads: ClassVar[set[str]] = set()

    def __getattribute__(self, name: str) -> Any:
        if name in _WITHHELD and sys._getframe(1).f_globals.get("__name__") not in _COPYING:
            WitnessSample.reads.add(name)
        return super().__getattribute__(name)


class Ledger:
    """Hands out copies of samples, and knows which of them were changed and which are still held.

    Attributes
    ----------
    changed
        A sentence for every array that came back other than it was given.
    """

    def __init__(self) -> None:
        WitnessSample.reads.clear()
        self.changed: list[str] = []
        self._out: list[tuple[Sample, WitnessSample]] = []
        self._arrays: list[tuple[str, weakref.ref[NDArray[Any]]]] = []

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the withheld fields that were read."""
        return tuple(sorted(WitnessSample.reads))

    def give(self, source: Sample) -> WitnessSample:
        """Return a blind copy with arrays of its own."""
        blind = source.blind()
        given = WitnessSample(
            id=blind.id,
            category=blind.category,
            defect=blind.defect,
            rgb=blind.rgb.copy(),
            xyz=blind.xyz.copy(),
            plane=blind.plane.copy(),
        )
        self._out.append((source, given))
        return given

    def settle(self, call: str) -> None:
        """Compare what was given out with its source, and let go of it.

        Parameters
        ----------
        call
            What the method did with it, to name in ``changed``.
        """
        for source, given in self._out:
            for name in _ARRAYS:
                array = getattr(given, name)
                if not np.array_equal(array, getattr(source, name)):
                    self.changed.append(f"{call} changes '{name}' of a sample; work on a copy.")
                self._arrays.append((name, weakref.ref(array)))
        self._out.clear()

    def held(self) -> list[tuple[str, NDArray[Any]]]:
        """Return the arrays of settled samples that something keeps alive, with their names."""
        gc.collect()
        found = ((name, reference()) for name, reference in self._arrays)
        return [(name, array) for name, array in found if array is not None]


@dataclass(slots=True)
class _Stock:
    """What a sequence and its slices share."""

    sources: tuple[Sample, ...]
    ledger: Ledger | None


class TrainingSamples(Sequence[Sample]):
    """Training samples as a method gets them: copied anew whenever they are indexed, until they are closed."""

    def __init__(self, sources: Sequence[Sample], ledger: Ledger) -> None:
        self._stock = _Stock(tuple(sources), ledger)
        self._indices = range(len(sources))

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        chosen = self._indices[index]
        if isinstance(index, slice):
            part = copy(self)
            part._indices = chosen
            return part
        if self._stock.ledger is None:
            raise RuntimeError("the training samples are read after fit")
        return self._stock.ledger.give(self._stock.sources[chosen])

    def close(self) -> None:
        """Let go of everything, so that a method which keeps this sequence, or a slice of it, keeps no samples."""
        self._stock.sources, self._stock.ledger = (), None


def spoil(array: NDArray[Any]) -> None:
    """Change every value of an array in place, also of one that was made read-only."""
    array.setflags(write=True)
    if array.dtype == np.bool_:
        np.logical_not(array, out=array)
    elif array.dtype == np.uint8:
        np.subtract(255, array, out=array)
    else:
        array += 1


def empty_cloud(sample: Sample) -> Sample:
    """Return the sample without any valid point."""
    return replace(sample, id=f"{sample.id}/empty", xyz=np.zeros_like(sample.xyz))


def black_image(sample: Sample) -> Sample:
    """Return the sample without any colour."""
    return replace(sample, id=f"{sample.id}/black", rgb=np.zeros_like(sample.rgb))


def not_square(sample: Sample) -> Sample:
    """Return the middle rows of the sample, an odd number of them."""
    height = sample.rgb.shape[0]
    rows = slice(height // 8, height // 8 + (height * 3 // 4 | 1))
    arrays = {name: getattr(sample, name)[rows] for name in _ARRAYS}
    return replace(sample, id=f"{sample.id}/rows", mask=None, **arrays)


def bigger(sample: Sample) -> Sample:
    """Return the sample at twice the size, every pixel and point four times."""
    arrays = {name: getattr(sample, name).repeat(2, 0).repeat(2, 1) for name in _ARRAYS}
    return replace(sample, id=f"{sample.id}/twice", mask=None, **arrays)
