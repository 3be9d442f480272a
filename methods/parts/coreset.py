"""Greedy k-centre selection, on a sparse random projection for the memory banks of BTF and M3DM.

The plain loop repeatedly picks the vector farthest from all previous picks, with a pass over all vectors for each pick.
This implementation considers only vectors that can be the farthest. Distances to the picks only decrease, so an old
distance is an upper bound: the vectors with the largest bounds are updated together by a matrix product, and picks are
made among them as long as one exceeds every other bound. Rounding changes nothing: the product only selects the pairs
that may have a new smallest distance, and for these it is computed as in the plain loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.random_projection import SparseRandomProjection, johnson_lindenstrauss_min_dim
from torch import Tensor

from harness.contract import Progress
from methods.parts.dense import dense
from methods.parts.finite import require_finite

__all__ = ["approximate_coreset", "greedy_coreset", "projected"]

_CHUNK = 512
"""Vectors converted or projected at a time; a product with a sparse matrix is fastest within the cache."""

_ROWS, _COLUMNS = 512, 4096
"""Sides of the blocks of distances. Few rows, so that the rows of a block were updated at about the same pick."""

_TOGETHER, _LEAST, _MOST = 512, 64, 1 << 16
"""Vectors updated together: initially, at least and at most."""

_PASS, _ROUND = 10, 1_000_000
"""Cost of a round without its picks, in element operations: per vector, and constant."""


def _silent(stage: str, done: int, total: int, **values: float) -> None:
    """Ignore the progress."""


def greedy_coreset(
    vectors: Tensor | NDArray[Any],
    count: int,
    *,
    seed: int,
    start: int = 0,
    eps: float = 0.9,
    dtype: Literal["float32", "float16"] = "float32",
    progress: Progress = _silent,
    device: str = "cpu",
) -> NDArray[np.int64]:
    """Choose vectors that cover all others: each pick is the vector farthest from the picks before it.

    The picks are those of the plain loop ``closest = minimum(closest, norm(points - points[last]))``,
    ``last = argmax(closest)`` in float32, ties to the lowest index; once every vector equals a pick, index 0 repeats.
    Memory in addition to the vectors: their projection, 16 bytes per vector, and blocks of a fixed size.

    Parameters
    ----------
    vectors : (n, d) float32 or float64
        Read in chunks, so a memory map is possible.
    count
        Number of picks, 1 to n.
    seed
        Seed of the projection.
    start
        Index of the first pick.
    eps
        Distortion that determines the dimension of the projection; vectors with fewer dimensions are not projected.
    dtype
        Dtype of the projection; the authors' code has float16 on a GPU.
    progress
        Called in the stages ``project`` (vectors) and ``coreset`` (picks).
    device
        Torch device name.

    Returns
    -------
    (count,) int64 indices in the order of picking.

    Raises
    ------
    MethodError
        If a projected vector is not finite.
    """
    if not 1 <= count <= len(vectors):
        raise ValueError(f"count must be between 1 and {len(vectors)}, the number of vectors, not {count}")
    points = projected(vectors, seed=seed, eps=eps, dtype=dtype, device=device, progress=progress)
    return _picks(_Cover(points, count, [start], [start]), progress)


def approximate_coreset(
    points: Tensor, count: int, *, starts: Sequence[int], progress: Progress = _silent
) -> NDArray[np.int64]:
    """Choose as PatchCore's approximate greedy coreset does, from vectors that are projected already.

    A vector's distance to the picks is at most its mean distance to ``starts``, which are no picks; the first pick is
    the one where that is largest. Otherwise as :func:`greedy_coreset`.

    Parameters
    ----------
    points : (n, k) float32
    count
        Number of picks, 1 to n.
    starts
        Indices, at least one.
    progress
        Called in the stage ``coreset``.

    Returns
    -------
    (count,) int64 indices in the order of picking.

    Raises
    ------
    MethodError
        If a vector is not finite.
    """
    return _picks(_Cover(points, count, [], starts), progress)


def _picks(cover: _Cover, progress: Progress) -> NDArray[np.int64]:
    """Pick as many as the cover is to have."""
    count = cover.count
    while len(cover.picks) < count:
        progress("coreset", len(cover.picks), count)
        cover.advance()
    progress("coreset", count, count)
    return np.array(cover.picks, np.int64)


def projected(
    vectors: Tensor | NDArray[Any],
    *,
    seed: int,
    eps: float,
    dtype: Literal["float32", "float16"],
    device: str,
    progress: Progress = _silent,
) -> Tensor:
    """Return the vectors after scikit-learn's SparseRandomProjection, or unchanged if they have too few dimensions.

    Parameters
    ----------
    vectors : (n, d) float32 or float64
    seed, eps, dtype, device, progress
        See :func:`greedy_coreset`.

    Returns
    -------
    (n, k) ``dtype`` on ``device``.

    Raises
    ------
    MethodError
        If a vector is not finite.
    """
    count, dim = vectors.shape
    target = int(johnson_lindenstrauss_min_dim(count, eps=eps))
    projection = None
    if 1 <= target <= dim:
        projection = SparseRandomProjection(target, random_state=seed).fit(_rows(vectors, slice(0, 1)))
    result = torch.empty(count, target if projection else dim, dtype=getattr(torch, dtype), device=device)
    for start in range(0, count, _CHUNK):
        progress("project", start, count)
        part = slice(start, start + _CHUNK)
        rows = _rows(vectors, part)
        require_finite(rows, rows.dtype)
        result[part] = torch.from_numpy(projection.transform(rows) if projection else rows.copy())
    progress("project", count, count)
    return result


def _rows(vectors: Tensor | NDArray[Any], part: slice) -> NDArray[Any]:
    rows = vectors[part]
    return rows.cpu().numpy() if isinstance(rows, Tensor) else np.asarray(rows)


class _Cover:
    """The picks so far, and for each vector a bound on its distance to the nearest of them.

    A bound is exact for the first ``seen`` picks, those at the last update of the vector.

    Parameters
    ----------
    points : (n, k) float32 or float16
    count
        Final number of picks.
    picks
        Indices of the first picks.
    starts
        Vectors whose mean distance is the first bound.
    """

    def __init__(self, points: Tensor, count: int, picks: Sequence[int], starts: Sequence[int]) -> None:
        self.picks = [*picks]
        self.count = count
        self._points = points
        self._centres = torch.empty(count, points.shape[1], device=points.device)
        self._norms = torch.empty(count, device=points.device)
        self._squared = torch.empty(len(points), device=points.device)
        self._bound = torch.empty(len(points), device=points.device)
        self._seen = torch.full((len(points),), len(self.picks), dtype=torch.int32, device=points.device)
        self._together = _TOGETHER
        self._epsilon = (points.shape[1] + 8) * torch.finfo(torch.float32).eps
        for first in range(0, len(points), _CHUNK):
            part = slice(first, first + _CHUNK)
            rows = points[part].float()
            self._squared[part] = rows.square().sum(1)
            distances = [torch.linalg.norm(rows - points[start].float(), dim=1) for start in starts]
            self._bound[part] = torch.stack(distances).mean(0)
        self._note(0)
        require_finite(self._bound, points.dtype)

    def advance(self) -> None:
        """Update the vectors with the largest bounds and pick among them as long as no other can be the farthest."""
        rows, ceiling, fence = self._largest(self._together)
        if not bool(self._bound[rows].any()):
            self.picks += [0] * (self.count - len(self.picks))
            return
        self._update(rows)
        rows = rows[self._bound[rows] >= ceiling]
        made = self._pick_among(rows, ceiling, fence) if len(rows) else 0
        count, dim = self._points.shape
        balanced = made * len(rows) * dim >= _PASS * count + _ROUND
        self._together = max(self._together // 2, _LEAST) if balanced else min(self._together * 2, _MOST)

    def _largest(self, count: int) -> tuple[Tensor, float, int]:
        """Return the vectors with the ``count`` largest bounds, ascending, and the next bound with its lowest index."""
        if count >= len(self._bound):
            return torch.arange(len(self._bound), device=self._bound.device), -1.0, 0
        least = self._bound.topk(count + 1).values[-1]
        above = (self._bound > least).nonzero()[:, 0]
        tied = (self._bound == least).nonzero()[:, 0]
        free = count - len(above)
        return torch.cat([above, tied[:free]]).sort().values, float(least), int(tied[free])

    def _pick_among(self, rows: Tensor, ceiling: float, fence: int) -> int:
        """Pick while the farthest of ``rows`` exceeds ``ceiling``, or equals it at an index below ``fence``."""
        points, bound, index = self._points[rows].float(), self._bound[rows], rows.tolist()
        before = len(self.picks)
        while len(self.picks) < self.count:
            farthest = int(bound.argmax())
            value = float(bound[farthest])
            if value == 0 or value < ceiling or (value == ceiling and index[farthest] > fence):
                break
            self.picks.append(index[farthest])
            torch.minimum(bound, torch.linalg.norm(points - points[farthest], dim=1), out=bound)
        self._note(before)
        self._bound[rows] = bound
        self._seen[rows] = len(self.picks)
        return len(self.picks) - before

    def _note(self, first: int) -> None:
        """Keep the vectors of the picks from number ``first`` on, and their squared lengths."""
        made = slice(first, len(self.picks))
        self._centres[made] = self._points[self.picks[made]].float()
        self._norms[made] = self._squared[self.picks[made]]

    def _update(self, rows: Tensor) -> None:
        """Make the bounds of ``rows`` exact for all picks."""
        rows = rows[self._seen[rows] < len(self.picks)]
        rows = rows[self._seen[rows].argsort()]
        for first in range(0, len(rows), _ROWS):
            part = rows[first : first + _ROWS]
            self._bound[part] = self._lowered(part, int(self._seen[part[0]]))
        self._seen[rows] = len(self.picks)

    def _lowered(self, rows: Tensor, seen: int) -> Tensor:
        """Return the bounds of some vectors after the picks from number ``seen`` on."""
        points, squared, bound = self._points[rows].float(), self._squared[rows], self._bound[rows]
        for first in range(seen, len(self.picks), _COLUMNS):
            part = slice(first, min(first + _COLUMNS, len(self.picks)))
            centres = self._centres[part]
            row, column = self._candidates(points, squared, bound, centres, self._norms[part])
            distance = torch.linalg.norm(points[row] - centres[column], dim=1)
            bound = bound.scatter_reduce(0, row, distance, "amin")
        return bound

    def _candidates(
        self, points: Tensor, squared: Tensor, bound: Tensor, centres: Tensor, norms: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return pairs of a point and a centre that include the nearest centre of every point whose bound it lowers.

        Squared distances, up to a constant for each point, come from a matrix product; a pair is left out only if no
        rounding, of the product or of the distance itself, can make it the nearest.
        """
        partial = dense(-2 * points, centres, (1 - self._epsilon) * norms)
        limit = (1 + self._epsilon) * bound.square() - (1 - self._epsilon) * squared
        least = partial.amin(1)
        row = (least <= limit).nonzero()[:, 0]
        slack = 8 * self._epsilon * (squared[row] + norms.max())
        hit, column = (partial[row] <= torch.minimum(limit[row], least[row] + slack)[:, None]).nonzero(as_tuple=True)
        return row[hit], column
