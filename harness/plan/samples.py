"""The samples that a cell reads, and what their files hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harness import registry
from harness.contract import ParameterValue, UsesValidation
from harness.data.contamination import left_to_test
from harness.data.fields import fields_digest
from harness.data.nominal import left_out
from harness.data.splits import instances_of
from harness.dataset_contract import Dataset, SampleRef
from harness.plan.job import Job
from harness.store.nominal import READ_BY_FIT
from harness.store.record import DataContent

__all__ = ["CellSamples", "NominalSamples", "lacking_validation"]


@dataclass(frozen=True, slots=True)
class NominalSamples:
    """The nominal samples that thresholds are set on.

    Parameters
    ----------
    refs
        Empty where there are none, with a ``reason``.
    source
        Where they come from, as a noun in the plural.
    reason
        Why there are none, and what to do, in a sentence.
    """

    refs: tuple[SampleRef, ...] = ()
    source: str = ""
    reason: str = ""

    @classmethod
    def of(cls, job: Job, dataset: Dataset, *, validation_fitted: bool) -> NominalSamples:
        """Choose them: those of the validation split, else training samples that the method is not fitted on.

        Parameters
        ----------
        job, dataset
            The cell's, and where its samples lie.
        validation_fitted
            Whether fit reads the validation samples.
        """
        category = job.cell.category
        if validation := dataset.refs(category, "validation"):
            return cls(validation, "validation samples" + (f" {READ_BY_FIT}" if validation_fitted else ""))
        if job.checkpoint is not None:
            return cls(
                reason=f"{dataset.info.title} has no validation split for {category}, and what released weights were "
                "trained on is not known: train the method, without --checkpoint."
            )
        instances = instances_of(dataset, category)
        fitted = [name for name in job.train_ids if name in instances]  # the others are of the test set
        ids = set(left_out(dataset.info.name, category, instances, fitted))
        if not ids:
            return cls(
                reason=f"All training samples of {category} are fitted, and {dataset.info.title} has no validation "
                "split for it: fit fewer with --shots N."
            )
        full = job.cell.shots == "full"
        source = "training samples held out of the fit" if full else "training samples that the shots leave out"
        return cls(tuple(ref for ref in dataset.refs(category, "train") if ref.id in ids), source)


@dataclass(frozen=True, slots=True)
class CellSamples:
    """The samples of a cell.

    Parameters
    ----------
    train
        What it is fitted on, in the order of its list; also where released weights replace training. Under a condition
        of training some are anomalous samples of the test set.
    validation
        What fit looks at besides; empty where the method wants none (:class:`harness.contract.UsesValidation`).
    test
        The whole test set of the category, without samples that were taken from it into training.
    nominal
        What thresholds are set on.
    """

    train: tuple[SampleRef, ...]
    validation: tuple[SampleRef, ...]
    test: tuple[SampleRef, ...]
    nominal: NominalSamples

    @classmethod
    def of(cls, job: Job, dataset: Dataset) -> CellSamples:
        """List the samples of a job's cell."""
        cell = job.cell
        tested = dataset.refs(cell.category, "test")
        by_id = {ref.id: ref for ref in (*tested, *dataset.refs(cell.category, "train"))}
        wanted = job.checkpoint is None and _wants_validation(cell.method, cell.parameters)
        return cls(
            tuple(by_id[name] for name in job.train_ids),
            dataset.refs(cell.category, "validation") if wanted else (),
            left_to_test(cell.condition, job.train_ids, tested),
            NominalSamples.of(job, dataset, validation_fitted=wanted),
        )

    @property
    def note(self) -> str:
        """Which anomalies of the test set are in training, in words; empty where none is."""
        drawn = [ref.id for ref in self.train if ref.split == "test"]
        if not drawn:
            return ""
        what = f"{len(drawn)} of {len(self.train)} training samples are anomalies of the test set"
        where = "also tested" if any(ref.id in drawn for ref in self.test) else "not tested"
        return f"{what} ({where}): {', '.join(drawn)}"

    def content(
        self,
        job: Job,
        dataset: Dataset,
        content_digest: Callable[[Sequence[SampleRef]], str],
        fields: Sequence[str],
    ) -> DataContent:
        """Return digests of the files of these samples.

        Parameters
        ----------
        job
            Whose samples they are.
        dataset
            Where they lie.
        content_digest
            That of the dataset, or one that remembers its results.
        fields
            Optional fields whose files count, too.
        """
        nominal = self.nominal.refs
        read = (*self.train, *self.validation, *self.test, *nominal)
        return DataContent(
            train="" if job.checkpoint else content_digest(self.train),
            test=content_digest(self.test),
            fields=fields_digest(dataset, list(dict.fromkeys(read)), fields),
            validation=content_digest(self.validation) if self.validation else "",
            nominal=content_digest(nominal) if nominal else "",
        )


def lacking_validation(name: str, parameters: Mapping[str, ParameterValue], dataset: Dataset, category: str) -> str:
    """Return why a method that wants validation samples can't run on a category, in one sentence; empty where it can.

    Parameters
    ----------
    name
        As registered.
    parameters
        All of them, resolved.
    dataset, category
        Where the samples lie.
    """
    if not _wants_validation(name, parameters) or dataset.refs(category, "validation"):
        return ""
    title = dataset.info.title
    return f"'{name}' needs nominal samples of a validation split, but {title} has none for {category}."


def _wants_validation(name: str, parameters: Mapping[str, ParameterValue]) -> bool:
    kind = registry.load(name)
    return issubclass(kind, UsesValidation) and kind(**parameters).wants_validation()
