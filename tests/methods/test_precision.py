"""Precisions of CFM: bf16 weights are rounded once with an equal result, TF32 is on during its calls alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from samples import make_sample, no_progress
from torch.utils._python_dispatch import TorchDispatchMode

from harness.contract import UnsupportedError
from methods.cfm import CFMTiny
from methods.parts import features, precision
from methods.parts.cfm import mapping
from methods.parts.precision import tf32_products

SMALL = {"centres": 32, "group_size": 16, "epochs": 1, "pixels": 200}
SAMPLE = make_sample(9, radius=12)
PRODUCTS = {
    torch.ops.aten.mm,
    torch.ops.aten.addmm,
    torch.ops.aten.convolution,
    torch.ops.mkldnn._linear_pointwise,
}


def fitted(**parameters: Any) -> CFMTiny:
    method = CFMTiny(**(SMALL | parameters))
    method.fit([make_sample(1, radius=12)], seed=0, device="cpu", progress=no_progress)
    return method


class Conversions(TorchDispatchMode):
    """Collects the shapes of parameters that are converted to another dtype."""

    def __init__(self, method: CFMTiny) -> None:
        super().__init__()
        extractors, pair = method._fitted()
        modules = (extractors.vit, extractors.points, pair)
        self._parameters = {parameter.data_ptr() for module in modules for parameter in module.parameters()}
        self.of_parameters: list[tuple[int, ...]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if (
            func.overloadpacket in (torch.ops.aten._to_copy, torch.ops.aten.to)
            and args[0].data_ptr() in self._parameters
        ):
            self.of_parameters.append(tuple(args[0].shape))
        return func(*args, **(kwargs or {}))


def test_weights_are_rounded_once_with_the_result_of_rounding_them_in_every_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    once = fitted(precision="bf16")
    for module in (features, mapping):
        monkeypatch.setattr(module, "round_weights", lambda *given, **named: None)
    every_time = fitted(precision="bf16")
    found, converted = [], []
    for method in (once, every_time):
        inputs = method.prepare(SAMPLE)
        with Conversions(method) as conversions:
            found.append(method.infer(inputs))
        converted.append([shape for shape in conversions.of_parameters if len(shape) > 1])
    np.testing.assert_array_equal(found[0].anomaly_map, found[1].anomaly_map)
    assert found[0].score == found[1].score
    assert converted[0] == [(128, 3)], "the first layer of the point encoder, which is scaled in float32 before"
    assert len(converted[1]) > 15


def test_state_is_half_as_large_and_survives_restoring() -> None:
    method = fitted(precision="bf16")
    full, half = fitted().state_bytes()["weights"], method.state_bytes()["weights"]
    assert 0.5 < half / full < 0.53
    restored = CFMTiny(**SMALL, precision="bf16")
    restored.restore(method.state(), seed=0, device="cpu")
    expected = method.infer(method.prepare(SAMPLE)).anomaly_map
    np.testing.assert_array_equal(restored.infer(restored.prepare(SAMPLE)).anomaly_map, expected)


def tf32_flags() -> tuple[bool, bool]:
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


@pytest.fixture
def off() -> Iterator[None]:
    """Turn TF32 off, as the harness does for every method."""
    before = tf32_flags()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


@pytest.mark.usefixtures("off")
@pytest.mark.parametrize("chosen", ["fp32", "tf32"])
def test_tf32_is_on_in_products_of_training_and_inference_and_off_after_them(
    monkeypatch: pytest.MonkeyPatch, chosen: str
) -> None:
    seen = set()

    class Products(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func.overloadpacket in PRODUCTS:
                seen.add(tf32_flags())
            return func(*args, **(kwargs or {}))

    monkeypatch.setattr(precision, "require_tf32", lambda device: None)
    method = CFMTiny(**SMALL, precision=chosen)
    with Products():
        method.fit([make_sample(1, radius=12)], seed=0, device="cpu", progress=no_progress)
        assert tf32_flags() == (False, False)
        method.infer(method.prepare(SAMPLE))
    assert seen == {(chosen == "tf32",) * 2}
    assert tf32_flags() == (False, False)


@pytest.mark.usefixtures("off")
def test_tf32_is_off_again_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), tf32_products("tf32"):
        raise ZeroDivisionError
    assert tf32_flags() == (False, False)


def test_a_cpu_has_no_tf32() -> None:
    with pytest.raises(UnsupportedError, match="precision=fp32 or bf16"):
        fitted(precision="tf32")
