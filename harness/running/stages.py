"""The stages of one cell: load, fit, state, reading, latency, score, nominal, metrics, memory, record.

The latency pass comes before the score pass, which uses its predictions: a test sample is predicted once, apart from
the repeated calls of the latency pass and the memory pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

from harness import registry
from harness.contract import (
    Checkpointed,
    Explained,
    Method,
    MethodError,
    Prediction,
    Sample,
    UnsupportedError,
    UsesValidation,
    UsesWeights,
)
from harness.data.fields import as_used
from harness.data.open import open_dataset
from harness.data.sequence import SampleSequence
from harness.data.units import decode_in_metres
from harness.dataset_contract import Dataset, SampleRef
from harness.errors import DataError
from harness.files.digest import digest
from harness.implementations import Implementation, implementation_texts, implementations_of
from harness.measure import environment, torch_state
from harness.measure.host import frozen_gc
from harness.measure.load import OtherLoad
from harness.measure.memory import MemoryMeter, measure_peak, meter_of
from harness.measure.reading import Reading, read_ahead, timed_reading
from harness.measure.state import AllocatorLevel, allocator_level, check_state
from harness.metrics import RankedTestSet
from harness.metrics.scoring import Scored, errors_name_sample
from harness.plan.job import Job
from harness.plan.modalities import used_modalities
from harness.plan.samples import CellSamples, NominalSamples
from harness.running.accuracy import Accuracy, nullable
from harness.running.cache_during_fit import CellCache, cache_during_fit
from harness.running.events import EventWriter
from harness.running.nominal import score_nominal
from harness.running.notes import record_notes
from harness.running.speed import Speed, measure_speed
from harness.running.training_log import TrainingLog
from harness.store.claims import require_claim
from harness.store.counts import count_images
from harness.store.decisions import Decisions
from harness.store.details import Details, write_details
from harness.store.environment import Environment
from harness.store.fitted import Origin, save_fitted
from harness.store.maps import ANOMALY_MAP, ImageMaps, save_maps
from harness.store.measurements import Energies, Memory, Size, StateSizes
from harness.store.nominal import NominalScores
from harness.store.record import (
    DataContent,
    Record,
    SampleCounts,
    TestImages,
    UsedWeights,
    unlike_published,
)
from harness.store.store import Store

__all__ = ["CellRun"]


class CellRun:
    """The measurement of a cell.

    Parameters
    ----------
    job
        What to measure, and where.
    events
        Gets every stage and step.

    Attributes
    ----------
    seconds
        Wall time of each finished stage.
    method
        Once it is fitted.
    """

    def __init__(self, job: Job, events: EventWriter) -> None:
        self.job, self.cell, self.events = job, job.cell, events
        self.method: Method | None = None
        self.seconds: dict[str, float] = {}
        self._memory = Memory()
        self._in_method = 0.0
        self._cache: CellCache | None = None
        self._failures: list[str] = []
        self._log = TrainingLog(replace(job, log=None))
        self._details = ""
        self._nominal: NominalScores | None = None
        self._implementations: Mapping[str, Implementation] = {}

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        self.events.stage(name)
        started = perf_counter()
        yield
        self.seconds[name] = round(perf_counter() - started, 4)

    @contextmanager
    def _inside_method(self) -> Iterator[None]:
        started = perf_counter()
        yield
        self._in_method += perf_counter() - started

    @contextmanager
    def _noting(self, failure: str) -> Iterator[None]:
        """Turn any error, also of the method's author, into a note: the measured numbers are not lost by it."""
        try:
            yield
        except Exception as error:
            self._failures.append(f"{failure}: {type(error).__name__}: {error}")

    def run(self) -> Record:
        """Run all stages and return the record; the first error is raised."""
        with self._stage("start"):
            if self.job.reference:
                registry.load_reference(self.job.reference)
            uses_torch = registry.load(self.cell.method).meta.uses_torch
            torch_state.configure(self.job.device, self.cell.seed, uses_torch=uses_torch)
            self._log = TrainingLog(self.job, uses_torch=uses_torch)
        began = perf_counter()
        with frozen_gc(), closing(self._log):
            method, record = self._measure()
        self.seconds["method"] = round(self._in_method, 4)
        self.seconds["overhead"] = round(perf_counter() - began - self._in_method, 4)
        return self._kept(method, record)

    def _measure(self) -> tuple[Method, Record]:
        with self._stage("load"):
            dataset = self._open()
            samples = CellSamples.of(self.job, dataset)
            train, test = samples.train, samples.test
            mixed = sorted(test, key=lambda ref: digest([self.cell.id, ref.id]))  # their place must not tell the label
            for ref in (*train[:1], test[0]):
                first = decode_in_metres(dataset, ref, "see 'harness data verify'")
            dataset.clean(first, remember=False)  # what readers import must not count for the method
            content = self._content(dataset, samples)
            meter = meter_of(self.job.device)
            before = allocator_level(self.job.device)
            method = self._build()
        with self._stage("fit"):
            meter.restart()
            self._fit(method, dataset, samples)
            self.method = method
            self._add_sizes(meter.peaks("peak_fit"))
        self._log.close()  # what it started must not run beside what is measured from here on
        with self._stage("state"):
            self._state(method, meter, before)
        with self._stage("reading"):
            reading = timed_reading(dataset, test).in_order(mixed).only(self._modalities)
        with self._stage("latency"):
            speed, predicted = self._speed(method, reading)
        with self._stage("score"):
            scored = self._score(method, dataset, mixed, reading, predicted)
            scored.arrange([ref.id for ref in test])
            reading = reading.blind()
        self._score_nominal(method, dataset, samples.nominal)
        with self._stage("metrics"):
            test_set = scored.ranked()
            accuracy = Accuracy.of(scored, test_set)
            self._save_details(test_set, accuracy, speed, reading)
            del scored, predicted, test_set  # the memory pass must not see their maps
        with self._stage("memory"):
            self._peak(method, reading, meter)
        with self._stage("record"):
            record = self._complete(self._record(accuracy, speed, reading, samples), dataset, samples, content)
        return method, record

    def _complete(self, record: Record, dataset: Dataset, samples: CellSamples, content: DataContent) -> Record:
        """Return a record with what its data are; raise DataError where they have changed since they were digested."""
        if self._content(dataset, samples) != content:
            raise DataError(f"Files of {self.cell.category} in {dataset.root} changed while they were measured.")
        notes = (*dataset.notes(self.cell.category), *unlike_published([record]).values(), samples.note)
        return replace(record, content=content, notes=(*record.notes, *filter(None, notes)))

    def _open(self) -> Dataset:
        """Open the dataset, with what the method gets of its samples."""
        dataset = open_dataset(self.cell.dataset, self.job.data)
        needs = registry.load(self.cell.method).meta.needs
        return as_used(dataset, needs, self._modalities, self.cell.condition)

    @property
    def _modalities(self) -> tuple[str, ...]:
        return used_modalities(self.cell.method, self.cell.parameters)

    def _content(self, dataset: Dataset, samples: CellSamples) -> DataContent:
        fields = registry.load(self.cell.method).meta.needs
        return samples.content(self.job, dataset, dataset.content_digest, fields)

    def _save_details(self, test_set: RankedTestSet, accuracy: Accuracy, speed: Speed, reading: Reading) -> None:
        """Write scores, raw times and counts."""
        store = Store(self.job.results)
        raw = {window: np.array(times) for window, times in speed.raw(reading).items()}
        details = Details(accuracy.images, raw, self._nominal or NominalScores())
        counts = None
        with self._noting("no interval or curve, since the pixels could not be counted"):
            counts = count_images(test_set, [image.id for image in accuracy.images])
        self._require_claim()
        with self._noting("scores of images, raw times and counts were not written"):
            self._details = write_details(store.new_path(store.counts_path(self.cell)), details, counts)

    def _kept(self, method: Method, record: Record) -> Record:
        """Save fitted method and maps as the job demands; the files of an earlier run are replaced.

        Where an earlier run kept the fitted method, this one is kept too: it must belong to the record.
        """
        store = Store(self.job.results)
        self._require_claim()
        fitted = store.fitted_path(self.cell)
        if self.job.save_fitted is not None or fitted.is_file():
            with self._noting("the fitted method was not saved"):
                origin = Origin.of(self._open(), self.cell.category)
                save_fitted(store.new_path(fitted), method, self.cell, origin, self._nominal)
        if self.job.save_maps is not None:
            with self._noting("the maps were not saved"), self._stage("maps"):
                save_maps(store.new_path(self.job.save_maps), self.cell, self._maps(method))
        self._require_claim()
        with self._noting("counts, maps or fitted method are not in their place"):
            store.adopt_files(self.cell)
        return replace(record, notes=(*record.notes, *self._failures, *self._log.failures))

    def _require_claim(self) -> None:
        """Raise ClaimLostError where another process has claimed the cell: its files are not this one's to write."""
        require_claim(self.job.claimed_in, self.cell, self.job.token)

    def _maps(self, method: Method) -> Iterator[ImageMaps]:
        """Predict every test image again, after all measurements."""
        dataset = self._open()
        test = CellSamples.of(self.job, dataset).test
        for position, sample in enumerate(read_ahead(dataset, test, {})):
            self.events.progress("maps", position, len(test))
            blind = sample.blind()
            prediction = method.infer(method.prepare(blind))
            maps = {**prediction.extras, ANOMALY_MAP: prediction.anomaly_map}
            if isinstance(method, Explained):
                maps = {**maps, **method.explain(method.prepare(blind)), ANOMALY_MAP: prediction.anomaly_map}
            yield ImageMaps(sample.id, prediction.score, maps)
        self.events.progress("maps", len(test), len(test))

    def _build(self) -> Method:
        with self._inside_method():
            method = registry.load(self.cell.method)(**self.cell.parameters)
            if self.job.weights and isinstance(method, UsesWeights):
                method.load_weights({name: file.path for name, file in self.job.weights.items()})
        return method

    def _fit(self, method: Method, dataset: Dataset, samples: CellSamples) -> None:
        seed, device = self.cell.seed, self.job.device
        with self._inside_method():
            if self.job.checkpoint is None:
                read = SampleSequence(dataset, (*samples.train, *samples.validation))
                train, held_out = read[: len(samples.train)], read[len(samples.train) :]
                try:
                    with cache_during_fit(method, self.job) as self._cache:
                        if held_out and isinstance(method, UsesValidation):
                            method.use_validation(held_out)
                        method.fit(train, seed=seed, device=device, progress=self._log.beside(self.events.progress))
                except UnsupportedError:
                    raise
                except MethodError as error:
                    raise type(error)(f"{error} (last sample read: {read.last_read})") from error
                self._in_method -= read.seconds
            elif isinstance(method, Checkpointed):
                method.load_checkpoint(self.job.checkpoint, self.cell.category, seed=seed, device=device)
            torch_state.synchronise(device)

    def _state(self, method: Method, meter: MemoryMeter, before: AllocatorLevel) -> None:
        held = dict(method.state_bytes())
        self._implementations = implementations_of(method)
        self._memory = replace(
            self._memory,
            static=meter.static(),
            state=StateSizes(**{f"{key}_mb": value / 1e6 for key, value in held.items()}),
            paper_mb=(held.get("weights", 0) + held.get("bank", 0)) / 1e6,
            state_check=check_state(method, self.job.device, before),
        )

    def _add_sizes(self, sizes: Mapping[str, Size]) -> None:
        """Add sizes to the record's memory, by their names in it."""
        parts: dict[str, Any] = dict(sizes)
        self._memory = replace(self._memory, **parts)

    def _predict(self, method: Method, sample: Sample) -> Prediction:
        with self._inside_method():
            return method.infer(method.prepare(sample))

    def _score(
        self,
        method: Method,
        dataset: Dataset,
        test: Sequence[SampleRef],
        reading: Reading,
        predicted: Mapping[str, Prediction],
    ) -> Scored:
        """Score the test samples in their order, and predict those that the latency pass did not predict."""
        scored = Scored(self.cell.protocol.eval_size)
        done = len(predicted)
        self.events.progress("score", done, len(test))
        for sample in read_ahead(dataset, test, reading.samples):
            with errors_name_sample(sample):
                if sample.id in predicted:
                    scored.add(sample, predicted[sample.id])
                    continue
                scored.add(sample, self._predict(method, sample.blind()))
            done += 1
            self.events.progress("score", done, len(test))
        return scored

    def _score_nominal(self, method: Method, dataset: Dataset, samples: NominalSamples) -> None:
        """Score the samples that thresholds are set on; nothing is lost where one can't be scored."""
        if not samples.refs:
            return
        with self._noting("no threshold was set"), self._stage("nominal"):
            predict = partial(self._predict, method)
            size = self.cell.protocol.eval_size
            self._nominal = score_nominal(predict, dataset, samples, size, self._progress("nominal"))

    def _decisions(self, samples: NominalSamples, accuracy: Accuracy) -> Decisions:
        if self._nominal is None:
            return Decisions(reason=samples.reason or "The nominal samples could not be scored.")
        return Decisions.of(self._nominal, accuracy.images, self.cell.seed)

    def _speed(self, method: Method, reading: Reading) -> tuple[Speed, dict[str, Prediction]]:
        samples, budget = tuple(reading.samples.values()), self.cell.protocol.latency
        speed, predicted = measure_speed(method, samples, self.job.device, budget, self._progress("latency"))
        self._in_method += speed.seconds
        return speed, predicted

    @property
    def nominal(self) -> NominalScores | None:
        """Scores of the samples that thresholds are set on, once there are any."""
        return self._nominal

    def _progress(self, stage: str) -> Callable[[int, int], None]:
        """Return what is called with how much of a stage is done, and of how much."""
        return partial(self.events.progress, stage)

    def _peak(self, method: Method, reading: Reading, meter: MemoryMeter) -> None:
        samples, seconds = tuple(reading.samples.values()), self.cell.protocol.memory_seconds
        self._add_sizes(measure_peak(lambda sample: self._predict(method, sample), samples, meter, seconds))

    def _record(self, accuracy: Accuracy, speed: Speed, reading: Reading, samples: CellSamples) -> Record:
        return Record(
            cell=self.cell,
            status="ok",
            metrics=nullable(accuracy.whole.values),
            undefined=accuracy.whole.reasons,
            by_defect={name: nullable(part.values) for name, part in accuracy.by_defect.items()},
            undefined_by_defect={name: part.reasons for name, part in accuracy.by_defect.items() if part.reasons},
            decisions=self._decisions(samples.nominal, accuracy),
            latency=speed.latency(reading),
            energy=Energies(*(timing.energy for timing in speed.timings)),
            memory=self._memory,
            seconds=self.seconds,
            samples=SampleCounts(
                train=0 if self.job.checkpoint else len(samples.train),
                test=len(accuracy.images),
                validation=len(samples.validation) or None,
            ),
            test_images=TestImages.of(accuracy.images),
            details=self._details,
            weights={name: UsedWeights(file.sha256, file.verified) for name, file in self.job.weights.items()},
            environment=self._environment(speed.load),
            notes=record_notes(self.job, self._memory, self._implementations, accuracy.lost_masks),
        )

    def _environment(self, load: OtherLoad) -> Environment:
        described = environment.describe(self.cell.method, self.job.device, self.cell.dataset)
        return replace(
            environment.describe_torch(described, self.job.device),
            contended=load.contended,
            contention=load.sentence,
            other_load_cores=load.cores,
            gpu_state=load.gpu,
            implementations=implementation_texts(self._implementations),
            cache=self._cache.counts() if self._cache else None,
        )
