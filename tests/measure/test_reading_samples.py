"""Test samples: which are held, what is timed, and in which order they come."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.data.mvtec3d import MVTec3D
from harness.errors import DataError
from harness.measure.reading import read_ahead, timed_reading


class Counting(MVTec3D):
    """Counts what is decoded."""

    def __init__(self, root: Path, cache: Path) -> None:
        super().__init__(root, cache=cache)
        self.decoded = []

    def decode(self, ref):
        self.decoded.append(ref.id)
        return super().decode(ref)


@pytest.fixture
def dataset(tiny_mvtec: Path, tmp_path: Path) -> Counting:
    return Counting(tiny_mvtec, tmp_path)


def test_samples_are_read_once_and_timed_by_themselves(dataset: Counting) -> None:
    test = dataset.refs("bagel", "test")
    reading = timed_reading(dataset, test)
    assert tuple(reading.samples) == test
    assert len(reading.decode_ms) == len(test)
    assert 3 <= len(reading.clean_ms) <= len(test)
    assert min(reading.decode_ms + reading.clean_ms) > 0
    list(read_ahead(dataset, test, reading.samples))
    assert dataset.decoded == [ref.id for ref in test]


def test_held_samples_are_spread_over_a_large_test_set(dataset: Counting) -> None:
    test = dataset.refs("bagel", "test") * 10
    held = tuple(timed_reading(dataset, test).samples)
    assert {ref.defect for ref in held} == {"good", "hole"}
    assert len(dataset.decoded) == 16


def test_cleaning_is_computed_where_it_is_timed(dataset: Counting, tmp_path: Path) -> None:
    test = dataset.refs("bagel", "test")
    first, second = (timed_reading(dataset, test) for _ in range(2))
    stored = len(list(tmp_path.glob("*.npz")))
    assert stored == len(test) - len(first.clean_ms)
    for ref in test:
        np.testing.assert_array_equal(first.samples[ref].xyz, second.samples[ref].xyz)


def test_blind_samples_carry_no_truth(dataset: Counting) -> None:
    reading = timed_reading(dataset, dataset.refs("bagel", "test")).blind()
    assert all(sample.mask is None and sample.defect == "" for sample in reading.samples.values())


def test_reading_ahead_keeps_the_order_and_changes_nothing(dataset: Counting) -> None:
    test = dataset.refs("bagel", "test")
    expected = [dataset.load(ref) for ref in test]
    for one, other in zip(read_ahead(dataset, test, {}), expected, strict=True):
        assert one.id == other.id
        np.testing.assert_array_equal(one.xyz, other.xyz)
        np.testing.assert_array_equal(one.rgb, other.rgb)
    assert list(read_ahead(dataset, (), {})) == []


def test_a_broken_file_is_an_error_at_its_turn(dataset: Counting) -> None:
    test = dataset.refs("bagel", "test")
    other = MVTec3D(dataset.root).refs("carrot", "test")
    coming = read_ahead(dataset, (test[0], test[1].__class__("bagel", "test/good/999", "test", "good"), *other), {})
    assert next(coming).id == test[0].id
    with pytest.raises(DataError, match="test/good/999"):
        next(coming)
