"""Reading test samples: timed on their own, for the columns of decoding and cleaning, or ahead of the method."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from time import perf_counter_ns

from harness.contract import Sample
from harness.dataset_contract import Dataset, SampleRef

__all__ = ["HELD_SAMPLES", "Reading", "read_ahead", "timed_reading"]

HELD_SAMPLES = 16
"""Test samples held in memory for the latency and memory passes."""

_CLEANED_AT_LEAST = 3
_CLEANING_MS = 250.0
"""Cleaning is timed on three samples, and on more until this time is spent."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Some test samples, evenly spread over the test set, and how long reading them took.

    Parameters
    ----------
    samples
        Decoded and cleaned.
    decode_ms
        Times of reading and decoding the files of each sample.
    clean_ms
        Times of removing the background, without the cache, of those samples whose cleaning was timed.
    """

    samples: Mapping[SampleRef, Sample]
    decode_ms: tuple[float, ...]
    clean_ms: tuple[float, ...]

    def in_order(self, refs: Sequence[SampleRef]) -> Reading:
        """Return the same with the samples in the order of some references, which may be of more samples."""
        return replace(self, samples={ref: self.samples[ref] for ref in refs if ref in self.samples})

    def only(self, modalities: Collection[str]) -> Reading:
        """Return the same with what a method gets that uses some modalities (:meth:`harness.contract.Sample.only`)."""
        return replace(self, samples={ref: sample.only(modalities) for ref, sample in self.samples.items()})

    def blind(self) -> Reading:
        """Return the same without masks and labels."""
        return replace(self, samples={ref: sample.blind() for ref, sample in self.samples.items()})


def timed_reading(dataset: Dataset, test: Sequence[SampleRef]) -> Reading:
    """Read some test samples with nothing else running.

    Parameters
    ----------
    dataset
        Where the samples are read from.
    test
        The whole test set.
    """
    samples: dict[SampleRef, Sample] = {}
    decode_ms: list[float] = []
    clean_ms: list[float] = []
    count = min(HELD_SAMPLES, len(test))
    for ref in (test[position * len(test) // count] for position in range(count)):
        begin = perf_counter_ns()
        raw = dataset.decode(ref)
        decoded = perf_counter_ns()
        timed = len(clean_ms) < _CLEANED_AT_LEAST or sum(clean_ms) < _CLEANING_MS
        samples[ref] = dataset.clean(raw, remember=not timed)
        if timed:
            clean_ms.append((perf_counter_ns() - decoded) / 1e6)
        decode_ms.append((decoded - begin) / 1e6)
    return Reading(samples, tuple(decode_ms), tuple(clean_ms))


def read_ahead(dataset: Dataset, refs: Sequence[SampleRef], held: Mapping[SampleRef, Sample]) -> Iterator[Sample]:
    """Yield samples in order; while a sample is in use, the next is read in the background.

    Parameters
    ----------
    dataset
        Where the samples are read from.
    refs
        Which samples.
    held
        Samples that are in memory already.
    """

    def read(ref: SampleRef) -> Sample:
        return held[ref] if ref in held else dataset.load(ref)

    with ThreadPoolExecutor(max_workers=1) as pool:
        coming = pool.submit(read, refs[0]) if refs else None
        for following in (*refs[1:], None):
            if coming is None:
                return
            sample = coming.result()
            coming = pool.submit(read, following) if following is not None else None
            yield sample
