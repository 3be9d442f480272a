"""One small dataset, written as people, programs and cameras write it: read as it is meant, or refused in a sentence.

Each variant is read as own data and as MVTec 3D-AD, by :meth:`decode` and by ``harness data verify``.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from data_variants import VARIANTS, Refused
from samples import write_tiny_mvtec

from harness.contract import Sample
from harness.data.folder import SPLITS
from harness.data.open import open_dataset
from harness.data.verify import verify_dataset
from harness.dataset_contract import Dataset
from harness.errors import UsageError


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_mvtec(tmp_path_factory.mktemp("written") / "parts", ("bagel",), train=2)


@pytest.fixture(scope="module")
def meant(written: Path) -> list[Sample]:
    """The samples as they are written, in order."""
    return samples_of(open_dataset("mvtec3d", written))


def samples_of(data: Dataset) -> list[Sample]:
    """The samples in an order that names of defects do not change."""
    refs = [ref for split in SPLITS for ref in data.refs(data.categories[0], split)]
    samples = [data.decode(ref) for ref in refs]
    return sorted(samples, key=lambda one: (one.id.split("/")[0], one.anomalous, one.id))


@pytest.mark.parametrize("reader", ["folder", "mvtec3d"])
@pytest.mark.parametrize("name", VARIANTS)
def test_variant(name: str, reader: str, written: Path, meant: list[Sample], tmp_path: Path) -> None:
    root = tmp_path / "parts"
    shutil.copytree(written, root)
    variant = VARIANTS[name]
    variant.change(root / "bagel")
    outcome = variant.own if reader == "folder" else variant.published
    if isinstance(outcome, Refused):
        assert_refused(root, reader, outcome)
        return
    data = open_dataset(reader, root)
    samples = samples_of(data)
    for sample, base in zip(samples, map(outcome.means, meant), strict=True):
        assert (sample.anomalous, sample.defect == "good") == (base.anomalous, not base.anomalous)
        assert np.abs(sample.rgb.astype(int) - base.rgb).mean() <= outcome.colours
        assert np.abs(sample.xyz - base.xyz).max() <= outcome.metres
        if base.mask is not None:
            assert np.array_equal(sample.mask, base.mask)
    report = verify_dataset(root, reader)
    assert bool(report.problems) == bool(outcome.problem)
    assert all(outcome.problem in problem.message for problem in report.problems)
    assert report.ok == (reader == "folder")
    said = " ".join(note.message for note in report.notes)
    assert outcome.note in said
    assert bool(said) == bool(outcome.note)


def assert_refused(root: Path, reader: str, outcome: Refused) -> None:
    """Reading and verifying say it in one sentence, and neither offers to fetch anything into the folder."""
    said = []
    if outcome.on_reading:
        with pytest.raises(outcome.error) as error:
            samples_of(open_dataset(reader, root))
        said.append(str(error.value))
    if outcome.error is UsageError:
        with pytest.raises(outcome.error):
            verify_dataset(root, reader)
    else:
        said.append(verify_dataset(root, reader).problems[0].message)
    for sentence in said:
        assert all(word in sentence for word in outcome.words), sentence
        assert sentence.endswith(".")
        assert not any(words in sentence for words in ("\n", "delete", f"--to {root}"))


@pytest.mark.parametrize("reader", ["folder", "mvtec3d"])
@pytest.mark.parametrize("missing", ["good", "hole"])
def test_a_test_set_of_one_kind_is_read(reader: str, missing: str, written: Path, tmp_path: Path) -> None:
    shutil.copytree(written, tmp_path / "parts")
    shutil.rmtree(tmp_path / "parts/bagel/test" / missing)
    data = open_dataset(reader, tmp_path / "parts")
    assert len(data.refs("bagel", "test")) == 3
    assert {ref.defect for ref in data.refs("bagel", "test")} == {"good", "hole"} - {missing}
