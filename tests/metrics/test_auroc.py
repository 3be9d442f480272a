"""AUROC against scikit-learn, of images and of pixels."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import roc_auc_score

from harness.metrics import auroc, pixel_auroc


@st.composite
def scored_labels(draw):
    count = draw(st.integers(2, 30))
    labels = draw(arrays(np.uint8, count, elements=st.integers(0, 1)))
    assume(0 < labels.sum() < count)
    return labels, draw(arrays(np.float64, count, elements=st.integers(0, 4) | st.floats(-1e3, 1e3)))


@given(scored_labels())
def test_image_auroc_equals_sklearn(case):
    labels, scores = case
    assert auroc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), abs=1e-9)


@given(scored_labels())
def test_negated_scores_mirror_image_auroc(case):
    labels, scores = case
    assert auroc(labels, -scores) == pytest.approx(1 - auroc(labels, scores), abs=1e-12)
    assert auroc(1 - labels, scores) == pytest.approx(1 - auroc(labels, scores), abs=1e-12)


def test_image_auroc_takes_lists_and_every_real_dtype():
    labels, scores = [0, 1, 0, 1, 1], [3, 200, 7, 7, 5]
    expected = roc_auc_score(labels, scores)
    assert auroc(labels, scores) == pytest.approx(expected)
    for dtype in (np.uint8, np.int16, np.float16, np.float32, np.uint64):
        assert auroc(np.array(labels, bool), np.array(scores, dtype)) == pytest.approx(expected)


@pytest.mark.parametrize("labels", [[0, 0], [1, 1]])
def test_image_auroc_of_one_class_is_nan(labels):
    assert isnan(auroc(labels, [0.1, 0.2]))


@pytest.mark.parametrize("labels", [[0, 2], [0.5, 1], [0, float("nan")], ["0", "1"], [[0, 1]]])
def test_labels_other_than_zero_and_one_are_refused(labels):
    with pytest.raises(ValueError, match="labels must be"):
        auroc(labels, [0.1, 0.2])


@pytest.mark.parametrize("scores", [[0.1, float("nan")], [0.1, float("inf")], [0.1], [[0.1, 0.2]], ["a", "b"], [1j, 2]])
def test_scores_that_cannot_be_ranked_are_refused(scores):
    with pytest.raises(ValueError, match="scores"):
        auroc([0, 1], scores)


@given(st.data(), st.sampled_from([np.uint8, np.float32, np.float64]))
def test_pixel_auroc_equals_sklearn(data, dtype):
    shape = data.draw(st.tuples(st.integers(1, 4), st.integers(1, 7), st.integers(1, 7)))
    maps = data.draw(arrays(dtype, shape, elements=st.integers(0, 6)))
    masks = data.draw(arrays(np.bool_, shape))
    assume(masks.any() and not masks.all())
    assert pixel_auroc(maps, masks) == pytest.approx(roc_auc_score(masks.ravel(), maps.ravel()), abs=1e-9)


def test_pixel_auroc_is_exact_over_many_chunks():
    rng = np.random.default_rng(5)
    maps = np.maximum(rng.standard_normal((24, 160, 200)), 0)
    maps[::3] = np.round(maps[::3], 1)
    masks = np.zeros(maps.shape, np.uint8)
    masks[::2, 30:50, 60:90] = 255
    maps[masks > 0] += 0.2
    assert maps.nbytes > 4 * 2**20
    assert pixel_auroc(maps, masks) == pytest.approx(roc_auc_score(masks.ravel() > 0, maps.ravel()), abs=1e-9)
