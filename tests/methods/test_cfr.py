"""CFR: determinism, state, shares of pixels, and invalid input."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from samples import make_sample, no_progress
from test_cfr_against_oracle import SMALL, Shallow

from harness.contract import MethodError
from methods.cfr import CFR
from methods.parts.smoothing import smooth

QUICK = SMALL | {"pixels": 60, "retriever_pixels": 60, "key_rows": 30, "theta": 0.0}


def fit(seed: int = 0, count: int = 1, **parameters) -> Shallow:
    method = Shallow(**(QUICK | parameters))
    samples = [make_sample(s, radius=10).blind() for s in range(1, count + 1)]
    method.fit(samples, seed=seed, device="cpu", progress=no_progress)
    return method


def predict(method, seed: int = 9, radius: float = 10):
    return method.infer(method.prepare(make_sample(seed, radius=radius)))


@pytest.fixture(scope="module")
def fitted() -> Shallow:
    return fit()


def test_equal_seeds_give_equal_predictions_and_other_seeds_other_ones(fitted: Shallow) -> None:
    first, again, other = (predict(method) for method in (fitted, fit(), fit(seed=1)))
    np.testing.assert_array_equal(first.anomaly_map, again.anomaly_map)
    assert first.score == again.score
    assert first.score != other.score


def test_drawn_pairs_and_drop_path_depend_on_the_sample_alone() -> None:
    method = fit(drop_path="on")
    assert len(method._replacer.banks.keys) > method.key_rows
    first = predict(method)
    predict(method, 4)
    np.testing.assert_array_equal(first.anomaly_map, predict(method).anomaly_map)


def test_state_survives_restoring(fitted: Shallow) -> None:
    restored = Shallow(**QUICK)
    restored.restore(fitted.state(), seed=0, device="cpu")
    np.testing.assert_array_equal(predict(restored).anomaly_map, predict(fitted).anomaly_map)
    assert restored.state_bytes() == fitted.state_bytes()
    assert fitted.state_bytes()["bank"] == fitted._replacer.banks.nbytes > 0


def test_one_sample_is_enough_and_all_its_pixels_are_candidates() -> None:
    method = fit(count=1, few_shots=1, coreset=0.001, epochs=1, retriever_epochs=1)
    assert len(method._replacer.banks.rgb) == int(0.001 * 224 * 224)
    assert predict(method).score > 0


def test_more_samples_than_few_shots_give_a_share_of_their_pixels() -> None:
    method = fit(count=2, few_shots=1, candidates=0.002, coreset=0.5)
    assert len(method._replacer.banks.rgb) == round(0.002 * 224 * 224)


@pytest.fixture(scope="module")
def batch() -> Shallow:
    return fit(bn_stats="batch")


@pytest.mark.parametrize("statistics", ["code", "running"])
def test_statistics_of_banks_and_of_inference(fitted: Shallow, batch: Shallow, statistics: str) -> None:
    """As in the authors' code the cloud's own statistics serve the test sample, those of pre-training the keys."""
    method = fitted if statistics == "code" else fit(bn_stats=statistics)
    assert not np.array_equal(method._replacer.banks.keys.numpy(), batch._replacer.banks.keys.numpy())
    assert np.array_equal(predict(method).extras["map_3d"], predict(batch).extras["map_3d"]) == (statistics == "code")


def test_each_stage_is_told_with_its_losses() -> None:
    stages: dict[str, int] = {}
    losses: list[float] = []

    def progress(stage: str, done: int, total: int, loss: float | None = None) -> None:
        assert stages.get(stage, 0) <= total
        stages[stage] = total
        if stage == "retriever" and loss is not None:
            losses.append(loss)

    method = Shallow(**QUICK)
    method.fit([make_sample(1, radius=10)], seed=0, device="cpu", progress=progress)
    assert list(stages) == ["extract", "train", "coreset", "retriever"]
    assert losses == method.retriever_losses_


def test_channel_means_of_features_are_shown(fitted: Shallow) -> None:
    means = fitted.explain(fitted.prepare(make_sample(9, radius=10)))
    assert sorted(means) == ["e2d", "e2d_mapped", "e3d", "e3d_mapped"]
    assert all(image.shape == (224, 224) for image in means.values())


def test_one_box_is_the_first_of_the_eight() -> None:
    image = torch.zeros(9, 9)
    image[4, 4] = 25
    smoothed = smooth(image, "box5")
    assert torch.equal(smoothed[2:7, 2:7], torch.ones(5, 5))
    assert smoothed.sum() == 25


@pytest.mark.parametrize(("radius", "fact"), [(0, r"\b0 valid points"), (1.2, r"\b16\b")])
def test_a_cloud_that_is_too_small_is_an_error(fitted: Shallow, radius: float, fact: str) -> None:
    with pytest.raises(MethodError, match=fact):
        predict(fitted, radius=radius)


@pytest.mark.parametrize(("named", "fact"), [("lr", r"'cfr\[lr="), ("retriever_lr", r"'cfr\[retriever_lr=")])
def test_a_loss_that_is_not_finite_is_an_error(named: str, fact: str) -> None:
    with pytest.raises(MethodError, match=fact):
        fit(**{named: 1e38, "epochs": 4, "retriever_epochs": 4})


def test_using_an_unfitted_method_is_an_error() -> None:
    with pytest.raises(MethodError, match="not fitted"):
        predict(CFR())


@pytest.mark.parametrize("named", [{"theta": 2.1}, {"coreset": 0}, {"candidates": 1.5}, {"keys": 0}, {"few_shots": -1}])
def test_parameters_out_of_range_are_refused(named) -> None:
    with pytest.raises(ValueError, match=next(iter(named))):
        CFR(**named)
