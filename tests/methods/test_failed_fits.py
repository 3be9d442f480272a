"""A fit that fails leaves no method behind that seems fitted, and features that are no numbers are one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from samples import no_progress
from small_methods import SMALL_METHODS, make_method, small_sample

from harness.contract import MethodError
from methods.parts.cif.hypergraph import clustered
from methods.parts.coreset import greedy_coreset
from methods.parts.m3dm.decision_layer import one_class_weights
from methods.parts.weight_files import fill_from

LAST_STAGES = {
    "patchcore-rgb": "coreset",
    "btf": "coreset",
    "m3dm": "decision layer",
    "cfm-t": "train",
    "ast": "student",
    "depth-vm": "augment",
    "voxel-ae": "autoencoder",
    "depth-gan": "encoder",
    "mafr": "train",
    "trd": "normal",
    "shape-guided": "extract",
    "g2sf": "train",
    "inp-former": "train",
    "cfr": "retriever",
    "cif": "coreset",
}
"""The last stage that the fit of each method reports."""


class StoppedError(Exception):
    """What a test raises in the middle of a fit."""


@pytest.mark.parametrize("name", SMALL_METHODS)
def test_a_method_whose_fit_ended_early_is_not_fitted(name: str) -> None:
    method = make_method(name)
    samples = [small_sample(method, number) for number in range(2)]

    def stop(stage: str, done: int, total: int, **values: float) -> None:
        if stage == LAST_STAGES[name] and done == total:
            raise StoppedError

    with pytest.raises(StoppedError):
        method.fit(samples, seed=0, device="cpu", progress=stop)
    with pytest.raises(MethodError, match="not fitted"):
        method.prepare(samples[0])


def test_a_second_fit_that_fails_leaves_the_first() -> None:
    method = make_method("trd")
    good, empty = small_sample(method, 1), small_sample(method, 1, radius=0)
    method.fit([good, good], seed=0, device="cpu", progress=no_progress)
    before = method.infer(method.prepare(good))
    with pytest.raises(MethodError):
        method.fit([good, empty], seed=1, device="cpu", progress=no_progress)
    np.testing.assert_array_equal(method.infer(method.prepare(good)).anomaly_map, before.anomaly_map)


def broken(rows: int, columns: int) -> np.ndarray:
    values = np.random.default_rng(0).normal(size=(rows, columns)).astype(np.float32)
    values[rows // 2, 0] = np.nan
    return values


def test_features_that_are_no_numbers_are_an_error_wherever_scikit_learn_sees_them() -> None:
    with pytest.raises(MethodError, match=r"NaN.*'harness data verify'"):
        clustered(torch.from_numpy(broken(20, 4)), 3, 0)
    with pytest.raises(MethodError, match="NaN"):
        one_class_weights(broken(20, 2), 0.5, ("rgb", "xyz"))
    with pytest.raises(MethodError, match="NaN"):
        greedy_coreset(broken(50, 600), 5, seed=0, eps=0.9)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_weight_that_is_no_number_names_file_and_tensor(value: float) -> None:
    tensors = {"weight": torch.full((3, 2), value), "bias": torch.zeros(3)}
    with pytest.raises(MethodError, match=r"net\.pth.*'weight'.*harness weights fetch"):
        fill_from(torch.nn.Linear(2, 3), tensors, Path("net.pth"))
