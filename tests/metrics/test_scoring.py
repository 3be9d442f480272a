"""The evaluation geometry."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import make_sample

from harness.contract import MethodError, Prediction
from harness.geometry import resize_nearest, square_pad
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


def test_ground_truth_is_padded_with_zeros() -> None:
    from dataclasses import replace

    sample = make_sample(0, height=100, width=300)
    mask = ground_truth(replace(sample, mask=np.ones((100, 300), bool)), 224)
    assert mask.shape == (224, 224)
    assert mask.mean() == pytest.approx(1 / 3, abs=0.01)
    assert not mask[0].any()


@pytest.mark.parametrize(
    ("prediction", "said"),
    [
        (Prediction(np.zeros((3, 4), np.float32), 0.0), r"shape \(3, 4\)"),
        (Prediction(np.full((4, 4), np.nan, np.float32), 0.0), "NaN or infinity"),
        (Prediction(np.zeros((4, 4), np.float32), float("inf")), "score"),
        (Prediction(np.zeros((4, 4), np.float32), 0.0, np.full((4, 4), np.inf, np.float32)), "pixel_map"),
    ],
)
def test_predictions_that_cannot_be_scored(prediction: Prediction, said: str) -> None:
    with pytest.raises(MethodError, match=said):
        Scored(8).add(make_sample(0, height=16, width=16), prediction)
