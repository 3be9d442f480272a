"""Dense layers by oneDNN equal PyTorch's own, in values and gradients, and step aside where they can't be used."""

from __future__ import annotations

import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from methods.parts.dense import Linear, dense, with_dense_layers
from methods.parts.dino import build_vit, vit_tokens

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="PyTorch was built without oneDNN")

ACTIVATIONS = {"none": lambda rows: rows, "relu": functional.relu, "gelu": functional.gelu}
LAYOUTS = {
    "dense": lambda matrix: matrix,
    "transposed": lambda matrix: matrix.T.contiguous().T,
    "with gaps": lambda matrix: torch.cat([matrix, matrix], 1)[:, : matrix.shape[1]],
}
SIZES = st.integers(1, 40)


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def assert_close(actual: torch.Tensor, exact: torch.Tensor) -> None:
    assert actual.shape == exact.shape
    torch.testing.assert_close(actual.double(), exact, rtol=1e-5, atol=1e-5 * float(exact.abs().max()))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(SIZES, min_size=1, max_size=2),
    SIZES,
    SIZES,
    st.sampled_from(sorted(LAYOUTS)),
    st.sampled_from(sorted(LAYOUTS)),
    st.sampled_from(sorted(ACTIVATIONS)),
    st.booleans(),
)
def test_values_and_gradients_equal_those_in_double_precision(
    counts, inner, columns, of_rows, of_weight, activation, biased
):
    tensors = [drawn(*counts, inner), drawn(columns, inner, seed=1), drawn(columns, seed=2) if biased else None]
    exact = [None if tensor is None else tensor.double().requires_grad_() for tensor in tensors]
    tensors[0] = LAYOUTS[of_rows](tensors[0]) if len(counts) == 1 else tensors[0]
    tensors[1] = LAYOUTS[of_weight](tensors[1])
    expected = ACTIVATIONS[activation](functional.linear(*exact))
    assert_close(dense(*tensors, activation), expected.detach())

    leaves = [None if tensor is None else tensor.detach().requires_grad_() for tensor in tensors]
    result = dense(*leaves, activation)
    assert_close(result.detach(), expected.detach())
    weights = drawn(*expected.shape, seed=3)
    (result * weights).sum().backward()
    (expected * weights).sum().backward()
    for leaf, exactly in zip(leaves, exact, strict=True):
        if leaf is not None:
            assert_close(leaf.grad, exactly.grad)


def test_a_gradient_that_nobody_needs_is_not_computed():
    rows, weight = drawn(5, 4), drawn(3, 4, seed=1).requires_grad_()
    dense(rows, weight).sum().backward()
    assert rows.grad is None
    torch.testing.assert_close(weight.grad, rows.sum(0).expand(3, 4))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_other_precisions_and_devices_are_left_to_pytorch(activation):
    rows, weight, bias = drawn(5, 4), drawn(3, 4, seed=1), drawn(3, seed=2)
    doubles = [tensor.double() for tensor in (rows, weight, bias)]
    torch.testing.assert_close(dense(*doubles, activation), ACTIVATIONS[activation](functional.linear(*doubles)))
    assert dense(rows.to("meta"), weight.to("meta"), bias.to("meta"), activation).shape == (5, 3)
    assert dense(rows[:0], weight, bias, activation).shape == (0, 3)
    with torch.autocast("cpu", torch.bfloat16):
        assert dense(rows, weight, bias, activation).dtype == torch.bfloat16
    with torch.backends.mkldnn.flags(enabled=False):
        plain = ACTIVATIONS[activation](functional.linear(rows, weight, bias))
        assert torch.equal(dense(rows, weight, bias, activation), plain)


def test_a_network_with_dense_layers_keeps_its_parameters_and_its_results():
    network = build_vit(2, weights=None, seed=0)
    with torch.device("meta"):
        plain = timm.create_model("vit_base_patch8_224", pretrained=False, num_classes=0, depth=2)
    plain = plain.to_empty(device="cpu").eval()
    plain.load_state_dict(network.state_dict())
    linears = [module for module in network.modules() if isinstance(module, nn.Linear)]
    assert len(linears) == 8
    assert all(isinstance(module, Linear) for module in linears)
    assert [module.activation for module in linears].count("gelu") == 2
    image = drawn(3, 224, 224)
    with torch.inference_mode():
        torch.testing.assert_close(vit_tokens(network, image), vit_tokens(plain, image), rtol=1e-5, atol=2e-5)


def test_a_layer_with_another_gelu_keeps_it():
    mlp = nn.Module()
    mlp.fc1, mlp.act = nn.Linear(4, 4), nn.GELU(approximate="tanh")
    with_dense_layers(mlp)
    assert mlp.fc1.activation == "none"
    assert isinstance(mlp.act, nn.GELU)
