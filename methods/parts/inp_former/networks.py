"""The trained networks of INP-Former: prototypes of an image, and a decoder that is made of them alone."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.parts.dense import Linear
from methods.parts.initialise import named_generator

__all__ = ["Bottleneck", "Extract", "INPNetwork", "Rebuild", "halves"]

_NORM_EPS = 1e-8
_WIDENING = 4
_DEVIATION, _CUT = 0.01, 0.03
"""Of the truncated normal distribution that weights of linear layers are drawn from."""


class Bottleneck(nn.Sequential):
    """Two linear layers with exact GELU between, four times as wide there: (..., C) to (..., C)."""

    def __init__(self, width: int) -> None:
        super().__init__(Linear(width, _WIDENING * width, activation="gelu"), Linear(_WIDENING * width, width))


class _Block(nn.Module):
    """What both blocks share: a norm for queries and for what they look at, projections, and an MLP with its norm.

    Parameters
    ----------
    width
        Channels.
    heads
        Attention heads.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width, eps=_NORM_EPS)
        self.query = Linear(width, width)
        self.key_value = Linear(width, 2 * width)
        self.projection = Linear(width, width)
        self.mlp_norm = nn.LayerNorm(width, eps=_NORM_EPS)
        self.mlp = Bottleneck(width)

    def _queries_keys_values(self, seekers: Tensor, sought: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Project (B, N, C) and (B, M, C) to queries (B, heads, N, d), and keys and values (B, heads, M, d)."""
        keys, values = self.key_value(self.norm(sought)).chunk(2, -1)
        return self._split(self.query(self.norm(seekers))), self._split(keys), self._split(values)

    def _split(self, rows: Tensor) -> Tensor:
        return rows.view(*rows.shape[:2], self.heads, -1).transpose(1, 2)

    def _joined(self, attended: Tensor) -> Tensor:
        """Project (B, heads, N, d) to (B, N, C)."""
        return self.projection(attended.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]

    def _after(self, rows: Tensor) -> Tensor:
        return rows + self.mlp(self.mlp_norm(rows))  # type: ignore[no-any-return]


class Extract(_Block):
    """The INP extractor: learned queries become prototypes of an image by attention to its tokens."""

    def forward(self, queries: Tensor, tokens: Tensor) -> Tensor:
        """Map queries (B, P, C) and tokens (B, N, C) to prototypes (B, P, C)."""
        q, k, v = self._queries_keys_values(queries, tokens)
        attention = (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(-1)
        return self._after(queries + self._joined(attention @ v))


class Rebuild(_Block):
    """A block of the INP-guided decoder: each token becomes a mixture of prototypes, without a residual.

    Attention is the product of unit queries and unit keys and of a learned scale of each head, without its negative
    part, and is not normalised over the prototypes.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__(width, heads)
        self.scale = nn.Parameter(torch.ones(heads, 1, 1))

    def forward(self, tokens: Tensor, prototypes: Tensor) -> Tensor:
        """Map tokens (B, N, C) and prototypes (B, P, C) to tokens (B, N, C)."""
        return self._after(self._joined(self.mixed(tokens, prototypes)))

    def mixed(self, tokens: Tensor, prototypes: Tensor) -> Tensor:
        """Return the mixture of the values of prototypes, (B, heads, N, d)."""
        q, k, v = self._queries_keys_values(tokens, prototypes)
        likeness = functional.normalize(q, dim=-1) @ functional.normalize(k, dim=-1).transpose(-2, -1)
        return functional.relu(likeness * self.scale) @ v


class INPNetwork(nn.Module):
    """Extractor, bottleneck and decoder.

    Parameters
    ----------
    width, heads
        Channels and attention heads of the teacher.
    prototypes
        Prototypes of an image.
    blocks
        Blocks of the decoder, an even number.
    """

    def __init__(self, width: int, heads: int, *, prototypes: int, blocks: int) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.empty(prototypes, width))
        self.extract = Extract(width, heads)
        self.bottleneck = Bottleneck(width)
        self.decoder = nn.ModuleList(Rebuild(width, heads) for _ in range(blocks))

    @torch.no_grad()
    def randomise(self, seed: int) -> None:
        """Draw the first weights: every tensor from the seed and its own name; norms and scales are left as built."""
        self.queries.normal_(generator=named_generator(seed, "inp_former", "queries"))
        for name, layer in self.named_modules():
            if isinstance(layer, nn.Linear):
                generator = named_generator(seed, "inp_former", name)
                nn.init.trunc_normal_(layer.weight, std=_DEVIATION, a=-_CUT, b=_CUT, generator=generator)
                layer.bias.zero_()

    def forward(self, tokens: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """Rebuild the teacher's tokens from prototypes of them.

        Parameters
        ----------
        tokens : (B, N, C) float
            Mean over the teacher's blocks.

        Returns
        -------
        The rebuilt means of the shallow and of the deep half of the teacher's blocks, (B, N, C) each, and the
        prototypes (B, P, C).
        """
        prototypes = self.extract(self.queries.expand(len(tokens), -1, -1), tokens)
        rows, outputs = self.bottleneck(tokens), []
        for block in self.decoder:
            rows = block(rows, prototypes)
            outputs.append(rows)
        return halves(outputs[::-1]), prototypes


def halves(tokens: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Return the means of the first and of the last half of the blocks' tokens, an even number of equal shapes."""
    middle = len(tokens) // 2
    return torch.stack(tokens[:middle]).mean(0), torch.stack(tokens[middle:]).mean(0)
