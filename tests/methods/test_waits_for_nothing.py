"""On CUDA, inference queues its work without waiting for the device: no size and no branch depends on a result.

Fake tensors have shapes and a CUDA device but no values, so that whatever asks for a value, or for a number of elements
that depends on one, raises. The same on a real device is marked ``gpu``.
"""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch
from samples import make_sample
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
)

from methods.cfm import CFM, CFMTiny
from methods.parts.cfm.mapping import MappingPair
from methods.parts.cfm.maps import anomaly_maps
from methods.parts.features import Extractors, Inputs
from methods.parts.interpolation import _pooling_table


def without_values(tensor: torch.Tensor) -> torch.Tensor:
    return torch.empty(tensor.shape, dtype=tensor.dtype, device="cuda")


def on_fake_cuda(method: CFM, inputs: Inputs) -> tuple[Extractors, MappingPair, Inputs]:
    """Return networks and inputs with the shapes they have and without values; to be called under the mode."""
    extractors, pair = method._fitted()
    for network in (extractors.vit, extractors.points, pair):
        for module in network.modules():
            for held in (module._parameters, module._buffers):
                held.update({name: without_values(one) for name, one in held.items() if one is not None})
    extractors.device = torch.device("cuda")
    tensors = {field.name: getattr(inputs, field.name) for field in fields(inputs) if field.name != "draw"}
    return extractors, pair, replace(inputs, **{name: without_values(one) for name, one in tensors.items()})


@pytest.mark.parametrize("variant", [CFM, CFMTiny])
def test_inference_asks_for_no_value(monkeypatch, variant) -> None:
    method = variant(centres=64, group_size=16)
    method._build(0, "cpu")
    prepared = method.prepare(make_sample(0, radius=40))
    # Farthest points have a test of their own: a captured graph of kernels can't be faked.
    monkeypatch.setattr(
        "methods.parts.point_mae.farthest_points",
        lambda points, count: torch.empty(count, dtype=torch.long, device=points.device),
    )
    monkeypatch.setattr("methods.parts.interpolation._pooling_table", _pooling_table.__wrapped__)  # remembers nothing
    with FakeTensorMode(), torch.no_grad():
        extractors, pair, inputs = on_fake_cuda(method, prepared)
        maps = anomaly_maps(pair, extractors.tokens(inputs), aggregate="product", smoothing="box")
    assert maps.localisation.device.type == "cuda"
    assert maps.localisation.shape == (224, 224)


def test_a_value_that_is_asked_for_would_be_seen() -> None:
    with FakeTensorMode():
        there = torch.empty(5, device="cuda")
        with pytest.raises((DynamicOutputShapeException, DataDependentOutputException)):
            there.nonzero()
        with pytest.raises(DataDependentOutputException):
            there.sum().item()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_inference_on_a_device_waits_for_its_result_alone() -> None:
    method = CFMTiny()
    method._build(0, "cuda")
    extractors, pair = method._fitted()
    inputs = method.prepare(make_sample(0, radius=40))

    def queue() -> torch.Tensor:
        with torch.inference_mode():
            return anomaly_maps(pair, extractors.tokens(inputs), aggregate="product", smoothing="box").localisation

    expected = queue()  # captures the graph of farthest points
    torch.cuda.set_sync_debug_mode("error")
    try:
        again = queue()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    torch.testing.assert_close(again, expected)
