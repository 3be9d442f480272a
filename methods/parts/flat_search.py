"""Brute-force nearest neighbours by matrix products in float32: by torch, or on a GPU by faiss on request."""

from __future__ import annotations

import os
from functools import lru_cache
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from harness.contract import Implementation
from harness.distribution import install_command
from methods.parts.dense import dense

__all__ = ["flat_search", "implementation_of_search"]

_BLOCK = {"cpu": 1 << 22, "cuda": 1 << 25}
"""Distances in memory at a time in torch's search: on a CPU they stay in its cache, on CUDA launches are few."""

_GPU_MOST = 1024
"""Largest number of neighbours that every version of faiss can search on a GPU."""

_GPU_SCRATCH = 256 * 1024 * 1024
"""Bytes that faiss allocates on a GPU, outside torch's allocator: peaks of memory miss them."""

_REQUEST = "HARNESS_FAISS_GPU"
"""Environment variable by which faiss searches on a GPU where it is ``1``."""


def implementation_of_search(device: torch.device) -> Implementation | None:
    """Return what searches on a device; None on a CPU, where there is no choice."""
    if device.type == "cpu":
        return None
    if not _faiss_is_wanted():
        return Implementation("torch")
    if reason := _reason_against_faiss():
        return Implementation("torch", f"{_REQUEST} is 1 but {reason}")
    return Implementation(f"faiss {import_module('faiss').__version__} (its memory is missing in peaks)")


def _faiss_is_wanted() -> bool:
    return os.environ.get(_REQUEST) == "1"


@lru_cache(maxsize=1)
def _reason_against_faiss() -> str:
    """Return why faiss can't search on a GPU, or nothing; a build for GPUs can be imported without one."""
    try:
        return "" if import_module("faiss").get_num_gpus() else "faiss finds no GPU"
    except ImportError as error:
        return f"faiss can't be imported ({error}): {install_command('faiss-gpu')} installs it"


def flat_search(queries: Tensor, vectors: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the nearest vectors of each query, up to the rounding of |q|^2 + |v|^2 - 2 q.v in float32.

    Nothing is copied into an index. On a GPU faiss searches where ``HARNESS_FAISS_GPU`` is ``1`` and it finds a GPU;
    its memory is not counted.

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
    if vectors.device.type == "cuda" and count <= _GPU_MOST and _faiss_is_wanted() and not _reason_against_faiss():
        return _gpu_search(queries.contiguous(), vectors, count)
    return _torch_search(queries, vectors, count)


def _torch_search(queries: Tensor, vectors: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Rank by q.v - |v|^2 / 2, which a product with a bias gives; the nearest vectors have the largest."""
    best = torch.empty(len(queries), 0, device=queries.device)
    where = torch.empty(len(queries), 0, dtype=torch.long, device=queries.device)
    step = max(count, _BLOCK[vectors.device.type] // max(1, len(queries)))
    for start in range(0, len(vectors), step):
        part = vectors[start : start + step]
        near = dense(queries, part, _squared_lengths(part).mul_(-0.5)).topk(min(count, len(part)))
        best, where = torch.cat([best, near.values], 1), torch.cat([where, near.indices + start], 1)
        order = best.argsort(dim=1, descending=True, stable=True)[:, :count]
        best, where = best.gather(1, order), where.gather(1, order)
    return best.mul_(-2).add_(_squared_lengths(queries)[:, None]).clamp_min_(0), where


def _squared_lengths(rows: Tensor) -> Tensor:
    lengths: Tensor = torch.linalg.vector_norm(rows, dim=1)
    return lengths.square_()


@lru_cache(maxsize=8)
def _gpu_resources(index: int) -> Any:
    """Return faiss's scratch memory on a device."""
    with torch.cuda.device(index):
        resources = import_module("faiss").StandardGpuResources()
        resources.setTempMemory(_GPU_SCRATCH)
        return resources


def _gpu_search(queries: Tensor, vectors: Tensor, count: int) -> tuple[Tensor, Tensor]:
    import_module("faiss.contrib.torch_utils")
    index = vectors.device.index or 0
    with torch.cuda.device(index):
        squared, indices = import_module("faiss").knn_gpu(_gpu_resources(index), queries, vectors, count, device=index)
    return squared, indices
