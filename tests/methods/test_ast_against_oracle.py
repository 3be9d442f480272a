"""AST against a direct float64 implementation: depth, mask, positional encoding, losses, maps."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import oracle_ast as oracle
import oracle_efficientnet
import pytest
import torch
from samples import make_sample, no_progress

from harness.contract import Sample
from methods.ast import AST
from methods.parts.ast.features import image_input, soft_mask
from methods.parts.ast.networks import position_encoding, student_distance, teacher_loss
from methods.parts.depth import depth_and_foreground
from methods.weights import EFFICIENTNET_B5

SMALL = {"image_size": 96, "epochs": 3, "batch": 2, "hidden": 8, "width": 12, "residual_blocks": 2}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, torch.Tensor]]:
    path = tmp_path_factory.mktemp("weights") / EFFICIENTNET_B5.name
    return path, oracle_efficientnet.write_published(path)


def raw_sample(height: int = 44, width: int = 60) -> Sample:
    """A box on a tilted table, with gaps, from which nothing was removed."""
    rows, columns = np.mgrid[:height, :width]
    depth = 0.6 + 1e-3 * rows - 5e-4 * columns
    depth[15:30, 20:40] -= 0.03
    depth[5:8, 3:20] -= 0.004
    depth[np.random.default_rng(3).random(depth.shape) < 0.1] = 0
    xyz = np.stack([columns * 1e-3, rows * 1e-3, depth], -1) * (depth != 0)[..., None]
    return replace(
        make_sample(0, height=height, width=width), xyz=xyz.astype(np.float32), plane=np.zeros(depth.shape, bool)
    )


def assert_close(actual, expected, tolerance: float = 1e-4) -> None:
    actual, expected = np.asarray(actual, float), np.asarray(expected, float)
    assert actual.shape == expected.shape
    assert np.abs(actual - expected).max() <= tolerance * max(1.0, np.abs(expected).max())


def as_weights(module: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name: tensor.double().numpy() for name, tensor in module.state_dict().items()}


def oracle_depth(sample: Sample, size: int, foreground: np.ndarray, depth: np.ndarray):
    """Depth and foreground of the evaluation square, from those at native size."""
    resized = oracle.resize(oracle.zero_square(foreground.astype(float)), size)
    return oracle.resize(oracle.zero_square(oracle.centimetres(depth, foreground)), size), resized > 0


@pytest.mark.parametrize(("height", "width"), [(48, 70), (61, 40), (50, 50)])
def test_depth_of_a_cleaned_cloud(height: int, width: int) -> None:
    sample = make_sample(4, height=height, width=width, radius=15)
    filled = oracle.fill_gaps(sample.xyz[..., 2], closed=sample.plane)
    assert (filled != 0).sum() > (sample.xyz[..., 2] != 0).sum()
    expected = oracle_depth(sample, 24, filled != 0, filled)
    for rule in ("cleaned", "auto"):
        depth, foreground = depth_and_foreground(sample, 24, rule, 3)
        assert_close(depth, expected[0])
        np.testing.assert_array_equal(foreground.numpy() > 0, expected[1])


@pytest.mark.parametrize("rule", ["auto", "corners"])
def test_depth_of_a_raw_cloud_equals_the_oracle(rule) -> None:
    sample = raw_sample()
    filled = oracle.fill_gaps(sample.xyz[..., 2])
    inside = oracle.corner_foreground(filled)
    assert 200 < inside.sum() < 400
    expected = oracle_depth(sample, 32, inside, filled)
    depth, foreground = depth_and_foreground(sample, 32, rule, 3)
    assert_close(depth, expected[0])
    np.testing.assert_array_equal(foreground.numpy() > 0, expected[1])


@pytest.mark.parametrize("dilation", [0, 1, 5, 8])
def test_the_mask_is_dilated_and_soft(dilation: int) -> None:
    foreground = np.random.default_rng(dilation).random((32, 32)) < 0.02
    expected = oracle.resize(oracle.dilate(foreground, dilation or 1).astype(float), 4)
    mask = soft_mask(torch.from_numpy(foreground).float(), 4, dilation)
    assert_close(mask[0], expected, 1e-6)


@pytest.mark.parametrize(("channels", "grid"), [(32, 24), (4, 3), (16, 7)])
def test_positional_encoding(channels: int, grid: int) -> None:
    assert_close(position_encoding(channels, grid), oracle.position_encoding(channels, grid), 1e-6)


def test_losses_and_distance_equal_the_oracle() -> None:
    draw = np.random.default_rng(0)
    latents, predicted = draw.normal(size=(2, 3, 5, 4, 4))
    determinants, masks = draw.normal(size=(3, 4, 4)), draw.random((3, 4, 4))
    z, s, m = (torch.from_numpy(array) for array in (latents, predicted, masks[:, None]))
    expected = oracle.teacher_loss(list(latents), list(determinants), list(masks))
    assert_close(teacher_loss(z, torch.from_numpy(determinants), m), expected, 1e-9)
    cells = [oracle.distance_map(*arrays, power=1) for arrays in zip(latents, predicted, masks, strict=True)]
    assert_close(student_distance(z, s, m), cells, 1e-9)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"score": "mean"},
        {"mask_power": 0, "score": "mean"},
        {"modality": "depth", "mask_power": 3, "score_at": "cells"},
        {"modality": "rgb", "blocks": 2},
    ],
    ids=str,
)
def test_a_prediction_equals_the_oracle(published, parameters) -> None:
    method = AST(**(SMALL | parameters))
    method.load_weights({EFFICIENTNET_B5.name: published[0]})
    method.fit([make_sample(s, radius=60) for s in (1, 2)], seed=0, device="cpu", progress=no_progress)
    sample = make_sample(5, height=150, width=224, radius=50)
    prediction = method.infer(method.prepare(sample))
    distance, mask = oracle_distance(method, sample, published[1])
    cells = distance * mask**method.mask_power
    assert_close(prediction.anomaly_map, oracle.enlarge_bicubic(cells))
    expected = oracle.image_score(distance, mask, method.mask_power, method.score, method.score_at)
    assert prediction.score == pytest.approx(expected, rel=1e-4)
    assert prediction.anomaly_map.dtype == np.float32


def test_the_places_of_the_maximum_and_the_powers_of_the_mask_differ_by_more_than_rounding() -> None:
    draw = np.random.default_rng(2)
    distance, mask = draw.random((3, 3)), draw.uniform(0.2, 0.9, (3, 3))
    settings = [("max", "enlarged", 2), ("max", "cells", 2), ("mean", "cells", 2), ("mean", "cells", 0)]
    found = [oracle.image_score(distance, mask, power, score, at) for score, at, power in settings]
    assert min(abs(a - b) for a, b in itertools.combinations(found, 2)) > 1e-3


def oracle_distance(method: AST, sample: Sample, tensors: dict[str, torch.Tensor]) -> tuple[np.ndarray, np.ndarray]:
    """The unmasked distance and the mask of each cell, from the weights of a fitted method and the sample alone."""
    grid = method.image_size // 32
    filled = oracle.fill_gaps(sample.xyz[..., 2], closed=sample.plane)
    depth, foreground = oracle_depth(sample, 8 * grid, filled != 0, filled)
    mask = oracle.resize(oracle.dilate(foreground, 8).astype(float), grid)
    assert ((mask > 0) & (mask < 1)).any()
    mask = np.ones_like(mask) if method.modality == "rgb" else mask
    parts = [] if method.modality == "rgb" else [oracle.unshuffle(depth)]
    if method.modality != "depth":
        image = image_input(sample.rgb, method.image_size)
        parts.insert(0, oracle_efficientnet.features(image, tensors, pad_as=456))
    features, position = np.concatenate(parts), oracle.position_encoding(32, grid)
    pair = method._fitted()[1]
    latents, _ = oracle.teacher(features, position, as_weights(pair.teacher), method.blocks)
    predicted = oracle.student(features, position, as_weights(pair.student), method.residual_blocks)
    return oracle.distance_map(latents, predicted, mask, 0), mask
