"""The crossmodal mappings of CFM (section 3.2) and their loss (equation 3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.parts.dense import Linear, dense
from methods.parts.initialise import named_generator, randomise_linear
from methods.parts.precision import round_weights
from methods.parts.sparse_rows import SparseRows

__all__ = ["Direction", "Mapping", "MappingPair", "TokenMapping", "cosine_loss", "unit_distance"]

Direction = Literal["cross", "intra"]
_COSINE_EPS = 1e-6
_NORM_EPS = 1e-12


class TokenMapping(nn.Module):
    """A mapping whose first layer is linear, so that it may run on tokens before they become pixels.

    Parameters
    ----------
    first
        The first layer.
    """

    def __init__(self, first: Linear) -> None:
        super().__init__()
        self.input = first
        self.compiled: Callable[[Tensor], Tensor] | None = None

    def start(self, features: Tensor) -> Tensor:
        """Apply the first layer without its bias."""
        return dense(features, self.input.weight)

    def finish(self, started: Tensor) -> Tensor:
        """Add the first bias to the result of :meth:`start`, and apply the other layers."""
        if self.compiled is not None and not torch.is_grad_enabled():
            compiled: Tensor = self.compiled(started)
            return compiled
        return self._finish(started)

    def _finish(self, started: Tensor) -> Tensor:
        raise NotImplementedError


class Mapping(TokenMapping):
    """Three linear layers with exact GELU between.

    Parameters
    ----------
    inputs, outputs
        Channels.
    hidden
        Width of the layers between; 0 for (inputs + outputs) // 2.
    """

    def __init__(self, inputs: int, outputs: int, hidden: int = 0) -> None:
        hidden = hidden or (inputs + outputs) // 2
        super().__init__(Linear(inputs, hidden))
        self.projection = Linear(hidden, hidden, activation="gelu")
        self.output = Linear(hidden, outputs)

    def forward(self, features: Tensor) -> Tensor:
        """Map rows of features, (n, inputs) to (n, outputs)."""
        hidden = functional.gelu(self.input(features))
        return self.output(self.projection(hidden))  # type: ignore[no-any-return]

    def _finish(self, started: Tensor) -> Tensor:
        hidden = functional.gelu(started + self.input.bias)
        return self.output(self.projection(hidden))  # type: ignore[no-any-return]


class MappingPair(nn.Module):
    """Both mappings.

    Parameters
    ----------
    channels_2d, channels_3d
        Channels of the image's and of the cloud's features.
    direction
        ``cross`` predicts each modality from the other; ``intra`` from itself (the paper's Table 7).
    intra_hidden
        Width of the hidden layers of ``intra``; 0 for the mean of inputs and outputs, as ``cross`` always has it.
    """

    def __init__(
        self, channels_2d: int, channels_3d: int, direction: Direction = "cross", intra_hidden: int = 0
    ) -> None:
        super().__init__()
        self.direction = direction
        crossing = direction == "cross"
        hidden = 0 if crossing else intra_hidden
        self.to_3d = self._mapping(channels_2d if crossing else channels_3d, channels_3d, hidden)
        self.to_2d = self._mapping(channels_3d if crossing else channels_2d, channels_2d, hidden)

    def _mapping(self, inputs: int, outputs: int, hidden: int) -> TokenMapping:
        return Mapping(inputs, outputs, hidden)

    def compile_inference(self) -> None:
        """Compile the layers after :meth:`Mapping.start` for any number of pixels; training is not compiled."""
        for mapping in (self.to_2d, self.to_3d):
            mapping.compiled = torch.compile(mapping._finish, dynamic=True)

    def round_to_bf16(self) -> None:
        """Round the weights after training, for inference under autocast to bf16.

        The first biases are added outside a product and stay as they are.
        """
        round_weights(self, exact=(self.to_2d.input.bias, self.to_3d.input.bias))

    def randomise(self, seed: int) -> None:
        """Initialise for training: every layer from the seed and its own name."""
        for name, layer in self.named_modules():
            if isinstance(layer, nn.Linear):
                randomise_linear(layer, named_generator(seed, "mapping", name))

    def start(self, image: Tensor, cloud: Tensor) -> tuple[Tensor, Tensor]:
        """Apply the first layers of the mappings to 2D and to 3D to the tokens of the image and of the cloud."""
        if self.direction == "cross":
            return self.to_2d.start(cloud), self.to_3d.start(image)
        return self.to_2d.start(image), self.to_3d.start(cloud)

    def finish(
        self, started: tuple[Tensor, Tensor], from_image: SparseRows, from_cloud: SparseRows
    ) -> tuple[Tensor, Tensor]:
        """Return the predicted 2D and 3D features of pixels from the result of :meth:`start`.

        Parameters
        ----------
        started
            Results for 2D and for 3D, (784, h) where a mapping starts from the image, (1024, h) from the cloud.
        from_image, from_cloud
            Interpolation from tokens to n pixels.
        """
        start_2d, start_3d = started
        if self.direction == "cross":
            return self.to_2d.finish(from_cloud @ start_2d), self.to_3d.finish(from_image @ start_3d)
        return self.to_2d.finish(from_image @ start_2d), self.to_3d.finish(from_cloud @ start_3d)

    def forward(self, features_2d: Tensor, features_3d: Tensor) -> tuple[Tensor, Tensor]:
        """Return the predicted 2D and 3D features of the same rows."""
        if self.direction == "cross":
            return self.to_2d(features_3d), self.to_3d(features_2d)
        return self.to_2d(features_2d), self.to_3d(features_3d)

    def loss(self, predicted: tuple[Tensor, Tensor], real: tuple[Tensor, Tensor]) -> Tensor:
        """Return the loss of predicted against real features of the same n pixels, in 2D and in 3D (equation 3)."""
        return cosine_loss(predicted[0].to(real[0]), real[0]) + cosine_loss(predicted[1].to(real[1]), real[1])


def cosine_loss(predicted: Tensor, real: Tensor) -> Tensor:
    """Return 1 - mean cosine similarity over rows, eps 1e-6; gradients flow to ``predicted`` alone."""
    loss: Tensor = _CosineLoss.apply(predicted, real)
    return loss


class _CosineLoss(torch.autograd.Function):
    """Cosine loss whose gradient takes two passes over the rows; that of ``cosine_similarity`` takes nine."""

    @staticmethod
    def forward(ctx: Any, predicted: Tensor, real: Tensor) -> Tensor:
        length = torch.linalg.vector_norm(predicted, dim=1)
        clamped = length.clamp_min(_COSINE_EPS)
        across = 1 / (clamped * torch.linalg.vector_norm(real, dim=1).clamp_min(_COSINE_EPS))
        cosine = (predicted * real).sum(1) * across
        along = torch.where(length > _COSINE_EPS, cosine / clamped.square(), torch.zeros_like(cosine))
        ctx.save_for_backward(predicted, real, across, along)
        loss: Tensor = 1 - cosine.mean()
        return loss

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        predicted, real, across, along = ctx.saved_tensors
        share = gradients[0] / len(real)
        gradient = real * (-share * across)[:, None]
        return gradient.addcmul_(predicted, (share * along)[:, None]), None


def unit_distance(predicted: Tensor, real: Tensor) -> Tensor:
    """Return the Euclidean distance of L2-normalised rows (eps 1e-12), in [0, 2]: CFM equation 4."""
    difference = functional.normalize(predicted, dim=1, eps=_NORM_EPS) - functional.normalize(
        real, dim=1, eps=_NORM_EPS
    )
    distance: Tensor = torch.linalg.vector_norm(difference, dim=1)
    return distance
