"""The mappings of CFR, gated units, and their loss with two cycles."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from methods.parts.cfm.mapping import MappingPair, TokenMapping, cosine_loss
from methods.parts.dense import Linear

__all__ = ["CyclicPair", "GatedMapping"]


class GatedMapping(TokenMapping):
    """A gated linear unit: one half of the first layer's output, after an exact GELU, multiplies the other half.

    Parameters
    ----------
    inputs, outputs
        Channels.
    hidden
        Width of a half; 0 for (inputs + outputs) // 2.
    """

    def __init__(self, inputs: int, outputs: int, hidden: int = 0) -> None:
        hidden = hidden or (inputs + outputs) // 2
        super().__init__(Linear(inputs, 2 * hidden))
        self.output = Linear(hidden, outputs)

    def forward(self, features: Tensor) -> Tensor:
        """Map rows of features, (n, inputs) to (n, outputs)."""
        return self._gated(self.input(features))

    def _finish(self, started: Tensor) -> Tensor:
        return self._gated(started + self.input.bias)

    def _gated(self, hidden: Tensor) -> Tensor:
        gate, value = hidden.chunk(2, dim=1)
        return self.output(functional.gelu(gate) * value)  # type: ignore[no-any-return]


class CyclicPair(MappingPair):
    """Both mappings, each between the modalities, trained to undo each other, too.

    Parameters
    ----------
    channels_2d, channels_3d
        Channels of the image's and of the cloud's features.
    """

    def __init__(self, channels_2d: int, channels_3d: int) -> None:
        super().__init__(channels_2d, channels_3d, "cross")

    def _mapping(self, inputs: int, outputs: int, hidden: int) -> TokenMapping:
        return GatedMapping(inputs, outputs, hidden)

    def loss(self, predicted: tuple[Tensor, Tensor], real: tuple[Tensor, Tensor]) -> Tensor:
        """Return CFM's loss and that of the way there and back, from 2D and from 3D."""
        return super().loss(predicted, real) + self.cycle_loss(predicted, real)

    def cycle_loss(self, predicted: tuple[Tensor, Tensor], real: tuple[Tensor, Tensor]) -> Tensor:
        """Return 1 - mean cosine similarity of features and what both mappings in turn make of them, summed."""
        (predicted_2d, predicted_3d), (real_2d, real_3d) = predicted, real
        return cosine_loss(self.to_2d(predicted_3d), real_2d) + cosine_loss(self.to_3d(predicted_2d), real_3d)
