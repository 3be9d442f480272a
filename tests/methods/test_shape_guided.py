"""Shape-Guided as a whole: scores and maps against the oracle; modalities; seeds, state, bad input."""

from __future__ import annotations

import numpy as np
import oracle_btf
import oracle_shape_guided as oracle
import pytest
import torch
from oracle_cfm import cloud_input
from samples import make_sample, no_progress

from harness.contract import ChoosesModalities, ChoosesWeights, MethodError, Sample, UnsupportedError
from methods.parts.initialise import named_generator
from methods.parts.patch_maps import pil_blur
from methods.parts.wide_resnet import build_wide_resnet
from methods.shape_guided import ShapeGuided

TINY = {
    "patch_points": 60,
    "overlap": 2,
    "width": 16,
    "train_clouds": 2,
    "train_overlap": 1,
    "queries": 20,
    "epochs": 2,
    "batch": 8,
    "lr": 1e-3,
    "align_samples": 2,
}


def sample_of(number: int) -> Sample:
    return make_sample(number, height=240, width=170, radius=16)


def fit(samples: int = 3, seed: int = 0, **parameters) -> ShapeGuided:
    method = ShapeGuided(**{**TINY, **parameters})
    nominal = [sample_of(number) for number in range(1, 1 + samples)]
    method.fit(nominal, seed=seed, device="cpu", progress=no_progress)
    return method


def predict(method: ShapeGuided, sample: Sample | None = None):
    return method.infer(method.prepare(sample_of(9) if sample is None else sample))


@pytest.fixture(scope="module")
def fitted() -> ShapeGuided:
    return fit()


def seen(method: ShapeGuided, network: torch.nn.Module, number: int, generator: torch.Generator | None) -> oracle.Seen:
    """A sample as the oracle describes it; without a generator the first centre is the product's."""
    sample = sample_of(number)
    points, pixels = cloud_input(sample.xyz)
    if generator is None:
        first = int(np.flatnonzero(pixels == int(method.prepare(sample).patches.pixels[0, 0]))[0])
    else:
        first = int(torch.randint(len(points), (), generator=generator))
    members, patches = oracle.cut(points, 60, 2, first)
    weights = {name: tensor.double() for name, tensor in method._model.extractor.surface.state_dict().items()}
    codes = oracle.encode(torch.from_numpy(patches), weights).numpy()
    image = oracle_btf.image_input(sample.rgb, sample.plane)
    return oracle.Seen(patches, codes, [pixels[chosen] for chosen in members], oracle.image_features(network, image))


@pytest.mark.parametrize("cells", ["shifted", "plain"])
def test_scores_maps_and_alignment_equal_the_oracle(cells: str) -> None:
    method = fit(bank_cells=cells)
    network = build_wide_resnet(weights=None, layers=(1, 2))
    weights = {name: tensor.double() for name, tensor in method._model.extractor.surface.state_dict().items()}
    bank = [seen(method, network, 1 + index, named_generator(0, "first centre", index)) for index in range(3)]
    trained = [oracle.score(one, bank, weights, shifted=cells == "shifted", skip=1) for one in bank[:2]]
    factor, shift = oracle.alignment([one["rgb"][1] for one in trained], [one["xyz"][1] for one in trained])
    assert (method._model.scale, method._model.shift) == pytest.approx((factor, shift), rel=1e-3)
    expected = oracle.score(seen(method, network, 9, None), bank, weights, shifted=cells == "shifted")
    prediction = predict(method)
    for kind, (_, plane) in expected.items():
        np.testing.assert_allclose(prediction.extras[f"map_{kind}"], plane, atol=1e-4 * plane.max(), err_msg=kind)
    assert prediction.score == pytest.approx(expected["xyz"][0] * expected["rgb"][0], rel=1e-4)
    joined = np.maximum(np.maximum(factor * expected["rgb"][1] + shift, 0), expected["xyz"][1])
    blurred = pil_blur(torch.from_numpy(joined)).numpy()
    np.testing.assert_allclose(prediction.anomaly_map, blurred, atol=1.1 * joined.max() / 255)


def test_single_modalities_have_the_parts_of_both(fitted: ShapeGuided) -> None:
    both, shape, image = predict(fitted), predict(fit(modality="xyz")), predict(fit(modality="rgb"))
    assert shape.score * image.score == pytest.approx(both.score, rel=1e-6)
    for kind, single in (("xyz", shape), ("rgb", image)):
        plane = pil_blur(torch.from_numpy(both.extras[f"map_{kind}"])).numpy()
        np.testing.assert_allclose(single.anomaly_map, plane, atol=1.1 * plane.max() / 255)


def test_what_is_used_and_needed_follows_from_the_modality() -> None:
    image, shape = ShapeGuided(modality="rgb"), ShapeGuided(modality="xyz")
    assert isinstance(image, ChoosesModalities)
    assert isinstance(image, ChoosesWeights)
    assert (image.modalities(), shape.modalities()) == (("rgb", "xyz"), ("xyz",))
    assert [file.name for file in image.weight_files()] == ["wide_resnet50_2.racm_in1k.safetensors"]
    assert shape.weight_files() == ()
    assert ShapeGuided().modalities() == ShapeGuided.meta.modalities


@pytest.mark.parametrize("modality", ["both", "xyz"])
def test_two_fits_with_one_seed_and_a_restored_state_predict_the_same(modality: str) -> None:
    method, again = fit(modality=modality), fit(modality=modality)
    restored = ShapeGuided(**TINY, modality=modality)
    restored.restore(method.state(), seed=0, device="cpu")
    expected = predict(method)
    predict(method, sample_of(8))
    assert (expected.anomaly_map.shape, expected.anomaly_map.dtype) == ((224, 224), np.float32)
    for other in (method, again, restored):
        assert predict(other).score == expected.score > 0
        np.testing.assert_array_equal(predict(other).anomaly_map, expected.anomaly_map)
    assert predict(fit(modality=modality, seed=1)).score != expected.score


def test_the_bytes_of_the_state_are_those_of_its_arrays(fitted: ShapeGuided) -> None:
    state, held = fitted.state(), fitted.state_bytes()
    bank = sum(array.nbytes for name, array in state.items() if name == "codes" or name.startswith("cells."))
    assert held["bank"] >= bank > 0
    assert held["bank"] - bank < 1000
    assert held["weights"] > sum(array.nbytes for name, array in state.items() if name.startswith("network."))
    assert state["cells.owned"].shape == (len(state["codes"]), 98)


def test_a_dent_raises_the_score() -> None:
    method, sample = fit(modality="xyz", epochs=20), sample_of(9)
    rows, columns = np.mgrid[:240, :170]
    inside = (rows - 120) ** 2 + (columns - 85) ** 2 < 16
    sample.xyz[inside & sample.xyz.any(-1)] += np.float32([0, 0, 0.01])
    dented = predict(method, sample)
    assert dented.score > 1.2 * predict(method).score


def test_one_sample_is_enough_and_too_few_patches_are_one_sentence() -> None:
    assert predict(fit(samples=1)).score > 0
    with pytest.raises(MethodError, match="11 neighbours"):
        fit(samples=1, overlap=1, patch_points=200)
    with pytest.raises(MethodError, match="a patch needs 100000"):
        fit(patch_points=100_000)
    with pytest.raises(MethodError, match="is not fitted"):
        predict(ShapeGuided())


@pytest.mark.parametrize("wrong", [{"patch_points": 1}, {"overlap": 0}, {"queries": 0}, {"lr": 0.0}, {"batch": 1}])
def test_a_value_out_of_range_names_the_parameter(wrong) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ShapeGuided(**wrong)


def test_the_authors_network_of_shapes_is_unsupported_and_says_why() -> None:
    with pytest.raises(UnsupportedError, match="pretrain=own"):
        ShapeGuided(pretrain="shipped")
