"""Methods that a CPU fitted predict on a CUDA device what they predict on the CPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from samples import no_progress
from small_methods import make_method, small_sample


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", ["trd", "shape-guided", "inp-former", "cfr", "cif"])
def test_a_cuda_device_predicts_what_it_restores(name: str) -> None:
    fitted, restored = make_method(name), make_method(name)
    fitted.fit([small_sample(fitted, number) for number in range(2)], seed=0, device="cpu", progress=no_progress)
    restored.restore(fitted.state(), seed=0, device="cuda:0")
    expected, found = (method.infer(method.prepare(small_sample(method, 9))) for method in (fitted, restored))
    np.testing.assert_allclose(found.anomaly_map, expected.anomaly_map, atol=2e-2 * np.abs(expected.anomaly_map).max())
