"""Brute-force nearest neighbours by matrix products in float32: faiss on a CPU, torch on a GPU, or faiss on request."""

from __future__ import annotations

import os
from functools import lru_cache
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from harness.contract import Implementation, UnsupportedError
from harness.distribution import install_command

__all__ = ["flat_search", "implementation_of_search", "require_flat_search"]

_BLOCK = 1 << 25
"""Distances in memory at a time in torch's search."""

_BY_PRODUCTS_FROM = 20
"""Number of queries from which faiss multiplies matrices; its own threshold is 20 times too high."""

_GPU_MOST = 1024
"""Largest number of neighbours that every version of faiss can search on a GPU."""

_GPU_SCRATCH = 256 * 1024 * 1024
"""Bytes that faiss allocates on a GPU, outside torch's allocator: peaks of memory miss them."""

_REQUEST = "HARNESS_FAISS_GPU"
"""Environment variable by which faiss searches on a GPU where it is ``1``."""


def require_flat_search(device: str) -> None:
    """Raise :class:`UnsupportedError` if the search needs faiss and it is not installed."""
    if not device.startswith("cuda"):
        _faiss()


def implementation_of_search(device: torch.device) -> Implementation | None:
    """Return what searches on a device; None on a CPU, where there is no choice."""
    if device.type == "cpu":
        return None
    if _faiss_is_wanted() and _faiss_sees_a_gpu():
        return Implementation(f"faiss {_faiss().__version__} (its memory is missing in peaks)")
    reason = f"{_REQUEST} is 1 but faiss finds no GPU" if _faiss_is_wanted() else ""
    return Implementation("torch", reason)


def _faiss_is_wanted() -> bool:
    return os.environ.get(_REQUEST) == "1"


def flat_search(queries: Tensor, vectors: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the nearest vectors of each query, up to the rounding of |q|^2 + |v|^2 - 2 q.v in float32.

    Nothing is copied into an index. faiss uses as many threads as torch. On a GPU torch searches, whose memory is
    counted; faiss does instead where ``HARNESS_FAISS_GPU`` is ``1`` and it finds a GPU.

    Parameters
    ----------
    queries : (m, d) float32
    vectors : (n, d) float32
        Contiguous, on the same device.
    count
        Number of neighbours, at most n.

    Returns
    -------
    squared distances (m, count), ascending, and indices (m, count) int64, on that device.
    """
    if vectors.device.type == "cpu":
        faiss = _faiss()
        faiss.omp_set_num_threads(torch.get_num_threads())
        faiss.cvar.distance_compute_blas_threshold = _BY_PRODUCTS_FROM
        squared, indices = faiss.knn(queries.numpy(), vectors.numpy(), count)
        return torch.from_numpy(squared), torch.from_numpy(indices)
    if count <= _GPU_MOST and _faiss_is_wanted() and _faiss_sees_a_gpu():
        return _gpu_search(queries.contiguous(), vectors, count)
    return _torch_search(queries, vectors, count)


def _torch_search(queries: Tensor, vectors: Tensor, count: int) -> tuple[Tensor, Tensor]:
    norms = queries.square().sum(1, keepdim=True)
    best = torch.empty(len(queries), 0, device=queries.device)
    where = torch.empty(len(queries), 0, dtype=torch.long, device=queries.device)
    step = max(count, _BLOCK // max(1, len(queries)))
    for start in range(0, len(vectors), step):
        part = vectors[start : start + step]
        block = torch.addmm(part.square().sum(1), queries, part.T, alpha=-2)
        near = block.topk(min(count, len(part)), largest=False)
        best, where = torch.cat([best, near.values], 1), torch.cat([where, near.indices + start], 1)
        order = best.argsort(dim=1, stable=True)[:, :count]
        best, where = best.gather(1, order), where.gather(1, order)
    return (best + norms).clamp_min(0), where


def _faiss() -> Any:
    try:
        return import_module("faiss")
    except ImportError as error:
        raise UnsupportedError(
            f"The memory bank is searched with faiss, which can't be imported ({error}): "
            f"install it with {install_command('faiss-cpu')}, or for a CUDA device with {install_command('faiss-gpu')}."
        ) from error


@lru_cache(maxsize=1)
def _faiss_sees_a_gpu() -> bool:
    """Return whether faiss finds a GPU; a build for GPUs can be imported without one."""
    try:
        return bool(_faiss().get_num_gpus())
    except UnsupportedError:
        return False


@lru_cache(maxsize=8)
def _gpu_resources(index: int) -> Any:
    """Return faiss's scratch memory on a device."""
    with torch.cuda.device(index):
        resources = _faiss().StandardGpuResources()
        resources.setTempMemory(_GPU_SCRATCH)
        return resources


def _gpu_search(queries: Tensor, vectors: Tensor, count: int) -> tuple[Tensor, Tensor]:
    import_module("faiss.contrib.torch_utils")
    index = vectors.device.index or 0
    with torch.cuda.device(index):
        squared, indices = _faiss().knn_gpu(_gpu_resources(index), queries, vectors, count, device=index)
    return squared, indices
