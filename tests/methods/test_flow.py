"""The normalising flow: its latents, and its log-determinant against autograd's Jacobian."""

from __future__ import annotations

import numpy as np
import oracle_ast as oracle
import pytest
import torch

from methods.parts.ast.flow import Flow, permutation_of


def shaken(channels: int, condition: int, kernels: tuple[int, ...], seed: int = 0) -> Flow:
    """A float64 flow whose factors differ from their initial 0, as after training."""
    torch.manual_seed(seed)
    flow = Flow(channels, condition, 8, kernels).double()
    with torch.no_grad():
        for name, tensor in flow.named_parameters():
            tensor.uniform_(1.0, 2.0) if name.endswith("gamma") else tensor.mul_(1.5)
    return flow


@pytest.mark.parametrize(("channels", "kernels"), [(4, (3, 3, 3, 5)), (5, (3, 5)), (2, (5,))])
def test_the_log_determinant_equals_that_of_the_jacobian(channels: int, kernels: tuple[int, ...]) -> None:
    flow = shaken(channels, 4, kernels)
    image, condition = torch.randn(1, channels, 3, 4).double(), torch.randn(1, 4, 3, 4).double()
    jacobian = torch.autograd.functional.jacobian(lambda pixels: flow(pixels, condition)[0], image)
    expected = torch.linalg.slogdet(jacobian.reshape(image.numel(), image.numel())).logabsdet
    actual = flow(image, condition)[1]
    assert actual.shape == (1, 3, 4)
    assert abs(expected.item()) > 0.5
    assert actual.sum().item() == pytest.approx(expected.item(), abs=1e-4)


@pytest.mark.parametrize("channels", [6, 7])
def test_latents_and_log_determinant_equal_the_oracle(channels: int) -> None:
    flow = shaken(channels, 4, (3, 3, 5))
    image, condition = torch.randn(1, channels, 5, 4).double(), torch.randn(1, 4, 5, 4).double()
    weights = {name: tensor.numpy() for name, tensor in flow.state_dict().items()}
    latent, log_determinant = oracle.teacher(image[0].numpy(), condition[0].numpy(), weights, 3)
    with torch.no_grad():
        actual = flow(image, condition)
    np.testing.assert_allclose(actual[0][0], latent, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(actual[1][0], log_determinant, rtol=1e-9, atol=1e-9)


def test_a_new_flow_only_permutes() -> None:
    flow = Flow(6, 4, 8, (3, 5))
    image = torch.randn(1, 6, 4, 4)
    latent, log_determinant = flow(image, torch.randn(1, 4, 4, 4))
    order = permutation_of(0, 6)[permutation_of(1, 6)]
    assert torch.equal(latent, image[:, order])
    assert torch.equal(log_determinant, torch.zeros(1, 4, 4))


def test_permutations_depend_on_the_block_alone() -> None:
    orders = [permutation_of(block, 368) for block in range(4)]
    assert all(torch.equal(order.sort().values, torch.arange(368)) for order in orders)
    assert not torch.equal(orders[0], orders[1])
    assert torch.equal(orders[2], permutation_of(2, 368))


def test_latents_are_clamped() -> None:
    flow = shaken(4, 4, (3,)).float()
    latent, _ = flow(torch.full((1, 4, 3, 3), 1e9), torch.zeros(1, 4, 3, 3))
    assert latent.abs().max().item() == 1e6
