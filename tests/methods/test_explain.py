"""Explanations of CFM: channel means of real and predicted features."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from samples import make_sample, no_progress

from harness.conformance.comparing import require_explained
from harness.conformance.outcome import CheckFailedError
from harness.contract import Explained
from methods.btf import BTF
from methods.cfm import CFM, CFMTiny
from methods.parts.cfm import explain as cfm_explain
from methods.parts.inputs import SIZE

SMALL = {"centres": 32, "group_size": 16, "epochs": 1, "pixels": 200}
SAMPLE = make_sample(9, radius=20)


def fitted(**parameters) -> CFMTiny:
    method = CFMTiny(**SMALL, **parameters)
    method.fit([make_sample(s, radius=20) for s in (1, 2)], seed=0, device="cpu", progress=no_progress)
    with torch.no_grad():  # untrained networks end in a LayerNorm that takes the mean away
        for network in (method._extractors.vit, method._extractors.points):
            for name, tensor in network.named_parameters():
                if name.endswith("norm.weight"):
                    tensor.copy_(torch.linspace(0, 2, len(tensor)))
    return method


@pytest.mark.parametrize("mapping", ["cross", "intra"])
def test_means_equal_those_of_features_computed_for_each_pixel(mapping: str, monkeypatch) -> None:
    monkeypatch.setattr(cfm_explain, "_CHUNK", 100)
    method = fitted(mapping=mapping)
    inputs = method.prepare(SAMPLE)
    tokens = method._extractors.tokens(inputs)
    features_2d, features_3d = tokens.at(torch.arange(len(tokens)))
    with torch.inference_mode():
        mapped_2d, mapped_3d = method._pair(features_2d, features_3d)
    direct = {"e2d": features_2d, "e3d": features_3d, "e2d_mapped": mapped_2d, "e3d_mapped": mapped_3d}
    explained = method.explain(inputs)
    assert set(explained) == set(direct)
    for name, features in direct.items():
        expected = np.zeros(SIZE * SIZE, np.float32)
        expected[tokens.pixels] = features.mean(1)
        np.testing.assert_allclose(explained[name].ravel(), expected, atol=1e-5, err_msg=name)
        assert np.ptp(expected[tokens.pixels]) > 1e-3


def test_explanations_fulfil_the_contract_and_do_not_change_predictions() -> None:
    method = fitted()
    inputs = method.prepare(SAMPLE)
    before = method.infer(inputs)
    require_explained(method.explain(inputs), "the sample")
    after = method.infer(inputs)
    np.testing.assert_array_equal(before.anomaly_map, after.anomaly_map)
    assert before.score == after.score


def test_explanations_in_half_precision_are_float32() -> None:
    require_explained(fitted(precision="bf16").explain(fitted().prepare(SAMPLE)), "the sample")


def test_which_methods_have_explanations() -> None:
    assert issubclass(CFM, Explained)
    assert not issubclass(BTF, Explained)


@pytest.mark.parametrize(
    ("maps", "said"),
    [
        ([], "returns list"),
        ({"e2d": np.zeros((4, 4))}, "explained 'e2d' of x is of float64"),
        ({"e2d": np.zeros((4, 5), np.float32)}, "is not square"),
        ({"e2d": np.full((4, 4), np.nan, np.float32)}, "holds NaN"),
        ({"e2d": np.zeros(4, np.float32)}, r"shape \(4,\)"),
    ],
)
def test_explanations_that_break_the_contract_are_errors(maps, said: str) -> None:
    with pytest.raises(CheckFailedError, match=said):
        require_explained(maps, "x")
