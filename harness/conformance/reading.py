"""Checks of a dataset's reader, on the files that it is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from string import hexdigits
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.conformance.check import check
from harness.conformance.outcome import CheckFailedError, CheckSkippedError
from harness.contract import MODALITIES, OPTIONAL_FIELDS, Sample
from harness.data.fields import lacking_fields, with_fields
from harness.data.folder import SPLITS
from harness.data.units import length, scale_of
from harness.dataset_contract import GOOD, Dataset, DatasetReader, SampleRef
from harness.errors import HarnessError, UsageError
from harness.geometry import valid_points
from harness.plugins import is_plugin_name
from harness.protocol import PRESETS

__all__ = [
    "ReaderSubject",
    "categories",
    "clean",
    "decode",
    "digests",
    "errors",
    "fields",
    "find",
    "info",
    "masks",
    "modalities",
    "refs",
    "repeatable",
    "units",
]

_MEASURED = "measured"
_ARRAYS = ("rgb", "xyz", "plane", "mask")
_READ = 12
"""Samples that are read at most: the first of every split and defect of the first categories."""


@dataclass
class ReaderSubject:
    """A reader with its files.

    Parameters
    ----------
    name
        As registered.
    reader
        Its class.
    root
        Folder of its categories.
    """

    name: str
    reader: DatasetReader
    root: Path
    decoded: dict[SampleRef, Sample] = field(default_factory=dict)

    @cached_property
    def dataset(self) -> Dataset:
        """The opened dataset."""
        return self.open()

    def open(self) -> Dataset:
        """Open it anew."""
        with self.calling("opening the folder"):
            return self.reader(self.root)

    def samples(self) -> Iterator[SampleRef]:
        """Return the first sample of every split and defect, category by category."""
        for category in self.dataset.categories:
            for split in SPLITS:
                first = {ref.defect: ref for ref in reversed(self.dataset.refs(category, split))}
                yield from first.values()

    def read(self, ref: SampleRef) -> Sample:
        """Return a sample as it was decoded first, in arrays that the reader can't reach."""
        if ref not in self.decoded:
            with self.calling(f"decode() of {ref.category}/{ref.id}"):
                sample = self.dataset.decode(ref)
                arrays = {name: array.copy() for name in _ARRAYS if (array := getattr(sample, name)) is not None}
                self.decoded[ref] = replace(sample, **arrays)
        return self.decoded[ref]

    def each(self) -> Iterator[tuple[SampleRef, Sample]]:
        """Return some samples, decoded."""
        return ((ref, self.read(ref)) for ref in islice(self.samples(), _READ))

    @contextmanager
    def calling(self, what: str) -> Iterator[None]:
        """Turn whatever the reader raises into a failed check; what is wrong with the files skips it."""
        try:
            yield
        except HarnessError as error:
            raise CheckSkippedError(f"Not checked, the files can't be read: {error}") from error
        except (KeyboardInterrupt, CheckFailedError, CheckSkippedError):
            raise
        except BaseException as error:
            raise CheckFailedError(f"{what} raises {type(error).__name__}: {error}.") from error


def _require(kept: bool, otherwise: str) -> None:
    if not kept:
        raise CheckFailedError(otherwise)


@check("info", "info names the entry point, a title, a licence, and counts of its own categories alone.")
def info(subject: ReaderSubject) -> None:
    """Read the facts."""
    facts = subject.reader.info
    _require(facts.name == subject.name, f"info.name is '{facts.name}', but the entry point is '{subject.name}'.")
    _require(
        is_plugin_name(facts.name), f"'{facts.name}' is not a valid name for a dataset: use letters, digits, _ . and -"
    )
    _require(bool(facts.title), "info.title is empty.")
    _require(bool(facts.licence) or not facts.categories, "info.licence is empty: say 'not stated' where it is not.")
    _require(len(set(facts.categories)) == len(facts.categories), "info.categories names one twice.")
    strange = sorted(set(facts.counts) - set(facts.categories))
    _require(not strange, f"info.counts has '{strange and strange[0]}', which is none of info.categories.")
    partial = [name for name, counts in facts.counts.items() if set(counts) != set(SPLITS)]
    _require(not partial, f"info.counts of '{partial and partial[0]}' must have train, validation and test.")
    unequal = [
        name for name in facts.counts if sum(facts.defects.get(name, {}).values()) not in (0, facts.count(name, "test"))
    ]
    _require(not unequal, f"info.defects of '{unequal and unequal[0]}' are not as many as its test samples.")
    presets = ", ".join(PRESETS)
    _require(facts.default_preset in PRESETS, f"info.default_preset is none of {presets}.")


@check("find", "find() leads to the folder that holds the categories, and finds nothing in an empty one.")
def find(subject: ReaderSubject) -> None:
    """Look for the dataset where it is and where it isn't."""
    with subject.calling("find()"), TemporaryDirectory() as empty:
        _require(subject.reader.find(subject.root) == subject.root, f"find() does not find {subject.root} in itself.")
        _require(subject.reader.find(Path(empty)) is None, "find() finds the dataset in an empty folder.")


@check("categories", "categories are those on disk, each once, in the published order.")
def categories(subject: ReaderSubject) -> None:
    """Open the folder."""
    categories, facts = subject.dataset.categories, subject.dataset.info
    _require(isinstance(categories, tuple) and len(categories) > 0, "categories is empty, or no tuple.")
    _require(len(set(categories)) == len(categories), "categories names one twice.")
    published = tuple(name for name in facts.categories if name in categories)
    _require(
        not facts.categories or published == categories,
        f"categories is {categories}, published is {facts.categories}.",
    )


@check("refs", "refs() lists each sample once, by ascending id, and only good ones for training.", "categories")
def refs(subject: ReaderSubject) -> None:
    """List everything twice."""
    again = subject.open()
    for category in subject.dataset.categories:
        for split in SPLITS:
            with subject.calling(f"refs('{category}', '{split}')"):
                refs = subject.dataset.refs(category, split)
                _require(refs == again.refs(category, split), f"refs('{category}', '{split}') differs when repeated.")
            ids = [ref.id for ref in refs]
            _require(ids == sorted(set(ids)), f"Ids of {category}, {split}, are not ascending, or one is there twice.")
            for ref in refs:
                _require((ref.category, ref.split) == (category, split), f"{ref} is listed under {category}, {split}.")
                _require(ref.id.isprintable() and bool(ref.id), f"The id {ref.id!r} of {category} can't be printed.")
                _require(split == "test" or ref.defect == GOOD, f"{ref} is an anomalous sample outside the test split.")


@check("modalities", "modalities() names what a category's samples offer: of image, depth and points.", "refs")
def modalities(subject: ReaderSubject) -> None:
    """Ask for every category."""
    for category in subject.dataset.categories:
        with subject.calling(f"modalities('{category}')"):
            offered = subject.dataset.modalities(category)
        wrong = f"modalities('{category}') is {offered!r}"
        _require(bool(offered) and set(offered) <= set(MODALITIES), f"{wrong}, no choice of {', '.join(MODALITIES)}.")
        _require("depth" in offered or "xyz" not in offered, f"{wrong}: points without a depth.")


@check("decode", "decode() gives images and clouds of one size, metres, and (0, 0, 0) where nothing is.", "refs")
def decode(subject: ReaderSubject) -> None:
    """Read some samples."""
    for ref, sample in subject.each():
        of, size = f" of {ref.category}/{ref.id}", sample.rgb.shape[:2]
        named = (sample.id, sample.category, sample.defect) == (ref.id, ref.category, ref.defect)
        _require(named, f"The sample{of} has another id, category or defect.")
        _require(sample.rgb.dtype == np.uint8 and sample.rgb.shape == (*size, 3), f"rgb{of} is no (H, W, 3) uint8.")
        _require(sample.xyz.dtype == np.float32, f"xyz{of} is {sample.xyz.dtype}, not float32.")
        _require(sample.xyz.shape == (*size, 3), f"xyz{of} has shape {sample.xyz.shape}, rgb {sample.rgb.shape}.")
        _require(sample.plane.dtype == np.bool_ and sample.plane.shape == size, f"plane{of} is no (H, W) bool.")
        _require(bool(np.isfinite(sample.xyz).all()), f"xyz{of} holds NaN or infinite values.")
        missing = ~valid_points(sample.xyz)
        _require(not sample.xyz[missing].any(), f"xyz{of} has points with one coordinate of 0, and others not.")


@check("masks", "Good samples have an empty mask; anomalous ones mark pixels, or have no mask at all.", "decode")
def masks(subject: ReaderSubject) -> None:
    """Compare masks with labels."""
    for ref, sample in subject.each():
        of, mask = f" of {ref.category}/{ref.id}", sample.mask
        _require(sample.anomalous is (ref.defect != GOOD), f"anomalous{of} is {sample.anomalous}.")
        if mask is None:
            _require(bool(sample.anomalous), f"mask{of} is None, and the sample is good.")
            continue
        for name, part in {"mask": mask, **(sample.regions or {})}.items():
            _require(part.dtype == np.bool_ and part.shape == sample.rgb.shape[:2], f"{name}{of} is no (H, W) bool.")
        _require(bool(mask.any()) == sample.anomalous, f"mask{of} marks {int(mask.sum())} pixels, defect {ref.defect}.")


@check("units", "Points are metres: neighbouring pixels lie 1 um to 10 mm apart, the farthest 1 mm to 10 m.", "decode")
def units(subject: ReaderSubject) -> None:
    """Measure the clouds."""
    for ref, sample in subject.each():
        with subject.calling("modalities()"):
            if "xyz" not in subject.dataset.modalities(ref.category):
                continue
        scale = scale_of(sample.xyz)
        sizes = f"pixels lie {length(scale.step)} apart, the cloud spans {length(scale.diagonal)}"
        _require(scale.plausible, f"{ref.category}/{ref.id}: {sizes}, up to {length(scale.farthest)} away.")


@check("clean", "clean() only removes points, marks those of the background, and leaves its input alone.", "decode")
def clean(subject: ReaderSubject) -> None:
    """Clean with and without the cache."""
    for ref, sample in subject.each():
        of, before = f" of {ref.category}/{ref.id}", sample.xyz.copy()
        with subject.calling(f"clean(){of}"):
            cleaned = subject.dataset.clean(sample)
            again = subject.dataset.clean(sample, remember=False)
            loaded = subject.open().load(ref)
        _require(np.array_equal(before, sample.xyz), f"clean(){of} changes the sample that it is given.")
        kept = valid_points(cleaned.xyz)
        _require(np.array_equal(cleaned.xyz[kept], before[kept]), f"clean(){of} moves points.")
        _require(not cleaned.xyz[cleaned.plane].any(), f"clean(){of} keeps points that it marks as background.")
        if (black := cleaned.blackened) is not None:
            _require(black.dtype == np.bool_ and black.shape == kept.shape, f"blackened{of} is no (H, W) bool.")
            _require(not kept[black].any(), f"clean(){of} blackens pixels whose points it keeps.")
        same = all(_equal(cleaned, other) for other in (again, loaded))
        _require(same, f"clean(){of} differs when it is repeated, or from load().")


@check(
    "fields", "Samples have the optional fields that info names, on the image's pixels; cleaning keeps them.", "decode"
)
def fields(subject: ReaderSubject) -> None:
    """Read some samples as methods get them that need optional fields."""
    names, known = subject.reader.info.fields, [name for name in OPTIONAL_FIELDS if name != _MEASURED]
    strange = [name for name in names if name not in known]
    _require(not strange, f"info.fields names '{strange and strange[0]}', which is none of {', '.join(known)}.")
    with subject.calling("lacking()"):
        lacks = {name: lacking_fields(subject.dataset, name, names) for name in subject.dataset.categories}
    for ref, sample in subject.each():
        of, wanted = f" of {ref.category}/{ref.id}", (_MEASURED, *(() if lacks[ref.category] else names))
        with subject.calling(f"reading {', '.join(wanted)}{of}"):
            arrays = with_fields(subject.dataset, wanted).load(ref).arrays
        _require(set(wanted) <= set(arrays), f"The sample{of} lacks one of {', '.join(wanted)}.")
        _require(np.array_equal(arrays[_MEASURED], sample.xyz), f"measured{of} is not the cloud before cleaning.")
        _require_form(of, sample, arrays)
    if reason := next(filter(None, lacks.values()), ""):
        raise CheckSkippedError(f"Not checked for every category: {reason}")


def _require_form(of: str, sample: Sample, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Look at the normals and lights that are there."""
    shape = sample.rgb.shape
    if (normals := arrays.get("normals")) is not None:
        _require(normals.dtype == np.float32 and normals.shape == shape, f"normals{of} is no (H, W, 3) float32.")
        length = np.linalg.norm(normals, axis=2)
        _require(
            bool(np.all((length == 0) | (np.abs(length - 1) < 0.01))), f"normals{of} are neither 0 nor of length 1."
        )
    if (lights := arrays.get("lights")) is not None:
        _require(lights.dtype == np.uint8 and lights.shape[1:] == shape, f"lights{of} is no (L, H, W, 3) uint8.")


@check("repeatable", "A sample that is decoded again has the same arrays, and arrays of its own.", "decode")
def repeatable(subject: ReaderSubject) -> None:
    """Decode twice, with what was read overwritten in between."""
    for ref, sample in subject.each():
        with subject.calling("decode()"):
            first = subject.dataset.decode(ref)
            _require(_equal(first, sample), f"decode() of {ref.category}/{ref.id} differs when it is repeated.")
            for array in (first.rgb, first.xyz):
                array.setflags(write=True)
                array.fill(1)
            same = _equal(subject.dataset.decode(ref), sample)
        _require(same, f"decode() of {ref.category}/{ref.id} hands out an array that it uses again.")


@check("digests", "Digests are those of the files: equal when asked again, different for other samples.", "refs")
def digests(subject: ReaderSubject) -> None:
    """Ask twice."""
    again = subject.open()
    for category in subject.dataset.categories:
        with subject.calling("digest()"):
            value = subject.dataset.digest(category)
            _require(value == again.digest(category), f"digest('{category}') differs when it is asked again.")
        _require(
            bool(value) and set(value) <= set(hexdigits), f"digest('{category}') is not hexadecimal text: {value}."
        )
    some = [ref for ref, _ in subject.each()]
    with subject.calling("content_digest()"):
        whole = subject.dataset.content_digest(some)
        _require(whole == again.content_digest(some), "content_digest() differs when it is asked again.")
        if len(some) > 1:
            _require(whole != again.content_digest(some[1:]), "content_digest() is the same for fewer samples.")
    notes = [note for category in subject.dataset.categories for note in subject.dataset.notes(category)]
    _require(
        all(isinstance(note, str) and note for note in notes), "notes() holds something other than non-empty text."
    )


@check("errors", "What is not there is a HarnessError with one sentence: a category, a sample.", "refs")
def errors(subject: ReaderSubject) -> None:
    """Ask for what isn't there."""
    nowhere = SampleRef(subject.dataset.categories[0], "no/such/sample", "test", GOOD)
    _require_refusal("refs() of an unknown category", lambda: subject.dataset.refs("no such category", "test"))
    _require_refusal("decode() of an unknown sample", lambda: subject.dataset.decode(nowhere))


def _require_refusal(what: str, ask: Callable[[], object]) -> None:
    try:
        ask()
    except (HarnessError, UsageError) as error:
        _require("\n" not in str(error), f"{what} is refused in several lines.")
    except Exception as error:
        raise CheckFailedError(f"{what} raises {type(error).__name__} instead of a DataError.") from error
    else:
        raise CheckFailedError(f"{what} is not refused.")


def _equal(sample: Sample, other: Sample) -> bool:
    pairs = ((getattr(sample, name), getattr(other, name)) for name in _ARRAYS)
    return all(np.array_equal(a, b) if a is not None and b is not None else a is b for a, b in pairs)
