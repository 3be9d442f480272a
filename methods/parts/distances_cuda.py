"""Squared distances of all pairs of points on a CUDA device by a Triton kernel: one launch and no other matrix.

Needs Triton. Sums have the order of the search on a CPU and are not fused with products.
"""

from __future__ import annotations

from functools import lru_cache

import torch
import triton
import triton.language as tl
from torch import Tensor

from methods.parts.optional import on_device, reason_it_fails

__all__ = ["reason_not_to_work", "squared_distances"]

_BLOCK = 1024


def _squared_distances(
    queries: tl.tensor, points: tl.tensor, squared: tl.tensor, count: tl.tensor, block: tl.constexpr
) -> None:
    query = tl.program_id(0)
    place = tl.program_id(1) * block + tl.arange(0, block)
    inside = place < count
    dx = tl.load(queries + 3 * query) - tl.load(points + 3 * place, mask=inside, other=0.0)
    dy = tl.load(queries + 3 * query + 1) - tl.load(points + 3 * place + 1, mask=inside, other=0.0)
    dz = tl.load(queries + 3 * query + 2) - tl.load(points + 3 * place + 2, mask=inside, other=0.0)
    tl.store(squared + query * count + place, dx * dx + dy * dy + dz * dz, mask=inside)


_squared_distances_kernel = triton.jit(_squared_distances)


def squared_distances(queries: Tensor, points: Tensor) -> Tensor:
    """Return the squared distance of each query from each point.

    Parameters
    ----------
    queries : (Q, 3) float32
        Q at least 1.
    points : (N, 3) float32
        N at least 1; Q times N below 2^31.

    Returns
    -------
    (Q, N) float32.
    """
    squared = torch.empty(len(queries), len(points), device=points.device)
    with on_device(points.device):
        _squared_distances_kernel[(len(queries), triton.cdiv(len(points), _BLOCK))](
            queries.contiguous(), points.contiguous(), squared, len(points), block=_BLOCK, enable_fp_fusion=False
        )
    return squared


@lru_cache(maxsize=16)
def reason_not_to_work(device: torch.device) -> str:
    """Return why the kernel can't be compiled or run on a device, with a warning; empty where it can."""

    def attempt() -> None:
        squared_distances(torch.zeros(1, 3, device=device), torch.zeros(1, 3, device=device))
        torch.cuda.synchronize(device)

    return reason_it_fails(attempt, "Triton", "The search for neighbours")
