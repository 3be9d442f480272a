"""BTF: features and scores against the oracle, every variant, state, and invalid input."""

from __future__ import annotations

import pickle
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import oracle_btf as oracle
import oracle_cfm
import pytest
import timm
import torch
from safetensors.torch import save_file
from samples import make_sample, no_progress

from harness.contract import MethodError, Sample, UnsupportedError
from harness.measure.reach import reachable_bytes
from methods.btf import BTF
from methods.parts.coreset import projected
from methods.parts.fpfh import FPFHSettings, fpfh
from methods.parts.wide_resnet import build_wide_resnet, wide_resnet_patches
from methods.weights import WIDE_RESNET50_2

DIMENSIONS = {"rgb": 1536, "depth": 1536, "raw": 64, "hog": 8, "sift": 128, "fpfh": 33, "rgb+fpfh": 1569}


def fit(samples: int = 2, seed: int = 0, **parameters) -> BTF:
    method = BTF(**({"features": "fpfh"} | parameters))
    nominal = [make_sample(number, radius=25) for number in range(1, 1 + samples)]
    method.fit(nominal, seed=seed, device="cpu", progress=no_progress)
    return method


def predict(method: BTF, sample: Sample | None = None):
    return method.infer(method.prepare(make_sample(9, radius=25) if sample is None else sample))


def patches_of(method: BTF, sample: Sample) -> torch.Tensor:
    return method._describer.patches(method._describer.prepare(sample))


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    """Timm's whole network without its last stage, with the random weights of BTF's network."""
    with torch.device("meta"):
        whole = timm.create_model("wide_resnet50_2", num_classes=0)
    whole.layer4 = torch.nn.Identity()
    whole.load_state_dict(build_wide_resnet(weights=None).state_dict(), assign=True)
    return whole


@pytest.fixture(scope="module")
def published() -> BTF:
    """The published settings on two samples."""
    return fit(features="rgb+fpfh", seed=4)


def test_features_equal_the_oracle(published: BTF, network: torch.nn.Module) -> None:
    sample = make_sample(3, height=150, width=201, radius=30)
    described = patches_of(published, sample)
    image = oracle.image_input(sample.rgb, sample.plane)
    points, pixels = oracle_cfm.cloud_input(sample.xyz)
    shape = oracle.fpfh_patches(points, pixels, lambda cloud: fpfh(cloud, FPFHSettings(0.1, 30, 0.25, 100), seed=0))
    colour = oracle.wide_resnet_patches(network, image)
    assert described.dtype == torch.float64
    np.testing.assert_allclose(described[:, :1536], colour, atol=1e-4 * np.abs(colour).max())
    np.testing.assert_allclose(described[:, 1536:], shape, atol=1e-9)


def test_the_network_of_depth_gets_depth_in_three_channels(network: torch.nn.Module) -> None:
    sample = make_sample(4, height=180, width=120, radius=30)
    method = BTF(features="depth")
    method._describer = method._build(seed=0, device="cpu")
    expected = oracle.wide_resnet_patches(network, np.stack([oracle.depth_input(sample.xyz)] * 3))
    np.testing.assert_allclose(patches_of(method, sample), expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("features", ["fpfh", "rgb+fpfh"])
def test_scores_and_maps_equal_the_oracle(published: BTF, features: str) -> None:
    method = published if features == "rgb+fpfh" else fit()
    sample = make_sample(9, radius=25)
    prediction = predict(method, sample)
    expected = oracle.predict(method._bank.vectors.numpy(), patches_of(method, sample).numpy())
    assert prediction.score == pytest.approx(expected["score"], rel=1e-4)
    np.testing.assert_allclose(
        prediction.anomaly_map, expected["anomaly_map"], atol=1e-4 * expected["anomaly_map"].max()
    )


@pytest.mark.parametrize("features", ["fpfh", "sift", "rgb+fpfh"])
def test_the_bank_equals_the_picks_of_the_plain_loop(published: BTF, features: str) -> None:
    method = published if features == "rgb+fpfh" else fit(features=features, seed=4)
    vectors = torch.cat([patches_of(method, make_sample(number, radius=25)) for number in (1, 2)])
    points = projected(vectors, seed=4, eps=0.9, dtype="float16", device="cpu")
    assert points.shape[1] == {"fpfh": 33, "sift": 128, "rgb+fpfh": 181}[features]
    picks = oracle.plain_coreset(points.numpy().astype(np.float64), 156)
    assert torch.equal(method._bank.vectors, vectors[picks])


@pytest.mark.parametrize("features", DIMENSIONS)
def test_every_variant(features: str) -> None:
    method, again = fit(1, features=features), fit(1, features=features)
    assert (len(method._bank), method._bank.dim) == (78, DIMENSIONS[features])
    sample = make_sample(9, height=160, width=224, radius=25)
    prediction, repeated = predict(method, sample), predict(again, sample)
    np.testing.assert_array_equal(prediction.anomaly_map, repeated.anomaly_map)
    assert prediction.score == repeated.score > 0
    assert (prediction.anomaly_map.shape, prediction.anomaly_map.dtype) == ((224, 224), np.float32)
    assert np.isfinite(prediction.anomaly_map).all()


@pytest.mark.parametrize("features", ["fpfh", "sift"])
def test_a_training_sample_scores_0_against_the_whole_bank(features: str) -> None:
    """Its patches are in the bank, and direct differences of equal vectors are exactly 0."""
    prediction = predict(fit(features=features, coreset=1.0), make_sample(1, radius=25))
    assert prediction.score == 0
    assert not prediction.anomaly_map.any()


def test_state_survives_restoring_and_pickling(published: BTF) -> None:
    expected = predict(published)
    restored = BTF(features="rgb+fpfh")
    restored.restore(published.state(), seed=4, device="cpu")
    for method in (restored, pickle.loads(pickle.dumps(published))):
        prediction = predict(method)
        np.testing.assert_array_equal(prediction.anomaly_map, expected.anomaly_map)
        assert prediction.score == expected.score


@pytest.mark.parametrize("features", ["rgb+fpfh", "raw"])
def test_state_bytes_are_those_of_reachable_tensors(published: BTF, features: str) -> None:
    method = published if features == "rgb+fpfh" else fit(features=features)
    sizes = method.state_bytes()
    assert sum(sizes.values()) == pytest.approx(reachable_bytes(method), rel=0.01)
    assert (sizes["weights"] > 0) == (features == "rgb+fpfh")
    assert sizes["other"] == 0


def test_fit_sees_neither_mask_nor_label() -> None:
    blind = BTF(features="hog")
    samples = [make_sample(number, radius=25).blind() for number in (1, 2)]
    blind.fit(samples, seed=0, device="cpu", progress=no_progress)
    np.testing.assert_array_equal(predict(blind).anomaly_map, predict(fit(features="hog")).anomaly_map)


def test_the_removed_background_is_black_unless_it_is_kept() -> None:
    sample = make_sample(2, radius=25)
    other = replace(sample, rgb=np.where(sample.plane[..., None], np.uint8(200), sample.rgb))
    for background, same in (("black", True), ("keep", False)):
        method = BTF(rgb_background=background)
        extractor = method._build(seed=0, device="cpu")
        first, second = (extractor.prepare(variant).image for variant in (sample, other))
        assert torch.equal(first, second) == same


def test_choices_of_score_and_blur() -> None:
    raw = predict(fit(score="max", blur="none"))
    assert raw.score == pytest.approx(float(raw.anomaly_map.max()), rel=0.1)
    assert predict(fit()).score < raw.score
    smooth = predict(fit(score="max", blur="gaussian"))
    assert smooth.score == raw.score
    assert smooth.anomaly_map.max() < raw.anomaly_map.max()


def test_choices_of_the_projection_and_the_neighbourhoods() -> None:
    vectors = fit().state()["bank"]
    for other in (
        {"coreset_dtype": "float32"},
        {"fpfh_neighbours": 40},
        {"normal_neighbours": 10},
        {"fpfh_radius": 0.003},
        {"normal_radius": 0.003},
    ):
        assert not np.array_equal(fit(**other).state()["bank"], vectors)
    first, second = (fit(features="sift", coreset_eps=eps).state()["bank"] for eps in (0.9, 0.99))
    assert np.array_equal(first, second)


def test_weights_are_read_from_a_timm_file(tmp_path: Path) -> None:
    tensors = dict(build_wide_resnet(weights=None, seed=7).state_dict())
    path = tmp_path / WIDE_RESNET50_2.name
    save_file(tensors | {"fc.weight": torch.ones(10, 2048)}, path)
    image = torch.rand(3, 224, 224, generator=torch.Generator().manual_seed(0))
    method = BTF(features="rgb")
    method.load_weights({WIDE_RESNET50_2.name: path})
    read = method._build(seed=0, device="cpu")._network
    expected = wide_resnet_patches(build_wide_resnet(weights=None, seed=7), image, 28)
    assert torch.equal(wide_resnet_patches(read, image, 28), expected)
    save_file({name: tensor for name, tensor in tensors.items() if name != "layer3.5.bn3.bias"}, path)
    with pytest.raises(MethodError, match=r"'layer3\.5\.bn3\.bias'"):
        build_wide_resnet(weights=path)


def test_random_features_neither_vanish_nor_explode() -> None:
    image = torch.randn(3, 224, 224, generator=torch.Generator().manual_seed(0))
    described = wide_resnet_patches(build_wide_resnet(weights=None), image, 28)
    for layer in (described[:, :512], described[:, 512:]):
        assert 0.05 < float(layer.std()) < 20


def test_an_empty_cloud_is_an_error_if_features_need_it() -> None:
    empty = make_sample(5, radius=0)
    with pytest.raises(MethodError, match="no valid point"):
        predict(fit(), empty)
    assert np.isfinite(predict(fit(features="raw"), empty).anomaly_map).all()


def test_a_single_point_is_enough() -> None:
    sample = make_sample(5)
    xyz = np.zeros_like(sample.xyz)
    xyz[100, 100] = (0.01, 0.01, 0.5)
    assert np.isfinite(predict(fit(), replace(sample, xyz=xyz)).anomaly_map).all()


def test_a_bank_too_small_for_the_score_is_an_error() -> None:
    with pytest.raises(MethodError, match=r"1 vectors .*3 neighbours"):
        fit(features="raw", coreset=1e-4)
    assert len(fit(features="raw", coreset=1e-4, score="max")._bank) == 1


def test_a_missing_package_is_an_error_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    from methods.parts import fpfh as fpfh_module

    class Untouched:
        def __len__(self) -> int:
            return 1

        def __getitem__(self, index: int) -> Sample:
            return pytest.fail("a sample was loaded")

    monkeypatch.setitem(sys.modules, "open3d", None)
    fpfh_module._open3d.cache_clear()
    try:
        with pytest.raises(UnsupportedError, match=r"pip install 'ad3d-harness\[btf\]'"):
            BTF(features="fpfh").fit(Untouched(), seed=0, device="cpu", progress=no_progress)
    finally:
        fpfh_module._open3d.cache_clear()


def test_every_sample_is_told_before_it_is_described() -> None:
    calls: list[tuple[str, int, int]] = []
    samples = [make_sample(number, radius=25) for number in (1, 2)]
    BTF(features="hog", coreset=1.0).fit(samples, seed=0, device="cpu", progress=lambda *step, **_: calls.append(step))
    assert calls == [("extract", done, 2) for done in range(3)]


def test_using_an_unfitted_method_is_an_error() -> None:
    with pytest.raises(MethodError, match="not fitted"):
        predict(BTF())


@pytest.mark.parametrize(
    "parameters",
    [{"coreset": 0.0}, {"coreset": 1.5}, {"coreset_eps": 1.0}, {"normal_radius": 0.0}, {"fpfh_neighbours": 0}],
)
def test_parameters_out_of_range_are_refused(parameters) -> None:
    with pytest.raises(ValueError, match=next(iter(parameters))):
        BTF(**parameters)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_cuda_device_gives_the_same_map() -> None:
    sample, maps = make_sample(9, radius=25), []
    for device in ("cpu", "cuda:0"):
        method = BTF(coreset=1.0)
        method.fit([make_sample(1, radius=25)], seed=0, device=device, progress=no_progress)
        maps.append(method.infer(method.prepare(sample)).anomaly_map)
    np.testing.assert_allclose(maps[0], maps[1], atol=1e-2 * maps[0].max())
