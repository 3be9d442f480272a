"""G2SF: scores and maps against a direct implementation; state, seeds, and invalid input."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import oracle_g2sf as oracle
import pytest
import torch
from samples import make_sample, no_progress

from harness import registry
from harness.contract import MethodError, UnsupportedError
from harness.measure.reach import reachable_bytes
from methods.g2sf import G2SF
from methods.parts.g2sf import training

TINY = {
    "layers": 1,
    "centres": 32,
    "group_size": 16,
    "coreset": 0.02,
    "drop_path": "off",
    "images": 3,
    "rows": 240,
    "epochs": 1,
}


def disc(seed: int, **size):
    """A disc on a measured table."""
    sample = make_sample(seed, **({"radius": 40} | size))
    rows, columns = np.indices(sample.plane.shape)
    table = np.stack([columns * 7e-4 - 0.08, rows * 7e-4 - 0.08, np.full(rows.shape, 0.52)], -1).astype(np.float32)
    return replace(sample, measured=np.where(sample.plane[..., None], table, sample.xyz))


def fit(samples: int = 3, seed: int = 0, **parameters) -> G2SF:
    method = G2SF(**(TINY | parameters))
    method.fit([disc(index).blind() for index in range(samples)], seed=seed, device="cpu", progress=no_progress)
    return method


def predict(method: G2SF, sample=None):
    return method.infer(method.prepare(disc(9) if sample is None else sample))


@pytest.fixture(scope="module")
def fitted() -> G2SF:
    return fit()


def test_scores_equal_the_oracle_and_the_least_of_six_counts(fitted) -> None:
    model, sample = fitted._model, disc(9, height=200, width=224)
    patches = model.patches(fitted.prepare(sample))
    scores = model.candidate_scores(patches)
    state = {name: array.astype(np.float64) for name, array in fitted.state().items()}
    weights = {name.removeprefix("network."): array for name, array in state.items() if name.startswith("network.")}
    rgb, xyz = (patches[kind].double().numpy() for kind in ("rgb", "xyz"))
    reached = xyz.any(1)
    chosen = [*np.flatnonzero(reached)[::20], *np.flatnonzero(~reached)[::150]]
    expected = oracle.patch_scores(rgb, xyz, state["bank.rgb"], state["bank.xyz"], state["means"], weights, chosen)
    np.testing.assert_allclose(scores.numpy()[chosen], expected, rtol=1e-4)
    assert (scores.amin(1) <= scores[:, 0]).all()
    assert (scores.amin(1) < scores[:, 0]).any()
    score, plain, blurred = oracle.prediction(scores.double().numpy())
    found = predict(fitted, sample)
    assert found.score == pytest.approx(score, rel=1e-6)
    off = np.abs(found.anomaly_map - blurred)
    assert off.max() <= 1.01 * plain.max() / 255
    assert (off > 1e-4 * plain.max()).mean() < 0.02


def test_banks_are_a_share_of_all_patches_of_which_those_of_the_image_are_standardised(fitted) -> None:
    state = fitted.state()
    assert len(state["bank.rgb"]) == int(0.02 * 3 * 784)
    assert len(state["bank.xyz"]) == int(0.02 * 3 * 3136)
    networks = fitted._model.extractors
    raw = [networks.networks.image(fitted.prepare(disc(index)).image).double().numpy() for index in range(3)]
    pool = np.concatenate(raw)
    np.testing.assert_allclose(state["affine.rgb"], [pool.mean(), pool.std(ddof=1)], rtol=1e-5)
    standard = (pool - pool.mean()) / pool.std(ddof=1)
    assert max(np.abs(standard - vector).max(1).min() for vector in state["bank.rgb"]) < 1e-4


def test_a_patch_of_another_colour_scores_above_the_same_place_without_it(fitted) -> None:
    sample = disc(2)
    changed = sample.rgb.copy()
    changed[100:124, 100:124] = (0, 255, 0)
    before, after = (predict(fitted, one).anomaly_map for one in (sample, replace(sample, rgb=changed)))
    middle = (slice(104, 120), slice(104, 120))
    assert after[middle].mean() > 1.1 * before[middle].mean()
    far = np.ones((224, 224), bool)
    far[60:164, 60:164] = False
    np.testing.assert_allclose(after[far].mean(), before[far].mean(), rtol=0.3, atol=0.1)


def test_equal_seeds_give_equal_predictions_and_other_seeds_other_ones(fitted) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(7)  # of the global generator, which nothing may depend on
        first, again, other = predict(fitted), predict(fit()), predict(fit(seed=1))
    np.testing.assert_array_equal(first.anomaly_map, again.anomaly_map)
    assert first.score == again.score
    assert first.score != other.score


def test_drop_path_does_not_depend_on_earlier_predictions() -> None:
    method = fit(samples=1, drop_path="on", layers=4)
    first = predict(method)
    predict(method, disc(4))
    np.testing.assert_array_equal(first.anomaly_map, predict(method).anomaly_map)


def test_state_survives_restoring_and_pickling_and_its_bytes_are_reported(fitted) -> None:
    restored = G2SF(**TINY)
    restored.restore(fitted.state(), seed=0, device="cpu")
    expected = predict(fitted)
    assert expected.anomaly_map.shape == (224, 224)
    assert expected.anomaly_map.dtype == np.float32
    for other in (restored, pickle.loads(pickle.dumps(fitted))):
        again = predict(other)
        np.testing.assert_array_equal(again.anomaly_map, expected.anomaly_map)
        assert again.score == expected.score
    assert sum(fitted.state_bytes().values()) == pytest.approx(reachable_bytes(fitted), rel=0.05)


def test_one_sample_is_its_own_source() -> None:
    assert np.isfinite(predict(fit(samples=1)).score)


def test_every_stage_reports_its_progress() -> None:
    calls: dict[str, list[tuple[int, int]]] = {}
    method = G2SF(**TINY)
    method.fit(
        [disc(0), disc(1)],
        seed=0,
        device="cpu",
        progress=lambda stage, done, total, **_: calls.setdefault(stage, []).append((done, total)),
    )
    assert list(calls) == [
        "extract",
        "mean and deviation",
        "standardise",
        "project xyz",
        "coreset xyz",
        "project rgb",
        "coreset rgb",
        "synthesise",
        "train",
    ]
    assert all(steps[-1][0] == steps[-1][1] for steps in calls.values())


def test_a_loss_that_is_not_finite_names_the_learning_rate(monkeypatch) -> None:
    monkeypatch.setitem(training.WEIGHTS, "l1", float("nan"))
    with pytest.raises(MethodError, match=r"nan in epoch 1: .*g2sf\[lr=1.5e-05\]"):
        fit(samples=1)


@pytest.mark.parametrize(
    ("radius", "parameters", "fact"),
    [
        (0, {}, r"\b0 valid points"),
        (1.2, {}, r"\b16\b"),
        (2.4, {"group_size": 8}, "no place in common"),
        (40, {"rows": 24, "images": 1}, r"'images' or 'rows'"),
        (40, {"coreset": 0.001}, r"1 vectors but 11 neighbours"),
    ],
    ids=str,
)
def test_what_cannot_be_fitted_is_refused(radius, parameters, fact) -> None:
    method = G2SF(**(TINY | parameters))
    with pytest.raises(MethodError, match=fact):
        method.fit([disc(0, radius=radius)], seed=0, device="cpu", progress=no_progress)


def test_a_sample_without_its_measured_cloud_and_an_unfitted_method_are_errors(fitted) -> None:
    with pytest.raises(MethodError, match="'measured'"):
        G2SF(**TINY).fit([make_sample(0, radius=40)], seed=0, device="cpu", progress=no_progress)
    with pytest.raises(MethodError, match="not fitted"):
        predict(G2SF())
    with pytest.raises(MethodError, match=r"\b0 valid points"):
        predict(fitted, disc(5, radius=0))


@pytest.mark.parametrize(
    "parameters",
    [{"images": 0}, {"rows": 0}, {"epochs": 0}, {"batch": 1}, {"lr": 0.0}, {"coreset": 1.0}, {"consistency": "none"}],
    ids=str,
)
def test_parameters_that_are_refused(parameters) -> None:
    with pytest.raises(ValueError, match=next(iter(parameters))):
        G2SF(**parameters)


def test_the_paper_preset_is_the_released_code() -> None:
    """The printed numbers came with it; what the paper's text says instead is a choice of the user."""
    (spec,) = registry.parse(["g2sf"])
    assert registry.resolve(spec, "paper") == {
        name: parameter.default for name, parameter in registry.parameters_of("g2sf").items()
    }
    assert (G2SF().centres, G2SF().consistency, G2SF().separation) == (512, "broadcast", "weighted")


def test_shapes_of_all_categories_are_unsupported_with_a_reason() -> None:
    with pytest.raises(UnsupportedError, match="shape_pool=own"):
        G2SF(shape_pool="all")


def test_presets_are_parameters() -> None:
    for values in G2SF.meta.presets.values():
        G2SF(**values)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_cuda_device_predicts_what_it_restores() -> None:
    fitted = fit(samples=2)
    restored = G2SF(**TINY)
    restored.restore(fitted.state(), seed=0, device="cuda:0")
    expected = predict(fitted).anomaly_map
    np.testing.assert_allclose(predict(restored).anomaly_map, expected, atol=2e-2 * expected.max())
