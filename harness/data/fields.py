"""What a method gets of a sample: its modalities, and the optional fields that it needs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, cast

from harness.contract import Sample
from harness.data.conditions import Condition
from harness.data.stressing import stressed
from harness.dataset_contract import Dataset, OffersFields, SampleRef
from harness.errors import DataError

__all__ = ["as_used", "fields_digest", "lacking_fields", "with_fields"]

_MEASURED = "measured"
"""The field that needs no file: the cloud as it was decoded."""


def lacking_fields(dataset: Dataset, category: str, names: Sequence[str]) -> str:
    """Return why a dataset does not offer all of these fields for a category, a sentence; empty where it does."""
    stored = _stored(names)
    if strange := [name for name in stored if name not in dataset.info.fields]:
        offered = ", ".join((*dataset.info.fields, _MEASURED))
        return f"{dataset.info.title} has no '{strange[0]}' of its samples, which the method needs (it has {offered})."
    return cast(OffersFields, dataset).lacking(category, stored) if stored else ""


def fields_digest(dataset: Dataset, refs: Sequence[SampleRef], names: Sequence[str]) -> str:
    """Return a digest of the content of the files that hold these fields; empty where none does."""
    stored = _stored(names)
    return cast(OffersFields, dataset).fields_digest(refs, stored) if stored else ""


def with_fields(dataset: Dataset, names: Sequence[str]) -> Dataset:
    """Return a dataset whose samples have these optional fields when they are decoded, and after cleaning.

    Parameters
    ----------
    dataset
        Offers them (:func:`lacking_fields`).
    names
        Names of :data:`harness.contract.OPTIONAL_FIELDS`.
    """
    return cast(Dataset, _WithFields(dataset, tuple(names))) if names else dataset


def as_used(
    dataset: Dataset, needs: Sequence[str], modalities: Collection[str], condition: Condition | None = None
) -> Dataset:
    """Return a dataset whose loaded samples are what a method gets of them; decoding and cleaning have all there is.

    Parameters
    ----------
    dataset
        Offers the fields (:func:`lacking_fields`).
    needs
        Optional fields that the method needs.
    modalities
        Those that it uses (:meth:`harness.contract.Sample.only`).
    condition
        What is done to each test sample after cleaning (:func:`harness.data.stressing.stressed`); samples of other
        splits are loaded as they are.
    """
    return cast(Dataset, _AsUsed(dataset, tuple(needs), frozenset(modalities), condition or Condition()))


class _WithFields:
    """A dataset like the one that it is made of, but for the fields of its samples."""

    def __init__(self, dataset: Dataset, names: tuple[str, ...]) -> None:
        self._dataset, self._names = dataset, names

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dataset, name)

    def decode(self, ref: SampleRef) -> Sample:
        """Read one sample with the fields."""
        sample = self._dataset.decode(ref)
        fields: dict[str, Any] = {}
        if stored := _stored(self._names):
            fields.update(cast(OffersFields, self._dataset).read_fields(ref, stored))
        for name, array in fields.items():
            if array.shape[-3:-1] != sample.rgb.shape[:2]:
                (height, width), size = array.shape[-3:-1], f"{sample.rgb.shape[1]}x{sample.rgb.shape[0]}"
                raise DataError(
                    f"'{name}' of {ref.category}/{ref.id} in {self._dataset.root} has {width}x{height} pixels, and its "
                    f"image {size}: replace its files."
                )
        if _MEASURED in self._names:
            fields[_MEASURED] = sample.xyz
        return replace(sample, **fields)

    def load(self, ref: SampleRef) -> Sample:
        """Decode and clean."""
        return self._dataset.clean(self.decode(ref))


class _AsUsed(_WithFields):
    """A dataset whose loaded samples have the content of some modalities alone, test samples under a condition."""

    def __init__(
        self, dataset: Dataset, names: tuple[str, ...], modalities: frozenset[str], condition: Condition
    ) -> None:
        super().__init__(dataset, names)
        self._used, self._condition = modalities, condition

    def load(self, ref: SampleRef) -> Sample:
        """Decode, clean by all that was decoded, change test samples, and withhold the other modalities."""
        sample = super().load(ref)
        if ref.split == "test":
            sample = stressed(sample, self._condition, self._dataset.info.name)
        return sample.only(self._used)


def _stored(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in names if name != _MEASURED)
