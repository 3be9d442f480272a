"""CFM: parameters, determinism, state, and invalid input."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from samples import make_sample, no_progress

from harness.contract import MethodError
from methods.cfm import CFM, CFMMedium, CFMSmall, CFMTiny
from methods.parts.cfm.mapping import MappingPair
from methods.parts.cfm.training import _draw
from methods.parts.smoothing import smooth

SMALL = {"centres": 32, "group_size": 16, "epochs": 2, "pixels": 200}


def fit(seed: int = 0, **parameters) -> CFMTiny:
    method = CFMTiny(**(SMALL | parameters))
    method.fit([make_sample(s, radius=12) for s in (1, 2, 3)], seed=seed, device="cpu", progress=no_progress)
    return method


def predict(method, sample=None):
    return method.infer(method.prepare(make_sample(9, radius=12) if sample is None else sample))


@pytest.mark.parametrize("drop_path", ["off", "on"])
def test_equal_seeds_give_equal_predictions_and_other_seeds_other_ones(drop_path: str) -> None:
    first, again, other = (predict(fit(seed, drop_path=drop_path)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.anomaly_map, again.anomaly_map)
    assert first.score == again.score
    assert first.score != other.score


def test_drop_path_does_not_depend_on_earlier_predictions() -> None:
    method = CFMMedium(**SMALL, drop_path="on")
    method.fit([make_sample(1, radius=12)], seed=0, device="cpu", progress=no_progress)
    first = predict(method)
    predict(method, make_sample(4, radius=12))
    np.testing.assert_array_equal(first.anomaly_map, predict(method).anomaly_map)


def test_pixels_are_drawn_from_each_image_in_proportion_to_its_size_and_none_twice() -> None:
    drawn = _draw([600, 300, 1, 99], 100, torch.Generator().manual_seed(0))
    assert [len(rows) for rows in drawn] == [60, 30, 1, 10]
    for rows, size in zip(drawn, (600, 300, 1, 99), strict=True):
        assert len(set(rows.tolist())) == len(rows)
        assert int(rows.max()) < size


def test_every_sample_and_epoch_is_told_before_it_begins() -> None:
    calls: list[tuple[str, int, int]] = []
    losses: list[float] = []

    def progress(*step, loss: float | None = None) -> None:
        calls.append(step)
        losses.extend([] if loss is None else [loss])

    samples = [make_sample(s, radius=12) for s in (1, 2, 3)]
    CFMTiny(**SMALL).fit(samples, seed=0, device="cpu", progress=progress)
    assert calls == [
        (stage, done, total) for stage, total in (("extract", 3), ("train", 2)) for done in range(total + 1)
    ]
    assert len(set(losses)) == 2, "of both epochs"


@pytest.mark.parametrize("smoothing", ["box", "gaussian"])
def test_half_precision_is_close(smoothing: str) -> None:
    full, half = predict(fit(smoothing=smoothing)), predict(fit(precision="bf16", smoothing=smoothing))
    assert half.anomaly_map.dtype == np.float32
    assert np.abs(full.anomaly_map - half.anomaly_map).mean() < 0.1 * full.anomaly_map.max()


def test_state_survives_restoring_and_pickling() -> None:
    method = fit()
    restored = CFMTiny(**SMALL)
    restored.restore(method.state(), seed=0, device="cpu")
    expected = predict(method).anomaly_map
    np.testing.assert_array_equal(predict(restored).anomaly_map, expected)
    np.testing.assert_array_equal(predict(pickle.loads(pickle.dumps(method))).anomaly_map, expected)


def test_fit_sees_neither_mask_nor_label() -> None:
    samples = [make_sample(s, radius=12) for s in (1, 2, 3)]
    blind = CFMTiny(**SMALL)
    blind.fit([sample.blind() for sample in samples], seed=0, device="cpu", progress=no_progress)
    np.testing.assert_array_equal(predict(blind).anomaly_map, predict(fit()).anomaly_map)


@pytest.mark.parametrize(("radius", "fact"), [(0, r"\b0 valid points"), (1.2, r"\b16\b")])
def test_a_cloud_that_is_too_small_is_an_error(radius: float, fact: str) -> None:
    with pytest.raises(MethodError, match=fact):
        predict(fit(), make_sample(5, radius=radius))


def test_a_loss_that_is_not_finite_is_an_error() -> None:
    with pytest.raises(MethodError, match="loss became"):
        fit(lr=1e30, epochs=8)


def test_using_an_unfitted_method_is_an_error() -> None:
    with pytest.raises(MethodError, match="not fitted"):
        predict(CFM())


@pytest.mark.parametrize(
    ("hidden", "image", "cloud"), [(960, (960, 2_398_848), (960, 3_136_512)), (0, (768, 1_771_776), (1152, 3_984_768))]
)
def test_intramodal_mappings_change_the_input_layers_of_the_crossmodal_ones(hidden: int, image, cloud) -> None:
    """The paper's Table 7 has the widths of crossmodal CFM between; with ``mean`` there is no bottleneck."""
    pair = MappingPair(768, 1152, "intra", hidden)
    for mapping, (width, count), channels in ((pair.to_2d, image, 768), (pair.to_3d, cloud, 1152)):
        layers = (mapping.input, mapping.projection, mapping.output)
        sides = [(layer.in_features, layer.out_features) for layer in layers]
        assert sides == [(channels, width), (width, width), (width, channels)]
        assert sum(tensor.numel() for tensor in mapping.parameters()) == count


@pytest.mark.parametrize(("named", "widths"), [({}, (960, 960)), ({"intra_hidden": "mean"}, (768, 384))])
def test_the_parameter_decides_the_width(named, widths: tuple[int, int]) -> None:
    _, pair = CFMTiny(**SMALL, mapping="intra", **named)._build(seed=0, device="cpu")
    assert (pair.to_2d.input.out_features, pair.to_3d.input.out_features) == widths


def test_the_width_of_intramodal_mappings_leaves_crossmodal_ones_alone() -> None:
    pairs = [CFMTiny(**SMALL, intra_hidden=hidden)._build(seed=0, device="cpu")[1] for hidden in ("960", "mean")]
    for one, other in zip(*(pair.state_dict().values() for pair in pairs), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("variant", "first", "second"),
    [(CFM, 2_767_872, 2_767_488), (CFMMedium, 2_767_872, 2_767_488), (CFMTiny, 996_864, 997_248)],
)
def test_mappings_have_the_published_number_of_parameters(variant, first: int, second: int) -> None:
    from methods.parts.point_mae import taps_of

    pair = MappingPair(768, 384 * len(taps_of(variant.layers)))
    assert sum(p.numel() for p in pair.to_3d.parameters()) == first
    assert sum(p.numel() for p in pair.to_2d.parameters()) == second


@pytest.mark.parametrize(
    ("variant", "megabytes"), [(CFM, 452.67), (CFMMedium, 310.89), (CFMSmall, 169.12), (CFMTiny, 48.62)]
)
def test_memory_of_the_networks_equals_the_published_one(variant, megabytes: float) -> None:
    method = variant()
    method._make_ready(*method._build(seed=0, device="cpu"))
    sizes = method.state_bytes()
    assert sizes["weights"] / 1e6 == pytest.approx(megabytes, abs=0.02)
    assert (sizes["bank"], sizes["other"]) == (0, 0)


@pytest.mark.parametrize(("how", "variance", "off", "support"), [("box", 22, 1e-6, 39), ("gaussian", 16, 2e-3, 33)])
def test_smoothing_has_its_variance_and_support(how, variance: float, off: float, support: int) -> None:
    """A Gaussian of 4 pixels is cut at 4 standard deviations, where 0.1% of its variance is left."""
    impulse = torch.zeros(101, 101, dtype=torch.float64)
    impulse[50, 50] = 1
    profile = smooth(impulse, how).sum(0)
    offsets = torch.arange(101) - 50
    assert (profile * offsets**2).sum().item() == pytest.approx(variance, rel=off)
    assert int((profile > 0).sum()) == support


@pytest.mark.parametrize("how", ["box", "gaussian"])
def test_smoothing_preserves_the_sum_away_from_borders_and_none_preserves_the_map(how) -> None:
    image = torch.zeros(80, 80)
    image[40, 40] = 3
    assert smooth(image, how).sum().item() == pytest.approx(3, rel=1e-5)
    assert smooth(image, "none") is not None
    assert torch.equal(smooth(image, "none"), image)


@pytest.mark.parametrize("parameters", [{"epochs": 0}, {"lr": 0.0}, {"batch": -1}, {"pixels": -1}, {"group_size": 0}])
def test_parameters_out_of_range_are_refused(parameters) -> None:
    with pytest.raises(ValueError, match=next(iter(parameters))):
        CFM(**parameters)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("variant", [CFM, CFMTiny])
def test_a_cuda_device_gives_the_same_maps(variant) -> None:
    sample = make_sample(9, radius=40)
    maps = []
    for device in ("cpu", "cuda:0"):
        method = variant(epochs=2)
        method.fit([make_sample(s, radius=40) for s in (1, 2)], seed=0, device=device, progress=no_progress)
        maps.append(method.infer(method.prepare(sample)).anomaly_map)
    np.testing.assert_allclose(maps[0], maps[1], atol=1e-2 * maps[0].max())
