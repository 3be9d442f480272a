"""Samples of a dataset as a method gets them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from time import perf_counter

from harness.contract import Sample, random_id
from harness.dataset_contract import Dataset, SampleRef

__all__ = ["SampleSequence"]


class SampleSequence(Sequence[Sample]):
    """Blind samples of a dataset, loaded when they are indexed and not kept in memory.

    ``last_read`` names the sample that was loaded last, ``seconds`` is the time spent loading.
    """

    def __init__(self, dataset: Dataset, refs: Sequence[SampleRef]) -> None:
        self._dataset = dataset
        self._refs = tuple(refs)
        self._ids = tuple(random_id() for _ in self._refs)
        self.last_read = "none"
        self.seconds = 0.0

    def __len__(self) -> int:
        return len(self._refs)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        if isinstance(index, slice):
            part = copy(self)
            part._refs, part._ids = self._refs[index], self._ids[index]
            return part
        ref = self._refs[index]
        self.last_read = f"{ref.category}/{ref.id}"
        started = perf_counter()
        sample = self._dataset.load(ref).blind(self._ids[index])
        self.seconds += perf_counter() - started
        return sample

    def __iter__(self) -> Iterator[Sample]:
        return (self[i] for i in range(len(self)))
