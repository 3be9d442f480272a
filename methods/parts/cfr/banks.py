"""The banks of CFR: features of nominal pixels, and pairs of features of both modalities.

Features of pixels exist for a sample at a time; of all candidates only 128 numbers are in memory, so that the number
of samples is not bounded by the size of their features.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from harness.contract import Progress
from methods.parts.coreset import approximate_coreset
from methods.parts.dense import dense
from methods.parts.dino import GRID
from methods.parts.features import Tokens
from methods.parts.initialise import named_generator, randomise_linear
from methods.parts.inputs import SIZE
from methods.parts.interpolation import bilinear_rows

__all__ = ["BankRules", "Banks", "fill_banks", "most_similar", "pixel_features"]

Kind = Literal["image", "cloud"]
"""A modality, by the name of its tokens."""

_PROJECTED = 128
"""Dimensions that a coreset is chosen in."""

_STARTS = 10
"""Vectors whose mean distance is the first bound of a coreset's distances."""

_PAIRS = {"cpu": 1 << 22, "cuda": 1 << 26}
"""Similarities in memory at a time."""


@dataclass(frozen=True, slots=True)
class BankRules:
    """How banks are filled; :class:`methods.cfr.CFR` documents the parameters."""

    few_shots: int
    candidates: float
    coreset: float


@dataclass(frozen=True, slots=True, eq=False)
class Banks:
    """Features of nominal pixels.

    Parameters
    ----------
    rgb : (n, 768) float32
        Image features of length 1.
    keys : (n, C) float32
        Cloud features of length 1, or 0 where a pixel has none.
    lengths : (n, 1) float32
        What the keys' lengths were.
    values : (n, 768) float32
        Image features at the pixels of the keys, as they are.
    """

    rgb: Tensor
    keys: Tensor
    lengths: Tensor
    values: Tensor

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(tensor.numel() * tensor.element_size() for tensor in self._tensors().values())

    def drawn(self, count: int, generator: torch.Generator) -> Banks:
        """Return the banks with so many of the pairs, drawn at random; all as they are if there are no more."""
        if len(self.keys) <= count:
            return self
        rows = torch.randperm(len(self.keys), generator=generator)[:count].to(self.keys.device)
        return Banks(self.rgb, self.keys[rows], self.lengths[rows], self.values[rows])

    def state(self) -> dict[str, NDArray[Any]]:
        """Return all parts as arrays by name."""
        return {name: tensor.cpu().numpy() for name, tensor in self._tensors().items()}

    @classmethod
    def restored(cls, state: Mapping[str, NDArray[Any]], device: str) -> Banks:
        """Undo :meth:`state`; other names are ignored."""
        return cls(*(torch.from_numpy(state[part.name]).to(device) for part in fields(cls)))

    def _tensors(self) -> dict[str, Tensor]:
        return {part.name: getattr(self, part.name) for part in fields(self)}


def fill_banks(
    tokens_of: Callable[[int, int], Tokens],
    count: int,
    rules: BankRules,
    *,
    seed: int,
    device: str,
    progress: Progress,
) -> Banks:
    """Fill both banks from all pixels of the samples, those without a point included.

    Parameters
    ----------
    tokens_of
        Function from (epoch, sample) to features.
    count
        Number of samples.
    rules
        Shares of pixels.
    seed
        Seed of drawn pixels, projections and starts.
    """
    share = 1.0 if count <= rules.few_shots else rules.candidates
    drawn = [_candidate_pixels(share, named_generator(seed, "candidates", position)) for position in range(count)]
    candidates = _Candidates(tokens_of, torch.stack(drawn), torch.device(device))

    def picks(kind: Kind) -> Tensor:
        points = candidates.projected(kind, named_generator(seed, "projection", kind))
        starts = torch.randperm(len(points), generator=named_generator(seed, "starts", kind))[:_STARTS]
        kept = max(1, int(rules.coreset * len(points)))
        return torch.from_numpy(approximate_coreset(points, kept, starts=starts.tolist(), progress=progress))

    rgb = candidates.features("image", picks("image"))
    paired = picks("cloud")
    keys, values = candidates.features("cloud", paired), candidates.features("image", paired)
    lengths = torch.linalg.vector_norm(keys, dim=1, keepdim=True)
    return Banks(functional.normalize(rgb, dim=1), functional.normalize(keys, dim=1), lengths, values)


def _candidate_pixels(share: float, generator: torch.Generator) -> Tensor:
    """Return a random share of an image's pixels, (k,) int64, ascending, at least one."""
    if share >= 1:
        return torch.arange(SIZE * SIZE)
    drawn = torch.randperm(SIZE * SIZE, generator=generator)[: max(1, round(share * SIZE * SIZE))]
    return drawn.sort().values


def pixel_features(tokens: Tokens, kind: Kind, pixels: Tensor, source: Tensor) -> Tensor:
    """Return what pixels have of a matrix of tokens, (k, a), on its device; 0 at pixels without 3D features.

    Parameters
    ----------
    tokens
        Of a sample: where its features go.
    kind
        Which of both modalities; every pixel has features of the image.
    pixels : (k,) int64
        Flat pixels, in host memory.
    source : (784, a) float, or (1024, a) for the cloud
    """
    if kind == "image":
        return bilinear_rows(pixels.to(source.device), SIZE, GRID, source.dtype) @ source
    reached = tokens.pixels.cpu()
    place = torch.searchsorted(reached, pixels).clamp_max(len(reached) - 1)
    found = (reached[place] == pixels).nonzero()[:, 0]
    features = source.new_zeros(len(pixels), source.shape[1])
    features[found.to(source.device)] = tokens.to_cloud_pixels.rows(place[found]) @ source
    return features


def most_similar(queries: Tensor, units: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the largest cosine similarities to vectors and the indices of these, (m, count) each, descending.

    Parameters
    ----------
    queries : (m, d) float32
    units : (n, d) float32
        Of length 1, or 0, to which every query has the similarity 0.
    count
        At most n.
    """
    step = max(1, _PAIRS[units.device.type] // len(units))
    near = [dense(part, units).topk(count) for part in torch.split(functional.normalize(queries, dim=1), step)]
    return torch.cat([part.values for part in near]), torch.cat([part.indices for part in near])


@dataclass(frozen=True, slots=True, eq=False)
class _Candidates:
    """Pixels of all samples that a bank may hold.

    Parameters
    ----------
    tokens_of
        Function from (epoch, sample) to features.
    pixels : (samples, k) int64
        Flat pixels; candidate i is pixel i % k of sample i // k.
    device
        Where results are.
    """

    tokens_of: Callable[[int, int], Tokens]
    pixels: Tensor
    device: torch.device

    def projected(self, kind: Kind, generator: torch.Generator) -> Tensor:
        """Return all candidates after a random linear layer, (n, 128) float32; it runs on tokens, as it is linear."""
        count, width = self.pixels.shape
        points = torch.empty(count, width, _PROJECTED, device=self.device)
        layer: nn.Linear | None = None
        for position, pixels in enumerate(self.pixels):
            tokens = self.tokens_of(0, position)
            source = getattr(tokens, kind)
            if layer is None:
                layer = nn.Linear(source.shape[1], _PROJECTED, bias=False).requires_grad_(False)
                randomise_linear(layer, generator)
                layer.to(self.device)
            points[position] = pixel_features(tokens, kind, pixels, dense(source, layer.weight))
        return points.flatten(0, 1)

    def features(self, kind: Kind, chosen: Tensor) -> Tensor:
        """Return the features of some candidates, (m, C) float32, in the order of ``chosen``, (m,) int64."""
        owners, columns = chosen // self.pixels.shape[1], chosen % self.pixels.shape[1]
        result = torch.empty(0)
        for position in range(len(self.pixels)):
            mine = (owners == position).nonzero()[:, 0]
            if not len(mine):
                continue
            tokens = self.tokens_of(0, position)
            source = getattr(tokens, kind)
            if not len(result):
                result = torch.empty(len(chosen), source.shape[1], device=self.device)
            pixels = self.pixels[position, columns[mine]]
            result[mine.to(self.device)] = pixel_features(tokens, kind, pixels, source)
        return result
