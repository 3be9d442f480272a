"""The stages of one cell, in the protocol's order: load, fit, score, latency, memory, metrics."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from time import perf_counter, perf_counter_ns
from typing import Any

from harness import registry
from harness.contract import Checkpointed, Method, MethodError, Sample, UsesWeights
from harness.data.base import Dataset, SampleRef, SampleSequence
from harness.data.open import open_dataset
from harness.errors import HarnessError
from harness.fitted import save_fitted
from harness.job import Job
from harness.launch.events import EventWriter
from harness.measure import environment, torch_state
from harness.measure.latency import Timing, measure_latency, summarise
from harness.measure.memory import MemoryMeter
from harness.metrics import evaluate_by_defect, evaluate_with_reasons
from harness.scoring import Scored
from harness.store import Record

__all__ = ["CellRun"]

_LATENCY_SAMPLES = 16
"""Test samples held in memory for the latency pass."""


class CellRun:
    """One cell on its way from a job to a record.

    Parameters
    ----------
    job
        What to measure, and where.
    events
        Told of every stage and step.
    """

    def __init__(self, job: Job, events: EventWriter) -> None:
        self.job, self.cell, self.events = job, job.cell, events
        self.seconds: dict[str, float] = {}
        self.memory: dict[str, Any] = {}

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        self.events.stage(name)
        started = perf_counter()
        yield
        self.seconds[name] = round(perf_counter() - started, 4)

    def run(self) -> Record:
        """Run all stages; what goes wrong is raised, and ``seconds`` tells how far it came."""
        with self._stage("load"):
            import torch  # noqa: F401 - loaded before the memory level is read

            torch_state.configure(self.job.device, self.cell.seed)
            dataset = open_dataset(self.cell.dataset, self.job.data)
            train, test = self._refs(dataset)
            meter = MemoryMeter(self.job.device)
            method = self._build()
        with self._stage("fit"):
            meter.reset_peak()
            self._fit(method, dataset, train)
            self.memory["peak_fit"] = meter.peak()
            self.memory["static"] = meter.level()
        with self._stage("score"):
            meter.reset_peak()
            scored = self._score(method, dataset, test)
            self.memory["peak_score"] = meter.peak()
        with self._stage("latency"):
            reading, samples = _timed_reading(dataset, test)
            timing = self._time(method, samples)
        with self._stage("metrics"):
            result = self._record(scored, timing, reading, len(train), method)
        return self._kept(method, result)

    def _kept(self, method: Method, record: Record) -> Record:
        """Save the fitted method where that was asked for; a failure to do so is a note, not a lost measurement."""
        if self.job.save_fitted is None:
            return record
        try:
            save_fitted(self.job.save_fitted, method, self.cell)
        except (HarnessError, OSError) as error:
            return replace(record, notes=(*record.notes, f"the fitted method was not saved: {error}"))
        return record

    def _refs(self, dataset: Dataset) -> tuple[list[SampleRef], tuple[SampleRef, ...]]:
        by_id = {ref.id: ref for ref in dataset.refs(self.cell.category, "train")}
        return [by_id[name] for name in self.job.train_ids], dataset.refs(self.cell.category, "test")

    def _build(self) -> Method:
        method = registry.load(self.cell.method)(**self.cell.parameters)
        if self.job.weights and isinstance(method, UsesWeights):
            method.load_weights({name: one.path for name, one in self.job.weights.items()})
        return method

    def _fit(self, method: Method, dataset: Dataset, train: Sequence[SampleRef]) -> None:
        seed, device = self.cell.seed, self.job.device
        if self.job.checkpoint is None:
            samples = SampleSequence(dataset, train)
            try:
                method.fit(samples, seed=seed, device=device, progress=self.events.progress)
            except MethodError as error:
                raise MethodError(f"{error} (last training sample read: {samples.last_read})") from error
        elif isinstance(method, Checkpointed):
            method.load_checkpoint(self.job.checkpoint, self.cell.category, seed=seed, device=device)
        torch_state.synchronise(device)

    def _score(self, method: Method, dataset: Dataset, test: Sequence[SampleRef]) -> Scored:
        scored = Scored(self.cell.protocol.eval_size)
        for position, ref in enumerate(test):
            self.events.progress("score", position, len(test))
            sample = dataset.load(ref)
            try:
                scored.add(sample, method.infer(method.prepare(sample.blind())))
            except MethodError as error:
                raise MethodError(f"Sample {ref.category}/{ref.id}: {error}") from error
        self.events.progress("score", len(test), len(test))
        return scored

    def _time(self, method: Method, samples: Sequence[Sample]) -> Timing:
        return measure_latency(
            method,
            samples,
            self.cell.protocol.latency,
            lambda: torch_state.synchronise(self.job.device),
            lambda done, total: self.events.progress("latency", done, total),
        )

    def _record(
        self, scored: Scored, timing: Timing, reading: dict[str, list[float]], trained_on: int, method: Method
    ) -> Record:
        arguments = (scored.maps, scored.masks, scored.labels, scored.scores)
        evaluation = evaluate_with_reasons(*arguments, scored.pixel_maps)
        by_defect = evaluate_by_defect(*arguments, scored.defects, scored.pixel_maps)
        held = dict(method.state_bytes())
        self.memory["state"] = {f"{key}_mb": value / 1e6 for key, value in held.items()}
        self.memory["paper_mb"] = (held.get("weights", 0) + held.get("bank", 0)) / 1e6
        return Record(
            cell=self.cell,
            status="ok",
            metrics=_nullable(evaluation.values),
            undefined=evaluation.reasons,
            by_defect={name: _nullable(values) for name, values in by_defect.items()},
            latency={
                "device": summarise(timing.device),
                "end_to_end": summarise(timing.end_to_end),
                **{name: summarise(values) for name, values in reading.items() if values},
            },
            memory=self.memory,
            seconds=self.seconds,
            samples={"train": 0 if self.job.checkpoint else trained_on, "test": len(scored.ids)},
            images=tuple(scored.images()),
            weights={name: {"sha256": one.sha256, "verified": one.verified} for name, one in self.job.weights.items()},
            environment=environment.describe() | environment.describe_torch(self.job.device),
            notes=self._notes(),
        )

    def _notes(self) -> tuple[str, ...]:
        notes = [f"evaluated with the checkpoint in {self.job.checkpoint}"] if self.job.checkpoint else []
        if self.cell.protocol.weights == "random" and registry.load(self.cell.method).meta.weights:
            notes.append("random weights: not comparable with published numbers")
        notes += [f"{name} is not the published file" for name, one in self.job.weights.items() if not one.verified]
        return tuple(notes)


def _timed_reading(dataset: Dataset, test: Sequence[SampleRef]) -> tuple[dict[str, list[float]], list[Sample]]:
    """Read some test samples, and note how long decoding and cleaning (never from the cache) take, in ms."""
    times: dict[str, list[float]] = {"decode": [], "clean": []}
    samples = []
    for ref in test[:: max(1, len(test) // _LATENCY_SAMPLES)][:_LATENCY_SAMPLES]:
        begin = perf_counter_ns()
        raw = dataset.decode(ref)
        decoded = perf_counter_ns()
        sample = dataset.clean(raw, remember=False)
        times["decode"].append((decoded - begin) / 1e6)
        times["clean"].append((perf_counter_ns() - decoded) / 1e6)
        samples.append(sample.blind())
    return times, samples


def _nullable(values: dict[str, float]) -> dict[str, float | None]:
    return {name: None if math.isnan(value) else float(value) for name, value in values.items()}
