"""On CUDA, inference queues its work without waiting for the device: no size and no branch depends on a result.

Fake tensors have shapes and a CUDA device but no values, so reading a value, or a size that depends on one, raises an
error. The same test on a real device is marked ``gpu``.
"""

from __future__ import annotations

from importlib.util import find_spec

import pytest
import torch
from fake_cuda import fake_what_is_kept, inputs_on_fake_cuda, on_fake_cuda
from samples import make_sample
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
)

from methods.cfm import CFM, CFMTiny


@pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed")
@pytest.mark.parametrize(
    ("variant", "parameters"),
    [
        (CFM, {}),
        (CFMTiny, {}),
        (CFMTiny, {"drop_path": "on", "bn_stats": "running"}),
        (CFMTiny, {"mapping": "intra", "aggregate": "sum", "smoothing": "gaussian"}),
    ],
)
def test_inference_reads_no_value_from_the_device(monkeypatch, variant, parameters) -> None:
    method = variant(centres=64, group_size=16, **parameters)
    method._make_ready(*method._build(0, "cpu"))
    prepared = method.prepare(make_sample(0, radius=40))
    fake_what_is_kept(monkeypatch)
    with FakeTensorMode(), torch.no_grad():
        on_fake_cuda(method)
        maps = method._maps(inputs_on_fake_cuda(prepared))
    assert maps.localisation.device.type == "cuda"
    assert maps.localisation.shape == (224, 224)


def test_reading_a_value_would_be_detected() -> None:
    with FakeTensorMode():
        tensor = torch.empty(5, device="cuda")
        with pytest.raises((DynamicOutputShapeException, DataDependentOutputException)):
            tensor.nonzero()
        with pytest.raises(DataDependentOutputException):
            tensor.sum().item()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_inference_on_a_device_waits_only_for_its_result() -> None:
    method = CFMTiny()
    method._make_ready(*method._build(0, "cuda"))
    inputs = method.prepare(make_sample(0, radius=40))

    def queue() -> torch.Tensor:
        with torch.inference_mode():
            return method._maps(inputs).localisation

    expected = queue()
    torch.cuda.set_sync_debug_mode("error")
    try:
        again = queue()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    torch.testing.assert_close(again, expected)
