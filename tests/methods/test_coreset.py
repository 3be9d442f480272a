"""The greedy coreset: picks equal to those of the plain loop for all kinds of vectors, in bounded memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import oracle_btf as oracle
import oracle_cfr
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.random_projection import SparseRandomProjection

from harness.contract import MethodError
from harness.measure.host import reset_high_water, status_bytes
from methods.parts import coreset
from methods.parts.coreset import approximate_coreset, greedy_coreset, projected

SMALL = {"_CHUNK": 7, "_ROWS": 5, "_COLUMNS": 3, "_TOGETHER": 4, "_LEAST": 2, "_PASS": 1, "_ROUND": 20}


def plain_loop(points: torch.Tensor, count: int, start: int = 0) -> list[int]:
    """The loop of the authors' code in float32."""
    points, picks = points.float(), [start]
    closest = torch.full((len(points),), torch.inf)
    while len(picks) < count:
        closest = torch.minimum(closest, torch.linalg.norm(points - points[picks[-1]], dim=1))
        picks.append(int(closest.argmax()))
    return picks


def smooth_patches(count: int, dim: int, seed: int = 0) -> np.ndarray:
    """Vectors on a curved surface of few dimensions, as those of neighbouring patches, with a little noise."""
    draw = np.random.default_rng(seed)
    walk = np.cumsum(draw.standard_normal((count, 6)), 0) / 10
    bent = np.sin(walk @ draw.standard_normal((6, dim)))
    return (bent + 0.01 * draw.standard_normal((count, dim))).astype(np.float32)


def vectors_of(kind: str, count: int, dim: int, seed: int) -> np.ndarray:
    draw = np.random.default_rng(seed)
    if kind == "lattice":
        return draw.integers(0, 3, (count, dim)).astype(np.float32)
    if kind == "repeated":
        return draw.standard_normal((max(1, count // 5), dim), np.float32)[draw.integers(0, max(1, count // 5), count)]
    if kind == "far from 0":
        return (1000 + draw.standard_normal((count, dim))).astype(np.float32)
    return draw.standard_normal((count, dim), np.float32)


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(["gauss", "lattice", "repeated", "far from 0"]),
    count=st.integers(1, 150),
    dim=st.integers(1, 20),
    share=st.floats(0, 1),
    start=st.floats(0, 1),
    dtype=st.sampled_from(["float32", "float16"]),
    small=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_picks_equal_those_of_the_plain_loop(kind, count, dim, share, start, dtype, small, seed) -> None:
    vectors = vectors_of(kind, count, dim, seed)
    wanted, first = max(1, round(share * count)), int(start * (count - 1))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SMALL.items() if small else ():
            patch.setattr(coreset, name, value)
        picks = greedy_coreset(vectors, wanted, seed=seed, start=first, dtype=dtype)
    points = torch.from_numpy(vectors).to(getattr(torch, dtype))
    assert picks.tolist() == plain_loop(points, wanted, first)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("make", [smooth_patches, lambda n, d: vectors_of("gauss", n, d, 0)], ids=["smooth", "gauss"])
def test_picks_of_projected_vectors(make, dtype: str) -> None:
    vectors = make(4000, 600)
    points = projected(vectors, seed=3, eps=0.9, dtype=dtype, device="cpu")
    assert points.shape == (4000, 204)
    assert greedy_coreset(vectors, 400, seed=3, dtype=dtype).tolist() == plain_loop(points, 400)


def test_picks_equal_those_in_float64_if_no_distances_are_nearly_equal() -> None:
    vectors = smooth_patches(900, 50)
    assert greedy_coreset(vectors, 90, seed=0, start=5).tolist() == oracle.plain_coreset(vectors.astype(float), 90, 5)


def test_the_projection_equals_that_of_scikit_learn() -> None:
    vectors = vectors_of("gauss", 5000, 400, 1)
    whole = SparseRandomProjection(eps=0.9, random_state=7).fit_transform(vectors)
    np.testing.assert_array_equal(projected(vectors, seed=7, eps=0.9, dtype="float32", device="cpu").numpy(), whole)
    halves = projected(torch.from_numpy(vectors).double(), seed=7, eps=0.9, dtype="float16", device="cpu")
    assert halves.dtype == torch.float16
    np.testing.assert_allclose(halves.float().numpy(), whole, atol=1e-3 * np.abs(whole).max())


def test_vectors_with_too_few_dimensions_are_not_projected() -> None:
    vectors = vectors_of("gauss", 5000, 100, 2)
    np.testing.assert_array_equal(projected(vectors, seed=0, eps=0.9, dtype="float32", device="cpu").numpy(), vectors)


def test_index_0_repeats_once_everything_is_covered() -> None:
    vectors = np.repeat(np.eye(3, dtype=np.float32), 4, axis=0)
    picks = greedy_coreset(vectors, 6, seed=0, start=5)
    assert picks.tolist() == plain_loop(torch.from_numpy(vectors), 6, 5) == [5, 0, 8, 0, 0, 0]


def test_a_read_only_memory_map_is_accepted(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    vectors = smooth_patches(3000, 300)
    np.save(tmp_path / "vectors.npy", vectors)
    mapped = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    np.testing.assert_array_equal(greedy_coreset(mapped, 50, seed=0), greedy_coreset(vectors, 50, seed=0))
    assert not recwarn.list


def test_progress_reaches_the_end() -> None:
    calls: dict[str, list[tuple[int, int]]] = {}
    greedy_coreset(
        smooth_patches(2000, 20), 300, seed=0, progress=lambda stage, *step: calls.setdefault(stage, []).append(step)
    )
    assert list(calls) == ["project", "coreset"]
    for steps, end in zip(calls.values(), (2000, 300), strict=True):
        assert len(steps) > 2
        assert steps == sorted(steps)
        assert steps[-1] == (end, end)


@pytest.mark.parametrize("count", [0, 11])
def test_a_count_out_of_range_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=rf"1 and 10\b.* {count}$"):
        greedy_coreset(np.zeros((10, 2), np.float32), count, seed=0)


@pytest.mark.parametrize(("value", "dtype"), [(np.nan, "float32"), (np.inf, "float32"), (1e6, "float16")])
def test_features_that_are_not_finite_are_an_error(value: float, dtype: str) -> None:
    vectors = vectors_of("gauss", 50, 3, 0)
    vectors[20, 1] = value
    with pytest.raises(MethodError, match=dtype):
        greedy_coreset(vectors, 5, seed=0, dtype=dtype)


def test_memory_is_little_more_than_the_projection() -> None:
    """For 1.13 million vectors of 1152 that is 1.5 GB in addition to the 5.2 GB of the vectors."""
    vectors = vectors_of("gauss", 60_000, 1152, 0)
    greedy_coreset(vectors[:3000], 10, seed=0)
    if not reset_high_water():
        pytest.skip("this system does not let the high-water mark be reset")
    before = status_bytes("VmRSS")
    greedy_coreset(vectors, 100, seed=0)
    bound = len(vectors) * (271 * 4 + 12) + 32e6
    assert status_bytes("VmHWM") - before < bound < vectors.nbytes / 2


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_cuda_device_picks_the_same() -> None:
    vectors = smooth_patches(4000, 600)
    np.testing.assert_array_equal(
        greedy_coreset(vectors, 100, seed=0, device="cuda:0"), greedy_coreset(vectors, 100, seed=0)
    )


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(["gauss", "lattice", "repeated"]),
    count=st.integers(1, 120),
    dim=st.integers(1, 12),
    share=st.floats(0, 1),
    small=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_the_approximate_coreset_begins_with_mean_distances(kind, count, dim, share, small, seed) -> None:
    points = torch.from_numpy(vectors_of(kind, count, dim, seed))
    picks = max(1, round(share * count))
    starts = np.random.default_rng(seed).permutation(count)[:10].tolist()
    with pytest.MonkeyPatch.context() as patched:
        for name, value in (SMALL if small else {}).items():
            patched.setattr(coreset, name, value)
        found = approximate_coreset(points, picks, starts=starts)
    assert covered(points, found, starts) == pytest.approx(
        covered(points, oracle_cfr.approximate_greedy(points.double().numpy(), picks, starts), starts), abs=1e-5
    )


def covered(points: torch.Tensor, picks, starts: list[int]) -> list[float]:
    """Return the distance of each pick to those before it, which no tie changes."""
    held = points.double().numpy()
    closest = np.mean([np.linalg.norm(held - held[start], axis=1) for start in starts], axis=0)
    distances = []
    for pick in picks:
        distances.append(float(closest[pick]))
        closest = np.minimum(closest, np.linalg.norm(held - held[pick], axis=1))
    return distances
