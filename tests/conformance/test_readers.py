"""The suite of readers: honest ones pass, and each kind of fault is found by the check that looks for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from samples import write_tiny_mvtec

from harness.conformance import READER_CHECKS, Outcome
from harness.conformance.reading import ReaderSubject
from harness.conformance.suite import run_checks
from harness.data.mvtec3d import MVTec3D


class Honest(MVTec3D):
    info = replace(MVTec3D.info, name="honest", categories=("a", "b"), counts={})


def reader_with(**changes: object) -> type[Honest]:
    return type("Faulty", (Honest,), changes)


def changed(name: str, change):
    """Return a function of a reader whose result is changed."""

    def function(self, *arguments, **options):
        return change(getattr(Honest, name)(self, *arguments, **options))

    return function


def shared_array(self, ref):
    self.__dict__.setdefault("kept", {})
    return self.kept.setdefault(ref, Honest.decode(self, ref))


def in_place(self, sample, *, remember=True):
    cleaned = Honest.clean(self, sample)
    sample.xyz[...] *= np.float32(1.001)
    return cleaned


def unsure(self, sample, *, remember=True):
    cleaned = Honest.clean(self, sample)
    return cleaned if remember else replace(cleaned, plane=~cleaned.plane & (cleaned.xyz == 0).all(-1))


def with_nan(sample):
    xyz = sample.xyz.copy()
    xyz[0, 0] = np.nan
    return replace(sample, xyz=xyz)


FAULTS = {
    "info": reader_with(info=replace(Honest.info, licence="")),
    "info counts": reader_with(info=replace(Honest.info, counts={"c": {"train": 1, "validation": 1, "test": 1}})),
    "info defects": reader_with(
        info=replace(Honest.info, counts={"a": {"train": 1, "validation": 1, "test": 1}}, defects={"a": {"good": 2}})
    ),
    "info preset": reader_with(info=replace(Honest.info, default_preset="slow")),
    "info name": reader_with(info=replace(Honest.info, name="other")),
    "find": reader_with(find=classmethod(lambda cls, data: data)),
    "find raises": reader_with(find=classmethod(lambda cls, data: data / 1)),
    "categories": reader_with(categories=property(lambda self: ("b", "a"))),
    "refs": reader_with(refs=changed("refs", lambda refs: refs[::-1])),
    "refs twice": reader_with(refs=changed("refs", lambda refs: (*refs, *refs[:1]))),
    "refs defects": reader_with(refs=changed("refs", lambda refs: tuple(replace(ref, defect="hole") for ref in refs))),
    "refs raises": reader_with(refs=changed("refs", lambda refs: refs[1000])),
    "modalities": reader_with(modalities=lambda self, category: ("rgb", "smell")),
    "modalities points": reader_with(modalities=lambda self, category: ("rgb", "xyz")),
    "modalities raises": reader_with(modalities=lambda self, category: {}[category]),
    "decode": reader_with(decode=changed("decode", lambda sample: replace(sample, xyz=sample.xyz.astype(np.float64)))),
    "decode nan": reader_with(decode=changed("decode", with_nan)),
    "decode name": reader_with(decode=changed("decode", lambda sample: replace(sample, id="000"))),
    "decode raises": reader_with(decode=changed("decode", lambda sample: sample.depth)),
    "masks": reader_with(decode=changed("decode", lambda sample: replace(sample, mask=~sample.mask))),
    "masks label": reader_with(decode=changed("decode", lambda sample: replace(sample, anomalous=None))),
    "units": reader_with(decode=changed("decode", lambda sample: replace(sample, xyz=sample.xyz * np.float32(1000)))),
    "clean": reader_with(clean=in_place),
    "clean moves": reader_with(clean=changed("clean", lambda sample: replace(sample, xyz=sample.xyz * np.float32(2)))),
    "clean again": reader_with(clean=unsure),
    "fields": reader_with(info=replace(Honest.info, fields=("smell",))),
    "fields without functions": reader_with(info=replace(Honest.info, fields=("normals",))),
    "fields form": reader_with(
        info=replace(Honest.info, fields=("normals",)),
        lacking=lambda self, category, names: "",
        read_fields=lambda self, ref, names: {"normals": np.full_like(self.decode(ref).xyz, 1)},
    ),
    "fields lost": reader_with(clean=changed("clean", lambda sample: replace(sample, measured=None))),
    "repeatable": reader_with(decode=shared_array),
    "digests": reader_with(digest=lambda self, category: f"{id(self):x}"),
    "digests of nothing": reader_with(content_digest=lambda self, refs: "0"),
    "errors": reader_with(
        refs=lambda self, category, split: Honest.refs(self, category, split) if category in "ab" else ()
    ),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two categories of small samples in MVTec 3D-AD's layout."""
    return write_tiny_mvtec(tmp_path_factory.mktemp("honest"), ("a", "b"))


def outcomes(reader: type, root: Path, name: str = "honest") -> dict[str, Outcome]:
    return {one.check: one for one in run_checks(READER_CHECKS, ReaderSubject(name, reader, root))}


def test_an_honest_reader_passes(root: Path) -> None:
    assert {one.status for one in outcomes(Honest, root).values()} == {"pass"}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_by_its_check(root: Path, fault: str) -> None:
    found = outcomes(FAULTS[fault], root)
    assert found[fault.split()[0]].status == "fail", {name: one.sentence for name, one in found.items()}
    first = next(one for one in found.values() if one.status == "fail")
    assert first.check == fault.split()[0]
    assert "\n" not in first.sentence


def test_files_that_cannot_be_read_are_no_fault_of_the_reader(root: Path, tmp_path: Path) -> None:
    folder = write_tiny_mvtec(tmp_path / "damaged", ("a",))
    for path in folder.rglob("*.tiff"):
        path.write_bytes(b"II*\0")
    found = outcomes(Honest, folder)
    assert found["decode"].status == "skip"
    assert ".tiff" in found["decode"].sentence
    assert not any(one.status == "fail" for one in found.values())
