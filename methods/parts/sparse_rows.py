"""A sparse matrix whose rows can be picked cheaply: upsampling and interpolation as products with tokens."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["SparseRows"]


@dataclass(frozen=True, slots=True, eq=False)
class SparseRows:
    """Compressed rows: row i holds ``weights[starts[i]:starts[i + 1]]`` at ``columns[...]``.

    Parameters
    ----------
    starts : (n + 1,) int64
    columns : (nnz,) int64
    weights : (nnz,) float
    """

    starts: Tensor
    columns: Tensor
    weights: Tensor

    @classmethod
    def from_padded(cls, columns: Tensor, weights: Tensor, width: int) -> SparseRows:
        """Build from a fixed number of entries a row; repeated columns are added up, zero weights left out.

        Parameters
        ----------
        columns : (n, k) int64
        weights : (n, k) float
        width
            Number of columns of the matrix.
        """
        row = torch.arange(len(columns), device=columns.device)[:, None]
        keep = weights != 0
        keys, back = torch.unique((row * width + columns)[keep], return_inverse=True)
        summed = torch.zeros(len(keys), dtype=weights.dtype, device=weights.device).index_add_(0, back, weights[keep])
        counts = torch.bincount(keys // width, minlength=len(columns))
        return cls(torch.cat([counts.new_zeros(1), counts.cumsum(0)]), keys % width, summed)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def rows(self, index: Tensor) -> SparseRows:
        """Return the matrix of the rows ``index``, (m,) int64, in that order."""
        first, counts = self.starts[index], self.starts[index + 1] - self.starts[index]
        starts = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        shift = torch.repeat_interleave(first - starts[:-1], counts)
        entries = torch.arange(len(shift), device=shift.device) + shift
        return SparseRows(starts, self.columns[entries], self.weights[entries])

    def slice(self, start: int, stop: int) -> SparseRows:
        """Return the rows from ``start`` up to ``stop`` without copying entries."""
        begin, end = int(self.starts[start]), int(self.starts[min(stop, len(self))])
        starts = self.starts[start : stop + 1] - begin
        return SparseRows(starts, self.columns[begin:end], self.weights[begin:end])

    def __matmul__(self, tokens: Tensor) -> Tensor:
        """Return the product with a dense (width, C) matrix: (n, C)."""
        return functional.embedding_bag(
            self.columns, tokens, self.starts, mode="sum", per_sample_weights=self.weights, include_last_offset=True
        )

    def nbytes(self) -> int:
        """Return the bytes held."""
        return sum(t.numel() * t.element_size() for t in (self.starts, self.columns, self.weights))
