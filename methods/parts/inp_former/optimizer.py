"""StableAdamW: AdamW whose update of a tensor shrinks where its gradient exceeds what the second moment expects."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

__all__ = ["StableAdamW"]


class StableAdamW:
    """AdamW with the running maximum of the second moment (AMSGrad) and AdaFactor's clipping of updates.

    Wortsman et al.: "Stable and low-precision training for large-scale vision-language models", NeurIPS 2023. With the
    corrected moments m and v of a gradient g, the largest v so far, and rms = sqrt(mean((g / (sqrt(v) + eps))^2)), a
    tensor p becomes (1 - lr * weight_decay) * p - lr / max(1, rms) * m / (sqrt(v) + eps).

    Parameters
    ----------
    parameters
        Tensors that are trained; those without a gradient stay as they are.
    betas
        Decay of the first and of the second moment.
    eps
        Added to the root of the second moment.
    weight_decay
        Share of a tensor, times the learning rate, that a step takes off.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-10,
        weight_decay: float = 1e-4,
    ) -> None:
        self.parameters = list(parameters)
        self._betas, self._eps, self._weight_decay = betas, eps, weight_decay
        self._moments = [[torch.zeros_like(parameter) for _ in range(3)] for parameter in self.parameters]
        self._steps = 0

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self, lr: float) -> None:
        """Change all tensors by their gradients, with a learning rate."""
        self._steps += 1
        for parameter, moments in zip(self.parameters, self._moments, strict=True):
            if parameter.grad is not None:
                self._update(parameter, parameter.grad, moments, lr)

    def _update(self, parameter: nn.Parameter, gradient: Tensor, moments: list[Tensor], lr: float) -> None:
        first, second, largest = moments
        corrections = [1 - beta**self._steps for beta in self._betas]
        first.lerp_(gradient, 1 - self._betas[0])
        second.mul_(self._betas[1]).addcmul_(gradient, gradient, value=1 - self._betas[1])
        torch.maximum(largest, second, out=largest)
        root = (largest / corrections[1]).sqrt_().add_(self._eps)
        rms = (gradient / root).square_().mean().sqrt_()
        parameter.mul_(1 - lr * self._weight_decay)
        parameter.addcdiv_(first, root.mul_(rms.clamp_min_(1)), value=-lr / corrections[0])
