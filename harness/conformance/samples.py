"""Samples that record what a method does with them, and unusual samples."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Callable, Collection, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.contract import Sample, random_id

__all__ = [
    "SampleTracker",
    "TrainingSamples",
    "WitnessSample",
    "bigger",
    "black_image",
    "empty_cloud",
    "not_square",
    "overwrite",
    "with_fields",
]

_WITHHELD = ("mask", "anomalous", "defect", "regions")
_COPYING = ("dataclasses", "copy", "copyreg", "pickle")
"""Modules that read every field of a sample without looking at any."""


class WitnessSample(Sample):
    """A blind sample that records which withheld fields are read; made by a :class:`SampleTracker`."""

    __slots__ = ()

    reads: ClassVar[set[str]] = set()

    def __getattribute__(self, name: str) -> Any:
        if name in _WITHHELD and sys._getframe(1).f_globals.get("__name__") not in _COPYING:
            WitnessSample.reads.add(name)
        return super().__getattribute__(name)


class SampleTracker:
    """Hands out copies of samples, and records which were changed and which are still referenced.

    Attributes
    ----------
    changed
        A sentence for every array that the method changed.
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

    def give(self, source: Sample, id: str = "") -> WitnessSample:
        """Return a blind copy with arrays of its own, with a new random id where none is given."""
        blind = source.blind(id)
        arrays: dict[str, Any] = {name: array.copy() for name, array in blind.arrays.items()}
        given = WitnessSample(id=blind.id, category=blind.category, defect=blind.defect, **arrays)
        self._out.append((source, given))
        return given

    def settle(self, call: str) -> None:
        """Compare the samples handed out with their sources, and drop them.

        Parameters
        ----------
        call
            Name of the call they were handed to, for ``changed``.
        """
        for source, given in self._out:
            for name, array in given.arrays.items():
                if not np.array_equal(array, getattr(source, name)):
                    self.changed.append(f"{call} changes '{name}' of a sample; work on a copy.")
                self._arrays.append((name, weakref.ref(array)))
        self._out.clear()

    def held(self) -> list[tuple[str, NDArray[Any]]]:
        """Return the arrays of dropped samples that are still referenced, with their names."""
        gc.collect()
        arrays = ((name, reference()) for name, reference in self._arrays)
        return [(name, array) for name, array in arrays if array is not None]


@dataclass(slots=True)
class _Sources:
    """The sources that a sequence and its slices share."""

    sources: tuple[Sample, ...]
    tracker: SampleTracker | None
    reads: int = 0


class TrainingSamples(Sequence[Sample]):
    """Training or validation samples as a method gets them: a new copy at each access, until they are closed."""

    def __init__(self, sources: Sequence[Sample], tracker: SampleTracker) -> None:
        self._shared = _Sources(tuple(sources), tracker)
        self._ids = tuple(random_id() for _ in sources)
        self._indices = range(len(sources))

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        chosen = self._indices[index]
        if isinstance(index, slice):
            part = copy(self)
            part._indices = chosen
            return part
        if self._shared.tracker is None:
            raise RuntimeError("training or validation samples are read after fit")
        self._shared.reads += 1
        return self._shared.tracker.give(self._shared.sources[chosen], self._ids[chosen])

    @property
    def reads(self) -> int:
        """How many samples were read, those of its slices included."""
        return self._shared.reads

    def close(self) -> None:
        """Drop the sources, so that a method which keeps this sequence, or a slice of it, keeps no samples."""
        self._shared.sources, self._shared.tracker = (), None


def overwrite(array: NDArray[Any]) -> None:
    """Change every value of an array in place, even of a read-only array."""
    array.setflags(write=True)
    if array.dtype == np.bool_:
        np.logical_not(array, out=array)
    elif array.dtype == np.uint8:
        np.subtract(255, array, out=array)
    else:
        array += 1


def with_fields(sample: Sample, names: Collection[str]) -> Sample:
    """Return the sample with optional fields made of the others: few datasets offer them.

    Parameters
    ----------
    sample
        Of any dataset.
    names
        Names of :data:`harness.contract.OPTIONAL_FIELDS`.
    """
    fields: dict[str, Any] = {name: _MAKERS[name](sample) for name in names if name in _MAKERS}
    return replace(sample, **fields)


def _made_normals(sample: Sample) -> NDArray[np.float32]:
    down, across = (np.gradient(sample.xyz, axis=axis) for axis in (0, 1))
    normals = np.cross(down, across)
    length = np.linalg.norm(normals, axis=2, keepdims=True)
    unit: NDArray[np.float32] = np.divide(normals, length, out=np.zeros_like(normals), where=length > 0)
    return unit


def _made_lights(sample: Sample) -> NDArray[np.uint8]:
    return np.stack([(sample.rgb * strength).astype(np.uint8) for strength in np.linspace(0.5, 1, 6)])


def _made_measurement(sample: Sample) -> NDArray[np.float32]:
    """Return the cloud with a plane behind it that is seen in the same view, where the rays are parallel."""
    height, width = sample.xyz.shape[:2]
    pixels = np.stack([*np.indices((height, width)), np.ones((height, width))], axis=2)
    points = (sample.xyz != 0).all(axis=2)
    across = np.linalg.lstsq(pixels[points], sample.xyz[points][:, :2], rcond=None)[0]
    behind = np.full_like(sample.xyz, sample.xyz[..., 2].max() + 0.01)
    behind[..., :2] = pixels @ across
    return np.where((sample.xyz == 0).all(axis=2, keepdims=True), behind, sample.xyz)


_MAKERS: Mapping[str, Callable[[Sample], NDArray[Any]]] = {
    "normals": _made_normals,
    "lights": _made_lights,
    "measured": _made_measurement,
}


def empty_cloud(sample: Sample) -> Sample:
    """Return the sample without any valid point."""
    points = sample.arrays.keys() & {"xyz", "measured", "normals"}
    return _changed(sample, "empty", points, np.zeros_like)


def black_image(sample: Sample) -> Sample:
    """Return the sample without any colour."""
    return _changed(sample, "black", sample.arrays.keys() & {"rgb", "lights"}, np.zeros_like)


def not_square(sample: Sample) -> Sample:
    """Return the middle rows of the sample, an odd number of them."""
    height = sample.rgb.shape[0]
    rows = slice(height // 8, height // 8 + (height * 3 // 4 | 1))
    return _changed(sample, "rows", sample.arrays, lambda image: image[rows])


def bigger(sample: Sample) -> Sample:
    """Return the sample at twice the size, every pixel and point four times."""
    return _changed(sample, "twice", sample.arrays, lambda image: image.repeat(2, 0).repeat(2, 1))


def _changed(
    sample: Sample, how: str, fields: Collection[str], change: Callable[[NDArray[Any]], NDArray[Any]]
) -> Sample:
    """Return the sample with some fields changed; ``change`` gets and returns an image (H, W, ...)."""
    changed: dict[str, Any] = {}
    for name in fields:
        array = sample.arrays[name]
        changed[name] = np.stack([*map(change, array)]) if name == "lights" else change(array)
    return replace(sample, id=f"{sample.id}/{how}", mask=None, **changed)
