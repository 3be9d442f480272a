"""Cells under conditions of test samples: scored with a method that was fitted for the cell without one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime

from harness.contract import Method
from harness.files.digest import digest
from harness.measure.reading import Reading
from harness.metrics.scoring import Scored
from harness.plan.job import Job
from harness.plan.samples import CellSamples
from harness.running.accuracy import Accuracy
from harness.running.events import EventWriter
from harness.running.speed import UNTIMED
from harness.running.stages import CellRun
from harness.store.claims import Claim
from harness.store.fitted import restore_fitted
from harness.store.record import Record
from harness.store.store import Store

__all__ = ["StressRun", "further_jobs"]

_NOT_READ = Reading({}, (), ())


class StressRun(CellRun):
    """The measurement of a cell under a condition of test samples: its accuracy, and neither speed nor memory.

    Training samples are as they are, so that one fit serves all conditions.

    Parameters
    ----------
    job, events
        As for :class:`harness.running.stages.CellRun`.
    fitted
        The measurement of the cell without a condition, or under another one, whose fitted method is used; None to fit
        anew.
    """

    def __init__(self, job: Job, events: EventWriter, fitted: CellRun | None = None) -> None:
        super().__init__(job, events)
        if fitted is not None:
            self.method, self._nominal = fitted.method, fitted.nominal

    def _measure(self) -> tuple[Method, Record]:
        with self._stage("load"):
            dataset = self._open()
            samples = CellSamples.of(self.job, dataset)
            mixed = sorted(samples.test, key=lambda ref: digest([self.cell.id, ref.id]))
            content = self._content(dataset, samples)
            method = self.method or self._build()
            if self.method is None and self.job.fitted is not None:
                restore_fitted(self.job.fitted, method, self.cell, device=self.job.device)
                self.method = method
        if self.method is None:
            with self._stage("fit"):
                self._fit(method, dataset, samples)
            self.method = method
        self._log.close()
        with self._stage("score"):
            scored: Scored = self._score(method, dataset, mixed, _NOT_READ, {})
            scored.arrange([ref.id for ref in samples.test])
        if self._nominal is None:  # these samples are never changed
            self._score_nominal(method, dataset, samples.nominal)
        with self._stage("metrics"):
            test_set = scored.ranked()
            accuracy = Accuracy.of(scored, test_set)
            self._save_details(test_set, accuracy, UNTIMED, _NOT_READ)
        with self._stage("record"):
            record = self._complete(self._record(accuracy, UNTIMED, _NOT_READ, samples), dataset, samples, content)
        return method, record


def further_jobs(job: Job, events: EventWriter) -> Iterator[Job]:
    """Yield a job for each further cell of a job, claimed while it is in use.

    Left out is what another run is measuring, or has measured since this was called.

    Parameters
    ----------
    job
        Whose own cell was measured.
    events
        Is told when a further cell begins.
    """
    began = datetime.now(UTC).isoformat(timespec="seconds")
    store = Store(job.results)
    for cell in job.also:
        maps = None if job.save_maps is None else store.maps_path(cell)
        further = replace(job.of([cell]), save_fitted=None, save_maps=maps, log=None)
        claim = None if job.claimed_in is None else Claim(job.claimed_in, cell)
        if claim is not None and not claim.take():
            continue
        with claim or nullcontext():
            record = store.read(cell)
            if record is not None and record.created >= began:
                continue
            events.cell(cell.id)
            yield further if claim is None else replace(further, token=claim.holder.token)
