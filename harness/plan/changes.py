"""What has changed since a record was written: the code of its method, and the files of its samples."""

from __future__ import annotations

from harness import registry
from harness.data.fields import fields_digest
from harness.dataset_contract import Dataset, SampleRef, Split
from harness.plan.job import Job
from harness.store.environment import Provider
from harness.store.provenance import code_change, data_change, provider_of, reader_change, reader_of
from harness.store.record import DataContent, Record

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
        self._contents: dict[tuple[str, tuple[str, ...] | None], str] = {}

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
        train = self._content(job.cell.category, "train", job.train_ids) if record.content.train else ""
        test = self._content(job.cell.category, "test", None)
        known = record.content.fields and not job.unsupported
        return data_change(record.content, DataContent(train, test, self._fields(job) if known else ""))

    def _content(self, category: str, split: Split, ids: tuple[str, ...] | None) -> str:
        key = (category, ids)
        if key not in self._contents:
            self._contents[key] = self._dataset.content_digest(self._refs(category, split, ids))
        return self._contents[key]

    def _fields(self, job: Job) -> str:
        category = job.cell.category
        refs = [*self._refs(category, "train", job.train_ids), *self._refs(category, "test", None)]
        return fields_digest(self._dataset, refs, registry.load(job.cell.method).meta.needs)

    def _refs(self, category: str, split: Split, ids: tuple[str, ...] | None) -> list[SampleRef]:
        refs, wanted = self._dataset.refs(category, split), set(ids or ())
        return [ref for ref in refs if ids is None or ref.id in wanted]
