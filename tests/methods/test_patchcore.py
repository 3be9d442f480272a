"""PatchCore on one modality: features, picks, scores and maps against the oracle; state; invalid input."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import oracle_btf
import oracle_cfm
import oracle_patchcore as oracle
import pytest
import torch
from samples import make_sample, no_progress

from harness.contract import MethodError, Sample
from methods.parts.coreset import projected
from methods.parts.efficientnet_lite import build_efficientnet_lite0
from methods.parts.fpfh import FPFHSettings, fpfh
from methods.parts.wide_resnet import build_wide_resnet
from methods.patchcore import PatchCoreRGB, PatchCoreXYZ

LITE = {"backbone": "efficientnet-lite0"}
KINDS = [(PatchCoreRGB, LITE), (PatchCoreXYZ, {})]


def fit(kind=PatchCoreRGB, samples: int = 2, seed: int = 0, **parameters):
    method = kind(**parameters)
    nominal = [make_sample(number, radius=25) for number in range(1, 1 + samples)]
    method.fit(nominal, seed=seed, device="cpu", progress=no_progress)
    return method


def predict(method, sample: Sample | None = None):
    return method.infer(method.prepare(make_sample(9, radius=25) if sample is None else sample))


def patches_of(method, sample: Sample) -> torch.Tensor:
    return method._describer.patches(method._describer.prepare(sample))


@pytest.mark.parametrize(
    ("backbone", "build", "channels"),
    [("wide_resnet50", build_wide_resnet, 1536), ("efficientnet-lite0", build_efficientnet_lite0, 152)],
)
def test_features_of_an_image_equal_the_oracle(backbone: str, build, channels: int) -> None:
    sample = make_sample(3, height=150, width=201)
    method = PatchCoreRGB(backbone=backbone)
    method._describer = method._build(0, "cpu")
    described = patches_of(method, sample)
    expected = oracle.patches(build(weights=None), oracle.image_input(sample.rgb))
    assert (described.shape, described.dtype) == ((784, channels), torch.float32)
    assert np.median(expected.std(0)) > 1e-3
    np.testing.assert_allclose(described, expected, atol=1e-4 * np.abs(expected).max())


def test_features_of_a_cloud_equal_the_oracle() -> None:
    sample = make_sample(3, height=150, width=201)
    method = PatchCoreXYZ()
    method._describer = method._build(0, "cpu")
    points, pixels = oracle_cfm.cloud_input(sample.xyz)
    settings = FPFHSettings(0.1, 30, 0.25, 100)
    expected = oracle_btf.fpfh_patches(points, pixels, lambda cloud: fpfh(cloud, settings, seed=0))
    np.testing.assert_allclose(patches_of(method, sample), expected, atol=1e-9)


@pytest.mark.parametrize(("kind", "parameters"), KINDS)
def test_picks_scores_and_maps_equal_the_oracle(kind, parameters) -> None:
    method = fit(kind, seed=4, **parameters)
    vectors = torch.cat([patches_of(method, make_sample(number, radius=25)) for number in (1, 2)])
    points = projected(vectors, seed=4, eps=0.9, dtype="float32", device="cpu")
    assert torch.equal(method._bank.vectors, vectors[oracle_btf.plain_coreset(points.numpy().astype(float), 156)])
    sample = make_sample(9, radius=25)
    prediction = predict(method, sample)
    anomaly_map, score = oracle.predict(method._bank.vectors.numpy(), patches_of(method, sample).numpy())
    assert prediction.score == pytest.approx(score, rel=1e-4)
    np.testing.assert_allclose(prediction.anomaly_map, anomaly_map, atol=1e-4 * anomaly_map.max())
    largest = fit(kind, seed=4, score="max", smoothing="none", **parameters)
    distances = oracle_btf.scores(method._bank.vectors.double().numpy(), patches_of(method, sample).double().numpy())[0]
    plain = predict(largest, sample)
    assert plain.score == pytest.approx(distances.max(), rel=1e-4)
    assert plain.anomaly_map.max() <= plain.score * (1 + 1e-6)


@pytest.mark.parametrize(("kind", "parameters"), KINDS)
def test_two_fits_with_one_seed_and_a_restored_state_predict_the_same(kind, parameters) -> None:
    method, again, restored = fit(kind, **parameters), fit(kind, **parameters), kind(**parameters)
    restored.restore(method.state(), seed=0, device="cpu")
    expected = predict(method)
    assert np.isfinite(expected.anomaly_map).all()
    assert (expected.anomaly_map.shape, expected.anomaly_map.dtype) == ((224, 224), np.float32)
    for other in (again, restored):
        assert predict(other).score == expected.score > 0
        np.testing.assert_array_equal(predict(other).anomaly_map, expected.anomaly_map)
    assert method.state_bytes()["bank"] == method._bank.nbytes > 0


def test_each_sees_its_own_modality_alone() -> None:
    sample, stranger = make_sample(9, radius=25), make_sample(5, radius=40)
    image, cloud = fit(**LITE), fit(PatchCoreXYZ)
    without_cloud = replace(sample, xyz=np.zeros_like(sample.xyz), plane=np.ones_like(sample.plane))
    np.testing.assert_array_equal(predict(image, without_cloud).anomaly_map, predict(image, sample).anomaly_map)
    recoloured = replace(sample, rgb=stranger.rgb)
    np.testing.assert_array_equal(predict(cloud, recoloured).anomaly_map, predict(cloud, sample).anomaly_map)
    assert (PatchCoreRGB.meta.modalities, PatchCoreXYZ.meta.modalities) == (("rgb",), ("xyz",))


@pytest.mark.parametrize(("kind", "parameters"), KINDS)
def test_a_training_sample_scores_0_against_the_whole_bank(kind, parameters) -> None:
    prediction = predict(fit(kind, coreset=1.0, **parameters), make_sample(1, radius=25))
    assert prediction.score == 0
    assert not prediction.anomaly_map.any()


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (PatchCoreRGB, {"coreset": 0.0}),
        (PatchCoreRGB, {"coreset": 1.5}),
        (PatchCoreRGB, {"coreset_eps": 1.0}),
        (PatchCoreXYZ, {"fpfh_neighbours": 0}),
        (PatchCoreXYZ, {"normal_radius": 0.0}),
    ],
)
def test_a_value_out_of_range_names_the_parameter(kind, wrong) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        kind(**wrong)


def test_what_cannot_be_scored_is_one_sentence() -> None:
    with pytest.raises(MethodError, match="patchcore-rgb is not fitted"):
        predict(PatchCoreRGB())
    with pytest.raises(MethodError, match="3 neighbours"):
        fit(samples=1, coreset=0.001, **LITE)
    with pytest.raises(MethodError, match="no valid point"):
        predict(fit(PatchCoreXYZ, samples=1), make_sample(1, radius=0))


def test_weights_of_another_network_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "efficientnet-lite0-57934424.pth"
    torch.save({"layer1.0.conv1.weight": torch.zeros(3)}, path)
    with pytest.raises(MethodError, match=r"'layer1\.0\.conv1\.weight'"):
        build_efficientnet_lite0(weights=path)
    torch.save({"_conv_stem.weight": torch.zeros(32, 3, 3, 3)}, path)
    with pytest.raises(MethodError, match="lacks"):
        build_efficientnet_lite0(weights=path)
