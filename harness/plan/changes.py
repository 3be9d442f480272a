"""What has changed since a record was written: the code of its method, and the files of its samples."""

from __future__ import annotations

from functools import cache

from harness import registry
from harness.dataset_contract import Dataset
from harness.plan.job import Job
from harness.plan.samples import CellSamples
from harness.store.environment import Provider
from harness.store.provenance import code_change, data_change, provider_of, reader_change, reader_of
from harness.store.record import Record

__all__ = ["Changes"]


class Changes:
    """What computes the cells of a plan now, beside what computed their records; each thing is looked at once.

    Parameters
    ----------
    dataset
        Where the samples of all cells lie.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._reader = reader_of(dataset.info.name)
        self._providers: dict[str, Provider | None] = {}
        self._content_digest = cache(dataset.content_digest)

    def since(self, job: Job, record: Record) -> str:
        """Return what has changed since a record was written, as part of a sentence; empty where nothing has."""
        name = job.cell.method
        if name not in self._providers:
            self._providers[name] = provider_of(name)
        change = code_change(record.environment.provider, self._providers[name]) or reader_change(
            job.cell.dataset, record.environment.reader, self._reader
        )
        if change or not record.content.test:
            return change
        known = record.content.fields and not job.unsupported
        fields = registry.load(name).meta.needs if known else ()
        samples = CellSamples.of(job, self._dataset)
        return data_change(record.content, samples.content(job, self._dataset, self._content_digest, fields))
