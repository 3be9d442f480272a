"""The evaluation geometry."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import make_sample

from harness.contract import MethodError, Prediction
from harness.geometry import resize_nearest, square_pad
from harness.metrics import evaluate_test_set
from harness.metrics.scoring import Scored, ground_truth, resize_map


@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from(["constant", "edge"]))
def test_padding_is_centred_and_the_remainder_goes_to_the_bottom_and_the_right(height, width, mode) -> None:
    image = np.arange(1, height * width + 1).reshape(height, width)
    padded = square_pad(image, mode)
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    assert padded.shape == (side, side)
    np.testing.assert_array_equal(padded[top : top + height, left : left + width], image)
    assert padded.sum() == image.sum() or mode == "edge" or side in (height, width)
    if mode == "edge":
        assert padded[0, 0] == image[0, 0]
        assert padded[-1, -1] == image[-1, -1]


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 60))
def test_nearest_resizing_is_torch_s(source: int, target: int) -> None:
    image = np.random.default_rng(source).normal(size=(source, source))
    by_torch = torch.nn.functional.interpolate(torch.from_numpy(image)[None, None], size=(target, target))
    if (source * np.arange(target) % target).all() or source % target == 0 or target % source == 0:
        np.testing.assert_array_equal(resize_nearest(image, target), by_torch[0, 0].numpy())
    exact = image[np.ix_(*[[i * source // target for i in range(target)]] * 2)]
    np.testing.assert_array_equal(resize_nearest(image, target), exact)


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 40))
def test_maps_are_resized_bilinearly_as_torch_does(source: int, target: int) -> None:
    values = np.random.default_rng(source).normal(size=(source, source)).astype(np.float32)
    by_torch = torch.nn.functional.interpolate(
        torch.from_numpy(values)[None, None].double(), size=(target, target), mode="bilinear", align_corners=False
    )
    np.testing.assert_allclose(resize_map(values, target), by_torch[0, 0].numpy(), atol=1e-6)
    assert resize_map(values, target).dtype == np.float32


@settings(deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([bool, np.uint8, np.int16, np.uint64, np.float16, np.float64]))
def test_maps_of_equal_values_give_equal_metrics_whatever_their_dtype(seed: int, dtype: type) -> None:
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 2 if dtype is bool else 200, (4, 8, 8)).astype(dtype)
    found = []
    for maps in (coarse, coarse.astype(np.float32)):
        scored = Scored(20)
        for index, values in enumerate(maps):
            sample = make_sample(index, height=40, width=40, radius=9)
            if index % 2:
                sample = replace(sample, defect="bump", anomalous=True, mask=~sample.plane)
            scored.add(sample, Prediction(values, float(index)))
        found.append(evaluate_test_set(scored.ranked()))
    assert found[0] == found[1]


def test_values_that_single_precision_does_not_hold_stay() -> None:
    fine = np.array([[1, 1 + 1e-12]] * 2)
    assert np.array_equal(resize_map(fine, 2), fine)
    assert np.array_equal(resize_map(np.array([[2**53, 2**53 - 1]] * 2), 2), [[2.0**53, 2.0**53 - 1]] * 2)


def test_ground_truth_is_padded_with_zeros() -> None:
    mask = ground_truth(np.ones((100, 300), bool), 224)
    assert mask.shape == (224, 224)
    assert mask.mean() == pytest.approx(1 / 3, abs=0.01)
    assert not mask[0].any()


@pytest.mark.parametrize(
    ("prediction", "said"),
    [
        (Prediction(np.zeros((3, 4), np.float32), 0.0), r"shape \(3, 4\)"),
        (Prediction(np.full((4, 4), np.nan, np.float32), 0.0), "NaN or infinity"),
        (Prediction(np.full((4, 4), 2**53 + 1), 0.0), "dtype int64"),
        (Prediction(np.full((4, 4), "1"), 0.0), "real numbers"),
        (Prediction(np.full((4, 4), 1j), 0.0), "real numbers"),
        (Prediction(np.zeros((4, 4), np.float32), float("inf")), "score"),
        (Prediction(np.zeros((4, 4), np.float32), 0.0, np.full((4, 4), np.inf, np.float32)), "pixel_map"),
    ],
)
def test_predictions_that_cannot_be_scored(prediction: Prediction, said: str) -> None:
    with pytest.raises(MethodError, match=said):
        Scored(8).add(make_sample(0, height=16, width=16), prediction)


def test_an_added_sample_stands_at_one_place_of_every_list() -> None:
    scored = Scored(8)
    nominal, whole = make_sample(0, height=16, width=16), make_sample(1, height=16, width=16)
    anomalous = replace(whole, id="test/hole/001", defect="hole", anomalous=True, mask=np.eye(16, dtype=bool))
    coarse, fine = np.full((4, 4), 0.5, np.float32), np.arange(64, dtype=np.float32).reshape(8, 8)
    scored.add(nominal, Prediction(coarse, 0.25))
    scored.add(anomalous, Prediction(coarse, 2.5, fine))
    assert scored.ids == [nominal.id, anomalous.id]
    assert scored.defects == ["good", "hole"]
    assert (scored.labels, scored.scores) == ([0, 1], [0.25, 2.5])
    np.testing.assert_array_equal(scored.maps, np.full((2, 8, 8), 0.5))
    np.testing.assert_array_equal(scored.pixel_maps, [np.full((8, 8), 0.5), fine])
    np.testing.assert_array_equal(scored.masks, [ground_truth(each.mask, 8) for each in (nominal, anomalous)])


def test_masks_that_vanish_are_told_by_the_ids_of_their_samples() -> None:
    scored, dot = Scored(8), np.zeros((64, 64), dtype=bool)
    dot[3, 3] = True
    for number, mask in enumerate((~dot, dot, ~dot, dot)):
        sample = replace(make_sample(number, height=64, width=64), defect="hole", anomalous=True, mask=mask)
        scored.add(sample, Prediction(np.zeros((8, 8), np.float32), 0.5))
    assert scored.vanished == ["train/good/001", "train/good/003"]
    assert [bool(mask.any()) for mask in scored.masks] == [True, False, True, False]


def test_a_missing_value_stays_one_in_single_precision() -> None:
    found = resize_map(np.array([[0.5, np.nan]] * 2, np.float16), 2)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [[0.5, np.nan]] * 2)
