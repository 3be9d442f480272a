"""M3DM's decision layer equals scikit-learn's one-class machine and refuses weights that are not positive."""

from __future__ import annotations

import numpy as np
import oracle_m3dm as oracle
import pytest

from harness.contract import MethodError
from methods.parts.m3dm.decision_layer import DecisionLayer, one_class_weights


def rows(count: int, banks: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).gamma(2, 0.5, (count, banks)).astype(np.float32)


@pytest.mark.parametrize("banks", [2, 3])
def test_scores_and_maps_equal_those_of_scikit_learn(banks: int) -> None:
    scores, pixels = rows(12, banks), rows(12 * 64, banks, seed=1)
    layer = DecisionLayer.fit(scores, pixels, nu=0.5, names=("xyz", "rgb", "fusion")[:banks])
    unseen = rows(5, banks, seed=2)
    np.testing.assert_allclose([layer.score(row) for row in unseen], oracle.one_class(scores)(unseen), rtol=1e-6)
    maps = rows(48, banks, seed=3).T.reshape(banks, 6, 8)
    expected = oracle.one_class(pixels)(maps.reshape(banks, -1).T).reshape(6, 8)
    combined = layer.map(maps)
    np.testing.assert_allclose(combined, expected, rtol=1e-5)
    assert combined.dtype == np.float32


def test_one_training_sample_is_enough() -> None:
    weights = one_class_weights(np.array([[0.4, 0.1]], np.float32), 0.5, ("xyz", "rgb"))
    assert (weights > 0).all()


def test_a_weight_that_is_not_positive_is_an_error() -> None:
    turned = rows(50, 2) * np.array([1, -1], np.float32)
    with pytest.raises(MethodError, match=r"rgb .*-\d.*m3dm\[combine=sum\]"):
        one_class_weights(turned, 0.5, ("xyz", "rgb"))


def test_a_bank_that_holds_all_training_patches_is_an_error() -> None:
    silent = rows(50, 2) * np.array([0, 1], np.float32)
    with pytest.raises(MethodError, match=r"xyz .*drop_path=on"):
        one_class_weights(silent, 0.5, ("xyz", "rgb"))
