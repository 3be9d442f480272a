"""CFM against a direct float64 implementation: features, maps, loss and training."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import oracle_cfm as oracle
import pytest
import torch
from samples import make_sample, no_progress

from methods.cfm import CFM, CFMMedium, CFMSmall, CFMTiny

SMALL = {"centres": 48, "group_size": 16, "epochs": 1}
VARIANTS = [CFM, CFMMedium, CFMSmall, CFMTiny]


def as_weights(module: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name: tensor.double().numpy() for name, tensor in module.state_dict().items()}


def give_norms_a_shape(module: torch.nn.Module) -> None:
    """Give norms random gains: with 1 a token's channels sum to 0, which the authors' code takes as background."""
    draw = torch.Generator().manual_seed(7)
    for child in module.modules():
        if isinstance(child, torch.nn.LayerNorm | torch.nn.BatchNorm1d):
            child.weight.data.uniform_(0.5, 1.5, generator=draw)
            child.bias.data.uniform_(-0.3, 0.3, generator=draw)
        if isinstance(child, torch.nn.BatchNorm1d):
            child.running_mean.uniform_(-0.1, 0.1, generator=draw)
            child.running_var.uniform_(0.5, 2.0, generator=draw)


def build(variant, sample, **parameters):
    """Build CFM and the oracle with the same weights, and the features of one sample from both."""
    method = variant(**(SMALL | parameters))
    extractors, pair = method._build(seed=3, device="cpu")
    give_norms_a_shape(extractors.vit)
    give_norms_a_shape(extractors.points)
    method._make_ready(extractors, pair)
    tokens = extractors.tokens(extractors.prepare(sample))
    expected = oracle.extract(
        sample.rgb,
        sample.xyz,
        as_weights(extractors.vit),
        as_weights(extractors.points),
        centres=SMALL["centres"],
        group_size=SMALL["group_size"],
        bn_stats=method.bn_stats,
    )
    return SimpleNamespace(method=method, extractors=extractors, pair=pair, tokens=tokens, expected=expected)


def assert_close(actual, expected, tolerance: float = 1e-4) -> None:
    actual, expected = np.asarray(actual, float), np.asarray(expected, float)
    assert np.abs(actual - expected).max() <= tolerance * max(1.0, np.abs(expected).max())


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: v.meta.name)
def test_features_and_maps_of_every_variant(variant) -> None:
    sample = make_sample(1, radius=14)
    both = build(variant, sample)
    np.testing.assert_array_equal(both.tokens.pixels.numpy(), np.flatnonzero(both.expected.mask))
    real_2d, real_3d = both.tokens.at(torch.arange(len(both.tokens)))
    assert_close(real_2d, both.expected.e2d[both.expected.mask])
    assert_close(real_3d, both.expected.e3d[both.expected.mask])
    _compare_maps(both, sample)


def _compare_maps(both, sample) -> None:
    prediction = both.method.infer(both.method.prepare(sample))
    expected = oracle.predict(
        both.expected,
        as_weights(both.pair.to_3d),
        as_weights(both.pair.to_2d),
        aggregate=both.method.aggregate,
        mapping=both.method.mapping,
    )
    assert_close(prediction.anomaly_map, expected["anomaly_map"])
    assert_close(prediction.pixel_map, expected["pixel_map"])
    assert_close(prediction.score, expected["score"])
    assert_close(prediction.extras["map_2d"], expected["map_2d"])
    assert_close(prediction.extras["map_3d"], expected["map_3d"])


@pytest.fixture(scope="module")
def tiny():
    """CFM-T on one sample."""
    sample = make_sample(2, radius=14)
    return build(CFMTiny, sample), sample


@pytest.mark.parametrize("aggregate", ["product", "sum", "max", "2d", "3d"])
def test_every_aggregate(tiny, monkeypatch: pytest.MonkeyPatch, aggregate: str) -> None:
    both, sample = tiny
    monkeypatch.setattr(both.method, "aggregate", aggregate)
    _compare_maps(both, sample)


@pytest.mark.parametrize("parameters", [{"bn_stats": "running"}, {"mapping": "intra"}], ids=str)
def test_running_statistics_and_intramodal_mappings(parameters) -> None:
    sample = make_sample(3, radius=14)
    _compare_maps(build(CFMTiny, sample, **parameters), sample)


@pytest.mark.parametrize("shape", [(200, 140), (131, 224)], ids=str)
def test_images_that_are_not_square(shape) -> None:
    sample = make_sample(4, height=shape[0], width=shape[1], radius=14)
    _compare_maps(build(CFMTiny, sample), sample)


def test_fewer_points_than_centres() -> None:
    sample = make_sample(5, radius=3.2)
    assert 16 <= np.count_nonzero(sample.xyz.all(-1)) < SMALL["centres"]
    both = build(CFMTiny, sample)
    assert_close(both.tokens.at(torch.arange(len(both.tokens)))[1], both.expected.e3d[both.expected.mask], 1e-3)


@pytest.mark.parametrize(("mapping", "hidden"), [("cross", "960"), ("intra", "960"), ("intra", "mean")])
def test_training_equals_the_oracle(mapping: str, hidden: str) -> None:
    samples = [make_sample(seed, radius=seed) for seed in (6, 7)]
    chosen = SMALL | {"mapping": mapping, "intra_hidden": hidden}
    method = CFMTiny(**(chosen | {"epochs": 4, "batch": 2}))
    method.fit(samples, seed=11, device="cpu", progress=no_progress)
    extractors, start = CFMTiny(**chosen)._build(seed=11, device="cpu")
    weights = as_weights(extractors.vit), as_weights(extractors.points)
    batch = [_features_on_reached_pixels(extractors, sample, weights) for sample in samples]
    trained = oracle.train_steps([batch], as_weights(start.to_3d), as_weights(start.to_2d), steps=4, mapping=mapping)
    np.testing.assert_allclose(method.losses_, trained.losses, atol=1e-4)
    assert trained.losses[0] == pytest.approx(
        oracle.batch_loss(batch, as_weights(start.to_3d), as_weights(start.to_2d), mapping=mapping), abs=1e-9
    )
    for learned, expected in ((method._pair.to_3d, trained.to_3d), (method._pair.to_2d, trained.to_2d)):
        for name, tensor in learned.state_dict().items():
            np.testing.assert_allclose(tensor.numpy(), expected[name], atol=5e-4)


def _features_on_reached_pixels(extractors, sample, weights):
    features = oracle.extract(
        sample.rgb, sample.xyz, *weights, centres=SMALL["centres"], group_size=SMALL["group_size"]
    )
    reached = np.zeros(features.mask.size, bool)
    reached[extractors.tokens(extractors.prepare(sample)).pixels.numpy()] = True
    return features._replace(mask=reached.reshape(features.mask.shape))


def test_gradients_of_chunks_sum_to_the_whole_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    from methods.parts.cfm import training as cfm_training

    samples = [make_sample(seed, radius=9) for seed in (8, 9)]
    losses = []
    for chunk in (16384, 37):
        monkeypatch.setattr(cfm_training, "_CHUNK", {"cpu": chunk})
        method = CFMTiny(**(SMALL | {"epochs": 3, "batch": 2}))
        method.fit(samples, seed=0, device="cpu", progress=no_progress)
        losses.append(method.losses_)
    np.testing.assert_allclose(losses[0], losses[1], atol=1e-5)
