"""A bank of nominal feature vectors with an exact nearest-neighbour search, and the scores of patches against it.

Candidates are found by matrix products in float32, which lose digits by cancellation. Returned distances are computed
from direct differences in the vectors' own precision. Where rounding could hide a nearer vector among those that are
not candidates, the search is repeated with more candidates.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.contract import Implementation, MethodError
from methods.parts.flat_search import flat_search, implementation_of_search

__all__ = ["Bank", "patch_scores"]

_SPARE, _MORE = 4, 8
"""Candidates in addition to the requested neighbours, and the factor by which a repeated search has more."""

_PAIRS = 1 << 20
"""Elements of differences, or of a block of distances, in memory at a time."""

_CHUNK = 4096

_NEIGHBOURS = 3
"""Neighbours of the nearest vector that re-weight an image's score, itself included."""


class Bank:
    """Vectors with an exact search.

    float64 vectors are held rounded to float32; the float64 values are held only of the columns that rounding changes.
    A column that was promoted from float32 thus takes half the memory.

    Parameters
    ----------
    vectors : (n, d) float32 or float64
    device
        Torch device name.
    """

    def __init__(self, vectors: Tensor | NDArray[Any], device: str) -> None:
        held = torch.as_tensor(vectors).to(device)
        self._dtype = held.dtype
        self._rounded = held.float().contiguous()
        self._columns = _changed_columns(held, self._rounded)
        self._exact = held[:, self._columns]
        self._largest = float(self._rounded.norm(dim=1).max()) if len(held) else 0.0

    def __len__(self) -> int:
        return len(self._rounded)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._rounded.shape[1]

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(tensor.numel() * tensor.element_size() for tensor in (self._rounded, self._columns, self._exact))

    def implementations(self) -> dict[str, Implementation]:
        """Return what searches (:class:`harness.contract.NamesImplementations`); empty where there is no choice."""
        chosen = implementation_of_search(self._rounded.device)
        return {"bank search": chosen} if chosen is not None else {}

    @property
    def vectors(self) -> Tensor:
        """All vectors, (n, d), on the device in their original dtype; a copy if that is float64."""
        return self.at(slice(None))

    def at(self, index: Tensor | slice) -> Tensor:
        """Return some of the vectors, (m, d), on the device in their original dtype."""
        rows = self._rounded[index]
        if self._dtype == torch.float32:
            return rows
        rows = rows.to(self._dtype)
        rows[:, self._columns] = self._exact[index]
        return rows

    def require(self, count: int) -> None:
        """Raise :class:`MethodError` if the bank has fewer vectors than the number of neighbours."""
        if len(self) < count:
            raise MethodError(
                f"The bank holds {len(self)} vectors but {count} neighbours are needed: "
                "train on more samples or keep a larger part of their patches."
            )

    def search(self, queries: Tensor | NDArray[Any], count: int) -> tuple[Tensor, Tensor]:
        """Find the nearest vectors; equal queries are searched once.

        Parameters
        ----------
        queries : (m, d) float
            On any device.
        count
            Number of neighbours of each query.

        Returns
        -------
        Euclidean distances (m, count), ascending, in the vectors' dtype, and indices (m, count) int64, both on the CPU.

        Raises
        ------
        MethodError
            If the bank has fewer than ``count`` vectors.
        """
        distances, indices = self._found(queries, count)
        return distances.cpu(), indices.cpu()

    def _found(self, queries: Tensor | NDArray[Any], count: int) -> tuple[Tensor, Tensor]:
        """Search as :meth:`search` does, with results on the device."""
        self.require(count)
        given = torch.as_tensor(queries).to(self._rounded.device, self._dtype).contiguous()
        distinct, back = _distinct(given)
        distances, indices = self._search(distinct, count)
        return distances[back], indices[back]

    def farthest(self, patches: Tensor) -> tuple[Tensor, Tensor]:
        """Return the distance of every patch from the bank, and those of the farthest to the two vectors next to it.

        They are the vectors around the one that is nearest to that patch. Of a CUDA device the host waits for one
        transfer, and otherwise for the search alone.

        Parameters
        ----------
        patches : (m, d) float

        Returns
        -------
        (m,) and (2,), on the CPU, in the dtype of the bank's vectors.

        Raises
        ------
        MethodError
            If the bank has fewer than three vectors.
        """
        distances, nearest = self._found(patches, 1)
        worst = distances[:, 0].argmax(0, keepdim=True)
        _, around = self._found(self.at(nearest[:, 0].index_select(0, worst)), _NEIGHBOURS)
        others = self.at(around[0, 1:])
        patch = patches.to(others.device).index_select(0, worst.to(others.device)).to(others)
        spread = torch.linalg.norm(others - patch, dim=1)
        found = torch.cat([distances[:, 0], spread]).cpu()
        return found[:-2], found[-2:]

    def _search(self, queries: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Rank candidates by exact distances, more and more of them until no other vector can be nearer."""
        rounded = queries.float()
        margin = self._margin(rounded)
        distances = queries.new_empty(len(queries), count)
        indices = torch.empty(len(queries), count, dtype=torch.long, device=queries.device)
        unsure, wanted = torch.arange(len(queries), device=queries.device), count + _SPARE
        while len(unsure):
            squared, candidates = flat_search(rounded[unsure], self._rounded, min(wanted, len(self)))
            distances[unsure], indices[unsure] = self._ranked(queries[unsure], candidates, count)
            others = squared[:, -1] - margin[unsure] if wanted < len(self) else torch.inf
            unsure = unsure[distances[unsure, -1].square() > others]
            wanted *= _MORE
        return distances, indices

    def _ranked(self, queries: Tensor, candidates: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Return the ``count`` nearest of each query's candidates (m, c), ties by index."""
        candidates = candidates.sort(1).values
        step = max(1, _PAIRS // (candidates.shape[1] * self.dim))
        distances = torch.cat(
            [
                torch.linalg.norm(self.at(some.flatten()).view(*some.shape, -1) - part[:, None], dim=2)
                for part, some in zip(torch.split(queries, step), torch.split(candidates, step), strict=True)
            ]
        )
        order = distances.argsort(dim=1, stable=True)[:, :count]
        return distances.gather(1, order), candidates.gather(1, order)

    def _margin(self, rounded: Tensor) -> Tensor:
        """Return, for each query, by how much a squared distance made of products may be off.

        Rounding errors of a sum of products grow with the root of its length; six times that is exceeded with a chance
        of 3e-8 under the usual model (Higham and Mary, SIAM Journal on Scientific Computing 41, 2019).
        """
        unit = (6 * math.sqrt(self.dim) + 8) * torch.finfo(torch.float32).eps / 2
        reach: Tensor = torch.linalg.norm(rounded, dim=1) + self._largest
        return unit * reach.square()


def patch_scores(
    bank: Bank, patches: Tensor, *, denominator_epsilon: float = 0.0, divide: float = 1.0
) -> tuple[Tensor, float]:
    """Return the distance of every patch from the bank, and the re-weighted score of the image.

    The patch farthest from the bank, at distance s*, gives the score (1 - exp(s*/D) / sum_k exp(d_k/D)) s*, where D
    is the root of the vectors' length and d_k the distances of that patch to the two vectors around its nearest one.

    Parameters
    ----------
    patches : (m, d) float
    denominator_epsilon
        Added to the sum.
    divide
        Divisor of s* and d_k, not of the distances returned.

    Returns
    -------
    distances (m,) on the CPU, in the dtype of the bank's vectors, and the score.

    Raises
    ------
    MethodError
        If the bank has fewer than three vectors.
    """
    distances, spread = bank.farthest(patches)
    spread = spread.double() / divide
    star = float(distances.max()) / divide
    root = math.sqrt(bank.dim)
    share = torch.exp((spread - star) / root).sum() + denominator_epsilon * math.exp(-star / root)
    return distances, float((1 - 1 / share) * star)


def _changed_columns(vectors: Tensor, rounded: Tensor) -> Tensor:
    if vectors.dtype == rounded.dtype:
        return torch.empty(0, dtype=torch.long, device=rounded.device)
    changed = [(a != b).any(0) for a, b in zip(torch.split(vectors, _CHUNK), torch.split(rounded, _CHUNK), strict=True)]
    return torch.stack(changed).any(0).nonzero()[:, 0]


def _distinct(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return the distinct rows, and for each row its index among them."""
    if len(rows) == 1:
        return rows, torch.zeros(1, dtype=torch.long, device=rows.device)
    bits = rows.view(torch.int32).long()
    factors = torch.from_numpy(np.random.default_rng(0).integers(-(2**63), 2**63 - 1, bits.shape[1]))
    keys = (bits * factors.to(bits.device)).sum(1)
    _, back = torch.unique(keys, return_inverse=True)
    place = torch.arange(len(rows), device=rows.device)
    first = place.new_full((int(back.max()) + 1 if len(rows) else 0,), len(rows)).scatter_reduce(0, back, place, "amin")
    if not torch.equal(rows[first][back], rows):
        return rows, place
    return rows[first], back
