"""Memory banks: exact search against torch's cdist and min, and the coreset against the plain greedy loop."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import perf_counter

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from methods.parts.bank import Bank
from methods.parts.coreset import greedy_coreset, projected

GRID, RANK = 28, 40
QUERIES, VECTORS, DIM = GRID * GRID, 50_000, 768
LENGTH = 1569
LEAST_SEARCH_RATIO = 1.5
LEAST_CORESET_RATIOS = {20_000: 3, 40_000: 20}
"""By the number of patches: the plain loop reads 20 MB for each pick, which some processors' caches hold, or 39 MB."""
ROUNDS = 5


def smooth_patches(count: int, dim: int, seed: int = 0) -> np.ndarray:
    """Features of images one after the other: few smooth fields, mixed into many channels, rectified, with noise."""
    draw = np.random.default_rng(seed)
    weights = draw.standard_normal((RANK, dim)) * np.exp(-np.arange(RANK) / 12)[:, None]
    common = smooth_fields(draw)
    images = []
    for _ in range(-(-count // GRID**2)):
        fields = (common + smooth_fields(draw) / 2).reshape(GRID**2, RANK)
        images.append(np.maximum(fields @ weights + 0.05 * draw.standard_normal((GRID**2, dim)), 0))
    return np.concatenate(images)[:count].astype(np.float32)


def smooth_fields(draw: np.random.Generator) -> np.ndarray:
    fields = gaussian_filter(draw.standard_normal((GRID, GRID, RANK)), (2.5, 2.5, 0))
    return fields / fields.std()


def normal(count: int, dim: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((count, dim), np.float32)


def plain_loop(vectors: np.ndarray, count: int) -> list[int]:
    points = projected(vectors, seed=0, eps=0.9, dtype="float32", device="cpu")
    picks, closest = [0], torch.full((len(points),), torch.inf)
    while len(picks) < count:
        torch.minimum(closest, torch.linalg.norm(points - points[picks[-1]], dim=1), out=closest)
        picks.append(int(closest.argmax()))
    return picks


def seconds(call: Callable[[], object]) -> float:
    start = perf_counter()
    call()
    return perf_counter() - start


def compare(name: str, slow: Callable[[], object], fast: Callable[[], object], rounds: int, benchmark, capsys) -> float:
    pairs = [(seconds(slow), seconds(fast)) for _ in range(rounds)]
    theirs, ours = (median(times) for times in zip(*pairs, strict=True))
    benchmark.extra_info["ratio"] = theirs / ours
    benchmark.pedantic(fast, rounds=1)
    with capsys.disabled():
        print(f"\n{name}: {theirs:.3f} s / {ours:.3f} s = {theirs / ours:.2f}")
    return theirs / ours


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("make", [smooth_patches, normal])
def test_search_against_cdist_and_min(make, dtype, benchmark, capsys):
    made = torch.from_numpy(make(VECTORS + QUERIES, DIM)).to(dtype)
    vectors, queries = made[:VECTORS].clone(), made[VECTORS:].clone()
    bank = Bank(vectors, "cpu")

    def ours():
        return bank.search(queries, 1)

    def theirs():
        return torch.cdist(queries, vectors).min(1)

    assert torch.equal(ours()[1][:, 0], theirs().indices)
    ratio = compare(f"search, {make.__name__}, {dtype}", theirs, ours, ROUNDS, benchmark, capsys)
    assert ratio >= LEAST_SEARCH_RATIO


@pytest.mark.parametrize(("make", "patches"), [(smooth_patches, 20_000), (normal, 20_000), (smooth_patches, 40_000)])
def test_coreset_against_the_plain_loop(make, patches, benchmark, capsys):
    vectors, picks = make(patches, LENGTH), patches // 10

    def ours():
        return greedy_coreset(vectors, picks, seed=0)

    def theirs():
        return plain_loop(vectors, picks)

    assert ours().tolist() == theirs()
    ratio = compare(f"coreset, {make.__name__}, {patches} patches", theirs, ours, 1, benchmark, capsys)
    assert ratio >= LEAST_CORESET_RATIOS[patches]
