"""A sparse matrix with cheap row selection: upsampling and interpolation as products with tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
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
    per_row
        Entries per row if all rows have the same number: then no size depends on values on the device, and no operation
        waits for it.
    host_starts : (n + 1,) int64
        ``starts`` in host memory, from which sizes of parts are taken without waiting for the device; None: they are
        read from the device for each part.
    transpose
        The transpose, where it is kept: the gradient of a product then sorts nothing.
    """

    starts: Tensor
    columns: Tensor
    weights: Tensor
    per_row: int | None = None
    host_starts: NDArray[np.int64] | None = None
    transpose: SparseRows | None = None

    @classmethod
    def uniform(cls, columns: Tensor, weights: Tensor) -> SparseRows:
        """Build from (n, k) int64 columns and (n, k) float weights, with k entries per row."""
        per_row = columns.shape[1]
        starts = torch.arange(0, columns.numel() + 1, per_row, device=columns.device)
        return cls(starts, columns.flatten(), weights.flatten(), per_row)

    def padded(self) -> tuple[Tensor, Tensor]:
        """Return what :meth:`uniform` was built from, (n, k) columns and weights, for a matrix that was built by it."""
        assert self.per_row is not None
        shape = (-1, self.per_row)
        return self.columns.view(shape), self.weights.view(shape)

    @classmethod
    def from_padded(cls, columns: Tensor, weights: Tensor, width: int) -> SparseRows:
        """Build from a fixed number of entries per row; sum repeated columns and leave out zero weights.

        Parameters
        ----------
        columns : (n, k) int64
        weights : (n, k) float
        width
            Number of columns of the matrix.
        """
        row = torch.arange(len(columns), device=columns.device)[:, None]
        return cls.from_entries(row, columns, weights, len(columns), width)

    @classmethod
    def from_entries(cls, rows: Tensor, columns: Tensor, weights: Tensor, height: int, width: int) -> SparseRows:
        """Build from entries in any order; sum those of one row and column and leave out zero weights.

        Parameters
        ----------
        rows, columns : int64
        weights : float
            Of shapes that broadcast.
        height, width
            Number of rows and of columns of the matrix.
        """
        keep = weights != 0
        keys, back = torch.unique((rows * width + columns)[keep], return_inverse=True)
        summed = torch.zeros(len(keys), dtype=weights.dtype, device=weights.device).index_add_(0, back, weights[keep])
        starts = torch.searchsorted(keys, torch.arange(0, (height + 1) * width, width, device=keys.device))
        return cls(starts, keys % width, summed, host_starts=starts.cpu().numpy())

    def __len__(self) -> int:
        return len(self.starts) - 1

    def rows(self, index: Tensor) -> SparseRows:
        """Return the matrix of the rows ``index``, (m,) int64 in host memory, in that order."""
        chosen = index.to(self.starts.device, non_blocking=True)
        if self.per_row is not None:
            columns, weights = self.padded()
            return SparseRows.uniform(columns[chosen], weights[chosen])
        first, counts = self.starts[chosen], self.starts[chosen + 1] - self.starts[chosen]
        starts = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        starts_on_host, picked = self._on_host(), index.numpy()
        entries = int((starts_on_host[picked + 1] - starts_on_host[picked]).sum())
        shift = torch.repeat_interleave(first - starts[:-1], counts, output_size=entries)
        places = torch.arange(entries, device=shift.device) + shift
        return SparseRows(starts, self.columns[places], self.weights[places])

    def slice(self, start: int, stop: int) -> SparseRows:
        """Return the rows from ``start`` up to ``stop`` without copying entries."""
        stop = min(stop, len(self))
        if self.per_row is None:
            begin, end = self._on_host()[[start, stop]].tolist()
        else:
            begin, end = start * self.per_row, stop * self.per_row
        starts = self.starts[start : stop + 1] - begin
        return SparseRows(starts, self.columns[begin:end], self.weights[begin:end], self.per_row)

    def _on_host(self) -> NDArray[np.int64]:
        return self.starts.cpu().numpy() if self.host_starts is None else self.host_starts

    def transposed(self, width: int) -> SparseRows:
        """Return the transpose; ``width`` is the number of columns of this matrix."""
        columns, order = self.columns.sort(stable=True)
        row = torch.repeat_interleave(self.starts.diff(), output_size=len(columns))
        starts = torch.searchsorted(columns, torch.arange(width + 1, device=columns.device))
        return SparseRows(starts, row[order], self.weights[order])

    def __matmul__(self, tokens: Tensor) -> Tensor:
        """Return the product with a dense (width, C) matrix in the precision of the weights: (n, C).

        Gradients flow to the dense matrix.
        """
        tokens = tokens.to(self.weights.dtype)
        if tokens.requires_grad and torch.is_grad_enabled():
            product: Tensor = _Product.apply(self, tokens)
            return product
        return functional.embedding_bag(
            self.columns, tokens, self.starts, mode="sum", per_sample_weights=self.weights, include_last_offset=True
        )


class _Product(torch.autograd.Function):
    """The product with a dense matrix; its gradient is a product with the transpose."""

    @staticmethod
    def forward(ctx: Any, matrix: SparseRows, tokens: Tensor) -> Tensor:
        ctx.matrix, ctx.width = matrix, len(tokens)
        return matrix @ tokens.detach()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        transpose = ctx.matrix.transpose if ctx.matrix.transpose is not None else ctx.matrix.transposed(ctx.width)
        return None, transpose @ gradients[0].contiguous()
