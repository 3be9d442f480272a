"""Samples of a dataset as a method gets them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from time import perf_counter

from harness.contract import Sample, random_id
from harness.dataset_contract import Dataset, SampleRef

__all__ = ["SampleSequence"]


@dataclass(slots=True)
class _Loading:
    """What a sequence and its slices loaded last, and the seconds spent."""

    last: str = "none"
    seconds: float = 0.0


class SampleSequence(Sequence[Sample]):
    """Blind samples of a dataset, loaded when they are indexed and not kept in memory."""

    def __init__(self, dataset: Dataset, refs: Sequence[SampleRef]) -> None:
        self._dataset = dataset
        self._refs = tuple(refs)
        self._ids = tuple(random_id() for _ in self._refs)
        self._loading = _Loading()

    @property
    def last_read(self) -> str:
        """Name of the sample that was loaded last, by this sequence or a slice of it."""
        return self._loading.last

    @property
    def seconds(self) -> float:
        """Time spent loading, that of slices included."""
        return self._loading.seconds

    def __len__(self) -> int:
        return len(self._refs)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        if isinstance(index, slice):
            part = copy(self)
            part._refs, part._ids = self._refs[index], self._ids[index]
            return part
        ref = self._refs[index]
        self._loading.last = f"{ref.category}/{ref.id}"
        started = perf_counter()
        sample = self._dataset.load(ref).blind(self._ids[index])
        self._loading.seconds += perf_counter() - started
        return sample

    def __iter__(self) -> Iterator[Sample]:
        return (self[i] for i in range(len(self)))
