"""M3DM: patches, banks, scores and fits against a direct implementation; state, seeds, and invalid input."""

from __future__ import annotations

import pickle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import oracle_m3dm as oracle
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import make_sample, no_progress

from harness.contract import MethodError
from harness.measure.reach import reachable_bytes
from methods.m3dm import M3DM
from methods.parts.bank import patch_scores
from methods.parts.m3dm.patches import blacken, extract_patches, patch_rows
from methods.parts.patch_maps import patch_map

TINY = {"layers": 1, "centres": 32, "group_size": 16, "coreset": 0.01, "bank_sizes": "10pct", "drop_path": "off"}


def disc(seed: int, **size):
    return make_sample(seed, **({"radius": 14} | size))


def fit(samples=2, seed: int = 0, **parameters) -> M3DM:
    method = M3DM(**(TINY | parameters))
    nominal = [disc(index) for index in range(samples)]
    method.fit(nominal, seed=seed, device="cpu", progress=no_progress)
    return method


def predict(method: M3DM, sample=None):
    return method.infer(method.prepare(disc(9) if sample is None else sample))


@pytest.fixture(scope="module")
def fitted() -> M3DM:
    return fit()


@pytest.fixture(scope="module")
def fused() -> M3DM:
    return fit(samples=1, uff="train", uff_epochs=2, uff_align="spatial")


@pytest.fixture(scope="module")
def whole(fitted):
    """The oracle's patches of both training samples and of a test sample that is not square."""
    samples = [disc(0), disc(1), disc(9, height=200, width=224)]
    networks = fitted._extractors(0, "cpu")
    vit, points = (
        {name: tensor.double().numpy() for name, tensor in network.state_dict().items()}
        for network in (networks.vit, networks.points)
    )
    raw = [
        oracle.patches(one.rgb, one.xyz, one.plane, vit, points, keep=1, centres=32, group_size=16) for one in samples
    ]
    pools = {kind: np.concatenate([raw[0][kind], raw[1][kind]]) for kind in ("xyz", "rgb")}
    affines = oracle.affines(pools, ("xyz", "rgb"), "code")
    patches = [{kind: (one[kind] - m) / s for kind, (m, s) in affines.items()} for one in raw]
    return SimpleNamespace(samples=samples, affines=affines, patches=patches)


def assert_close(actual, expected, tolerance: float = 1e-4) -> None:
    actual, expected = np.asarray(actual, float), np.asarray(expected, float)
    assert np.abs(actual - expected).max() <= tolerance * max(1.0, np.abs(expected).max())


def assert_close_but_for_levels(actual, expected, level: float) -> None:
    """The blur's 8-bit levels turn rounding into steps: few, and none higher than a level of all added maps."""
    off = np.abs(np.asarray(actual, float) - expected)
    assert off.max() <= 1.01 * level
    assert (off > 1e-4 * expected.max()).mean() < 0.02


def test_patches_equal_the_oracle(fitted, whole) -> None:
    for sample, expected in zip(whole.samples, whole.patches, strict=True):
        patches = fitted._model.patches(fitted.prepare(sample))
        for kind in ("xyz", "rgb"):
            assert_close(patches[kind], expected[kind])
            np.testing.assert_array_equal((expected[kind] == expected[kind][0]).all(1)[1:50], kind == "xyz")


def test_banks_are_standardised_patches_without_a_row_of_zeros(fitted, whole) -> None:
    state = fitted.state()
    for kind, rows in (("xyz", 62), ("rgb", 15)):
        assert_close(state[f"affine.{kind}"], whole.affines[kind], 1e-6)
        bank = state[f"bank.{kind}"]
        assert bank.any(1).all()
        pool = np.concatenate([one[kind] for one in whole.patches[:2]])
        gaps = np.array([np.abs(pool - vector).max(1).min() for vector in bank])
        assert len(bank) == rows
        assert gaps.max() < 1e-4


def test_banks_that_are_added_give_the_sum_of_scores_and_maps(fitted, whole) -> None:
    method = M3DM(**TINY, combine="sum")
    state = {name: array for name, array in fitted.state().items() if not name.startswith("decision")}
    method.restore(state, seed=0, device="cpu")
    prediction = predict(method, whole.samples[2])
    banks = [state[f"bank.{kind}"].astype(np.float64) for kind in ("xyz", "rgb")]
    patches = [whole.patches[2][kind] for kind in ("xyz", "rgb")]
    score, image = oracle.added(banks, patches)
    assert prediction.score == pytest.approx(score, rel=1e-4)
    direct = [oracle.bank_score(bank, rows)[0] for bank, rows in zip(banks, patches, strict=True)]
    assert_close_but_for_levels(
        prediction.anomaly_map, image, sum(oracle.blurred(one)[0].max() for one in direct) / 255
    )
    plain = sum(prediction.extras[f"map_{kind}"] for kind in ("xyz", "rgb"))
    np.testing.assert_array_equal(prediction.anomaly_map, plain)


def oracle_scores(fitted, patches):
    """Weighted image scores, weighted blurred maps, and unblurred maps, of both banks."""
    direct = SimpleNamespace(scores=[], maps=[], plain=[], levels=[])
    for kind, weight in (("xyz", 1.0), ("rgb", 0.1)):
        bank = fitted.state()[f"bank.{kind}"].astype(np.float64)
        distances, score = oracle.bank_score(bank, patches[kind], divide=1000)
        plain, blurred = oracle.blurred(distances)
        direct.scores.append(weight * score)
        direct.maps.append(weight * blurred)
        direct.plain.append(plain)
        direct.levels.append(weight * plain.max() / 255)
    return direct


def test_scores_and_maps_equal_the_oracle(fitted, whole) -> None:
    expected = oracle_scores(fitted, whole.patches[2])
    model, prediction = fitted._model, predict(fitted, whole.samples[2])
    patches = model.patches(fitted.prepare(whole.samples[2]))
    for index, kind in enumerate(("xyz", "rgb")):
        assert_close(patch_map(patch_scores(model.banks[kind], patches[kind])[0], 224), expected.plain[index])
        assert_close_but_for_levels(prediction.extras[f"map_{kind}"], expected.maps[index], expected.levels[index])
    state = fitted.state()
    np.testing.assert_allclose(prediction.score, state["decision.image"] @ expected.scores, rtol=1e-4)
    mixed, level = (np.tensordot(state["decision.pixel"], values, 1) for values in (expected.maps, expected.levels))
    assert_close_but_for_levels(prediction.anomaly_map, mixed, level)


def test_the_decision_layer_is_fitted_on_the_training_samples(fitted, whole) -> None:
    training = [oracle_scores(fitted, patches) for patches in whole.patches[:2]]
    scored = np.array([[0.3, 0.1], [0.1, 0.7]], np.float32)
    rows = np.array([one.scores for one in training], np.float32)
    np.testing.assert_allclose(scored @ fitted.state()["decision.image"], oracle.one_class(rows)(scored), rtol=1e-3)
    pixels = np.concatenate([np.stack(one.maps, -1).reshape(-1, 2) for one in training]).astype(np.float32)
    np.testing.assert_allclose(scored @ fitted.state()["decision.pixel"], oracle.one_class(pixels)(scored), rtol=1e-2)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 150), st.integers(3, 12), st.sampled_from([3, 6, 11]))
def test_rows_of_cloud_patches_equal_the_dense_computation(seed: int, count: int, centres: int, grid: int) -> None:
    size = 24
    draw = np.random.default_rng(seed)
    pixels = np.sort(draw.choice(size * size, count, replace=False))
    points, middle = draw.normal(0, 0.3, (count, 3)), draw.normal(0, 0.3, (centres, 3))
    tokens = draw.uniform(0.5, 1.5, (centres, 4))
    rows = patch_rows(*map(torch.from_numpy, (points, pixels, middle)), size, grid)
    expected = oracle.cloud_patches(points, pixels, middle, tokens, size, grid)
    np.testing.assert_allclose((rows @ torch.from_numpy(tokens)).numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("shape", [(40, 60), (61, 40)])
def test_the_background_plane_and_the_padding_are_black(shape) -> None:
    sample = disc(3, height=shape[0], width=shape[1])
    before = sample.rgb.copy()
    np.testing.assert_array_equal(blacken(sample, "black").rgb, oracle.black_square(sample.rgb, sample.plane))
    np.testing.assert_array_equal(sample.rgb, before)
    kept = M3DM(**TINY, rgb_background="keep")
    networks = kept._extractors(0, "cpu")
    assert torch.equal(kept._inputs(networks, sample).image, networks.prepare(sample).image)


def test_equal_seeds_give_equal_predictions_and_other_seeds_other_ones(fitted) -> None:
    first, again, other = predict(fitted), predict(fit()), predict(fit(seed=1))
    np.testing.assert_array_equal(first.anomaly_map, again.anomaly_map)
    assert first.score == again.score
    assert first.score != other.score


def test_training_samples_that_are_all_in_the_bank_need_drop_path() -> None:
    with pytest.raises(MethodError, match=r"xyz .*drop_path=on"):
        fit(samples=1, coreset=0.05)
    assert (fit(samples=1, coreset=0.05, drop_path="on", layers=4, seed=6).state()["decision.image"] > 0).all()


def test_drop_path_does_not_depend_on_earlier_predictions() -> None:
    method = fit(samples=1, drop_path="on", layers=12, banks="xyz")
    first = predict(method)
    predict(method, disc(4))
    np.testing.assert_array_equal(first.anomaly_map, predict(method).anomaly_map)
    assert not np.array_equal(first.anomaly_map, predict(fit(samples=1, layers=12, banks="xyz")).anomaly_map)


@pytest.mark.parametrize("parameters", [{}, {"uff": "train"}, {"banks": "rgb"}, {"combine": "sum"}], ids=str)
def test_state_survives_restoring_and_pickling_and_its_bytes_are_reported(fitted, fused, parameters) -> None:
    ready = {"": fitted, "uff": fused}.get("".join(parameters))
    method = ready or fit(samples=1, **parameters)
    restored = M3DM(**TINY, **parameters)
    restored.restore(method.state(), seed=0, device="cpu")
    expected = predict(method)
    assert expected.anomaly_map.shape == (224, 224)
    assert expected.anomaly_map.dtype == np.float32
    for other in (restored, pickle.loads(pickle.dumps(method))):
        again = predict(other)
        np.testing.assert_array_equal(again.anomaly_map, expected.anomaly_map)
        assert again.score == expected.score
    assert sum(method.state_bytes().values()) == pytest.approx(reachable_bytes(method), rel=0.05)


def test_three_banks_with_a_trained_fusion(fused) -> None:
    model, inputs = fused._model, fused.prepare(disc(9))
    assert {kind: bank.dim for kind, bank in model.banks.items()} == {"xyz": 384, "rgb": 768, "fusion": 768 + 384}
    assert set(fused.infer(inputs).extras) == {"map_xyz", "map_rgb", "map_fusion"}
    raw = extract_patches(model.extractors, inputs, ("xyz", "rgb"))
    weights = {name: tensor.double().numpy() for name, tensor in model.uff.state_dict().items()}
    expected = oracle.fuse(raw["rgb"].double().numpy(), raw["xyz"].double().numpy(), weights)
    mean, scale = fused.state()["affine.fusion"]
    assert_close(model.patches(inputs)["fusion"], (expected - mean) / scale)


def test_a_released_fusion_is_used(fused, tmp_path: Path) -> None:
    path = tmp_path / "uff.pth"
    torch.save(fused._model.uff.state_dict(), path)
    released = fit(samples=1, uff="released", uff_checkpoint=str(path))
    np.testing.assert_array_equal(predict(released).anomaly_map, predict(fused).anomaly_map)


def test_fit_sees_neither_mask_nor_label_and_at_most_max_sample_samples(fitted) -> None:
    blind = M3DM(**TINY, max_sample=1)
    samples = [disc(index).blind() for index in range(4)]
    blind.fit(samples, seed=0, device="cpu", progress=no_progress)
    np.testing.assert_array_equal(predict(blind).anomaly_map, predict(fitted).anomaly_map)


def test_every_stage_reports_its_progress() -> None:
    calls: dict[str, list[tuple[int, int]]] = {}
    method = M3DM(**TINY, uff="train", uff_epochs=1)
    method.fit(
        [disc(0)],
        seed=0,
        device="cpu",
        progress=lambda stage, done, total, **_: calls.setdefault(stage, []).append((done, total)),
    )
    assert list(calls) == [
        "extract",
        "train fusion",
        "fuse",
        "mean and deviation",
        "standardise",
        "project xyz",
        "coreset xyz",
        "project rgb",
        "coreset rgb",
        "project fusion",
        "coreset fusion",
        "score training samples",
        "decision layer",
    ]
    assert all(steps[-1][0] == steps[-1][1] for steps in calls.values())


@pytest.mark.parametrize(("radius", "fact"), [(0, r"\b0 valid points"), (1.2, r"\b16\b")])
def test_a_cloud_that_is_too_small_is_an_error(fitted, radius: float, fact: str) -> None:
    with pytest.raises(MethodError, match=fact):
        predict(fitted, disc(5, radius=radius))


def test_a_bank_that_is_too_small_is_an_error() -> None:
    with pytest.raises(MethodError, match=r"1 vectors .*3 neighbours"):
        fit(samples=1, banks="rgb", coreset=0.0001).infer(fit(samples=1, banks="rgb").prepare(disc(1)))


def test_using_an_unfitted_method_is_an_error() -> None:
    with pytest.raises(MethodError, match="not fitted"):
        predict(M3DM())


@pytest.mark.parametrize(
    "parameters",
    [
        {"uff_epochs": 0},
        {"rgb_weight": 0.0},
        {"coreset": 1.0},
        {"nu": 0.0},
        {"max_sample": -1},
        {"uff": "released"},
        {"uff_checkpoint": "uff.pth"},
        {"uff_sha256": "12"},
        {"banks": "fusion"},
        {"banks": "rgb", "uff": "train"},
        {"drop_background": True},
        {"rgb_weight": 0.2, "combine": "sum"},
        {"xyz_weight": 2.0, "banks": "xyz"},
    ],
    ids=str,
)
def test_parameters_that_are_refused(parameters) -> None:
    with pytest.raises(ValueError, match=next(iter(parameters))):
        M3DM(**parameters)


def test_presets_are_parameters() -> None:
    for values in M3DM.meta.presets.values():
        M3DM(**values)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_cuda_device_gives_the_same_maps() -> None:
    maps = []
    for device in ("cpu", "cuda:0"):
        method = M3DM(**TINY)
        method.fit([disc(index) for index in range(2)], seed=0, device=device, progress=no_progress)
        maps.append(predict(method).anomaly_map)
    np.testing.assert_allclose(maps[0], maps[1], atol=2e-2 * maps[0].max())
