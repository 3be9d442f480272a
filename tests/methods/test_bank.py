"""Nearest neighbours of a bank, exact where products in float32 are not, and scores computed from them."""

from __future__ import annotations

import pickle
import sys
from types import ModuleType
from typing import Any

import numpy as np
import oracle_btf as oracle
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from harness.contract import MethodError
from harness.measure.reach import reachable_bytes
from methods.parts import bank as bank_module
from methods.parts import flat_search as search_module
from methods.parts.bank import Bank, patch_scores
from methods.parts.flat_search import flat_search


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def brute_force(vectors: torch.Tensor, queries: torch.Tensor, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances and indices in float64 by direct differences, ties by index."""
    rows = [oracle.distances_to(vectors.double().numpy(), query) for query in queries.double().numpy()]
    order = [np.argsort(row, kind="stable")[:count] for row in rows]
    return np.array([row[best] for row, best in zip(rows, order, strict=True)]), np.array(order)


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(["gauss", "lattice", "far from 0"]),
    vectors=st.integers(1, 60),
    queries=st.integers(1, 30),
    dim=st.integers(1, 12),
    count=st.integers(1, 4),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    seed=st.integers(0, 100),
)
def test_neighbours_equal_those_by_direct_differences(kind, vectors, queries, dim, count, dtype, seed) -> None:
    made = normal(vectors + queries, dim, seed=seed, dtype=dtype)
    made = {"gauss": made, "lattice": made.round(), "far from 0": 100 + made}[kind]
    held, rows, count = made[:vectors], made[vectors:], min(count, vectors)
    distances, indices = Bank(held, "cpu").search(rows, count)
    expected, _ = brute_force(held, rows, count)
    assert (distances.dtype, indices.dtype) == (dtype, torch.int64)
    np.testing.assert_allclose(distances, expected, rtol=1e-4 if dtype == torch.float32 else 1e-12, atol=1e-12)
    recomputed = torch.linalg.norm(held[indices].double() - rows[:, None].double(), dim=2)
    np.testing.assert_allclose(recomputed, expected, rtol=1e-5, atol=1e-12)
    assert all(len(set(row)) == count for row in indices.tolist())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("count", [1, 3])
def test_neighbours_that_float32_products_can_not_separate(dtype: torch.dtype, count: int) -> None:
    held = (100 + 0.01 * normal(3000, 64, seed=1)).to(dtype)
    queries = (100 + 0.01 * normal(50, 64, seed=2)).to(dtype)
    _, expected = brute_force(held, queries, count)
    _, roughly = flat_search(queries.float(), held.float(), count)
    assert (roughly.numpy() != expected).any()
    np.testing.assert_array_equal(Bank(held, "cpu").search(queries, count)[1], expected)


def test_float64_vectors_that_round_to_the_same_float32_are_separated() -> None:
    base = normal(200, 8, dtype=torch.float64)
    held = torch.cat([base, base + 1e-10])
    queries = base + 0.9e-10
    np.testing.assert_array_equal(Bank(held, "cpu").search(queries, 1)[1][:, 0], torch.arange(200) + 200)


def test_ties_go_to_the_lowest_index() -> None:
    held = torch.cat([normal(5, 4), normal(5, 4), normal(40, 4, seed=3)])
    _, indices = Bank(held, "cpu").search(held[:5], 2)
    assert indices.tolist() == [[index, index + 5] for index in range(5)]
    _, first = Bank(held, "cpu")._ranked(held[:1], torch.tensor([[30, 5, 0]]), 1)
    assert first.tolist() == [[0]]


def test_equal_queries_are_searched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[int] = []

    def counting(queries, vectors, count):
        searched.append(len(queries))
        return flat_search(queries, vectors, count)

    monkeypatch.setattr(bank_module, "flat_search", counting)
    held, few = normal(100, 6), normal(7, 6, seed=1)
    queries = few[torch.arange(50) % 7]
    distances, indices = Bank(held, "cpu").search(queries, 2)
    assert searched == [7]
    expected, order = brute_force(held, queries, 2)
    np.testing.assert_allclose(distances, expected, rtol=1e-5)
    np.testing.assert_array_equal(indices, order)


@pytest.mark.parametrize("block", [1, 300, 1 << 20])
def test_the_torch_search_finds_the_same_neighbours(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_module, "_BLOCK", {"cpu": block})
    held, queries = normal(500, 16), normal(20, 16, seed=1)
    squared, indices = search_module._torch_search(queries, held, 5)
    expected, order = brute_force(held, queries, 5)
    np.testing.assert_array_equal(indices, order)
    np.testing.assert_allclose(squared.sqrt(), expected, rtol=1e-4)


@pytest.mark.parametrize(("epsilon", "divide"), [(0.0, 1.0), (1e-5, 1.0), (0.0, 1000.0)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_scores_equal_the_oracle(epsilon: float, divide: float, dtype: torch.dtype) -> None:
    for seed in range(5):
        held, patches = normal(80, 9, seed=seed, dtype=dtype), 2 * normal(49, 9, seed=seed + 50, dtype=dtype)
        distances, score = patch_scores(Bank(held, "cpu"), patches, denominator_epsilon=epsilon, divide=divide)
        expected = oracle.scores(held.numpy(), patches.numpy(), denominator_epsilon=epsilon, divide=divide)
        np.testing.assert_allclose(distances, expected[0], rtol=1e-5)
        assert score == pytest.approx(expected[1], rel=1e-4)


def test_scores_are_plain_where_nothing_else_is_asked_for() -> None:
    held, patches = Bank(normal(60, 8), "cpu"), normal(20, 8, seed=1)
    plain = patch_scores(held, patches, denominator_epsilon=0.0, divide=1.0)[1]
    assert patch_scores(held, patches)[1] == plain
    assert patch_scores(held, patches, denominator_epsilon=1.0)[1] != plain
    assert patch_scores(held, patches, divide=2.0)[1] != plain


class Waits(TorchDispatchMode):
    """Counts the operations for whose result the host waits on a CUDA device, transfers excepted."""

    _NAMES = ("_local_scalar_dense", "equal", "_unique2", "nonzero")

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        by_mask = name in ("index", "index_put_") and any(
            one is not None and one.dtype == torch.bool for one in args[1]
        )
        self.count += name in self._NAMES or by_mask
        return func(*args, **(kwargs or {}))


def test_scores_wait_for_two_searches_and_one_transfer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bank_module, "flat_search", search_module._torch_search)
    held, patches = Bank(normal(300, 16), "cpu"), normal(50, 16, seed=1)
    with Waits() as waits:
        patch_scores(held, patches)
    searches = 3 + 2  # which rows are distinct; which of them need more candidates, of all and of the farthest
    assert waits.count <= searches + 2  # the largest distance and the score, on the host


def test_scores_beyond_the_range_of_exp_are_finite() -> None:
    held, patches = normal(10, 2), torch.full((4, 2), 1e5)
    distances, score = patch_scores(Bank(held, "cpu"), patches)
    assert 0 <= score < float(distances.max())


def test_a_float64_bank_holds_float64_only_of_columns_that_rounding_changes() -> None:
    promoted = normal(300, 40).double()
    promoted[:, 38:] = normal(300, 2, seed=1, dtype=torch.float64)
    held = Bank(promoted, "cpu")
    assert torch.equal(held.vectors, promoted)
    assert held.nbytes == 300 * (40 * 4 + 2 * 8) + 2 * 8
    assert held.nbytes == pytest.approx(reachable_bytes(held), rel=0.01)
    assert (len(held), held.dim) == (300, 40)


def test_a_bank_survives_pickling() -> None:
    held, queries = Bank(normal(50, 4, dtype=torch.float64), "cpu"), normal(5, 4, seed=1)
    again = pickle.loads(pickle.dumps(held))
    assert torch.equal(again.search(queries, 2)[0], held.search(queries, 2)[0])


@pytest.mark.parametrize("held", [0, 1, 2])
def test_fewer_vectors_than_neighbours_are_an_error(held: int) -> None:
    with pytest.raises(MethodError, match=rf"{held} vectors .*3 neighbours"):
        Bank(normal(held, 4), "cpu").search(normal(1, 4), 3)


class Faiss(ModuleType):
    """What is asked of faiss before a search."""

    __version__ = "1.15"

    def __init__(self, gpus: int) -> None:
        super().__init__("faiss")
        self.get_num_gpus = lambda: gpus


@pytest.mark.parametrize(
    ("wanted", "faiss", "name", "fallback"),
    [
        ("", Faiss(1), "torch", ""),
        ("1", Faiss(0), "torch", "HARNESS_FAISS_GPU is 1 but faiss finds no GPU"),
        ("1", None, "torch", "pip install 'ad3d-harness[faiss-gpu]'"),
        ("1", Faiss(1), "faiss 1.15", ""),
    ],
)
def test_torch_searches_on_a_gpu_unless_faiss_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, wanted: str, faiss: Faiss | None, name: str, fallback: str
) -> None:
    monkeypatch.setitem(sys.modules, "faiss", faiss)
    monkeypatch.setenv("HARNESS_FAISS_GPU", wanted)
    search_module._reason_against_faiss.cache_clear()
    chosen = search_module.implementation_of_search(torch.device("cuda:0"))
    search_module._reason_against_faiss.cache_clear()
    assert chosen is not None
    assert chosen.name.startswith(name)
    assert fallback in chosen.fallback
    assert bool(chosen.fallback) == bool(fallback)
    assert search_module.implementation_of_search(torch.device("cpu")) is None


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_cuda_device_finds_the_same_neighbours(dtype: torch.dtype) -> None:
    held, queries = normal(5000, 64, dtype=dtype), normal(300, 64, seed=1, dtype=dtype)
    here, there = (Bank(held, device).search(queries, 3) for device in ("cpu", "cuda:0"))
    np.testing.assert_array_equal(there[1], here[1])
    np.testing.assert_allclose(there[0], here[0], rtol=1e-5)
