"""Distances and the interpolation by Triton kernels: in Triton's interpreter, and on a CUDA device where there is one.

Run as a program, this file writes the results of the kernels in the interpreter to the file that is named.
"""

from __future__ import annotations

import os
import subprocess
import sys
import types
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.contract import Implementation
from methods.parts import interpolation
from methods.parts.interpolation import cloud_rows, inverse_distance_weights, reached_pixels
from methods.parts.sampling import farthest_points

SIZE = 24
needs_triton = pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed")


def cloud(count: int) -> torch.Tensor:
    """Return points about (0, 0, 0.5), metres."""
    return torch.from_numpy(np.random.default_rng(count).normal((0, 0, 0.5), 0.05, (count, 3)).astype(np.float32))


def lattice() -> torch.Tensor:
    """Return points whose distances are exact, so that many centres are at one distance."""
    rows, columns = torch.meshgrid(torch.arange(12), torch.arange(12), indexing="ij")
    return torch.stack([columns, rows, torch.full_like(rows, 4)], -1).reshape(-1, 3).float() / 8


CASES: dict[str, Callable[[], tuple[torch.Tensor, int]]] = {
    "blocks, the last not full": lambda: (cloud(300), 40),
    "a whole block": lambda: (cloud(128), 17),
    "one point": lambda: (cloud(1), 3),
    "three centres": lambda: (cloud(50), 3),
    "ties": lambda: (lattice(), 36),
    "every point a centre": lambda: (cloud(30), 30),
    "equal centres": lambda: (cloud(4), 9),
}
"""Clouds with numbers of centres."""


def pixels_of(points: torch.Tensor) -> torch.Tensor:
    """Return distinct pixels for the points, not in order."""
    drawn = np.random.default_rng(len(points)).permutation(SIZE * SIZE)[: len(points)]
    return torch.from_numpy(drawn.astype(np.int64))


def results(name: str, device: str = "cpu") -> dict[str, np.ndarray]:
    """Return what the kernels compute for one of the cases."""
    from methods.parts.distances_cuda import squared_distances
    from methods.parts.interpolation_cuda import nearest_three, pooled_entries

    points, count = CASES[name]()
    pixels = pixels_of(points)
    reached = torch.from_numpy(reached_pixels(pixels.numpy(), SIZE))
    centres = points[farthest_points(points, count)].to(device)
    share, index = nearest_three(points.to(device), centres)
    columns, weights = pooled_entries(pixels.to(device), reached.to(device), share, index, SIZE)
    squared = squared_distances(centres[:2], points.to(device))
    named = {"share": share, "index": index, "columns": columns, "weights": weights, "squared": squared}
    return {part: tensor.cpu().numpy() for part, tensor in named.items()}


def check(name: str, found: dict[str, np.ndarray]) -> None:
    """Compare with torch on a CPU: the nearest by all distances and a stable sort, the rest bit for bit."""
    points, count = CASES[name]()
    centres = points[farthest_points(points, count)]
    squared = (points[:, None] - centres).square().sum(-1)
    np.testing.assert_array_equal(found["squared"], squared[:, :2].T.numpy())
    np.testing.assert_array_equal(found["index"], squared.argsort(dim=1, stable=True)[:, :3].numpy())
    expected, _ = inverse_distance_weights(points, centres)
    np.testing.assert_array_equal(found["share"], expected.numpy())
    pixels = pixels_of(points)
    reached = torch.from_numpy(reached_pixels(pixels.numpy(), SIZE))
    share, index = torch.from_numpy(found["share"]), torch.from_numpy(found["index"])
    columns, weights = interpolation._entries(pixels, reached, share, index, SIZE)
    np.testing.assert_array_equal(found["columns"], columns.numpy())
    np.testing.assert_array_equal(found["weights"], weights.numpy())


@pytest.fixture(scope="module")
def interpreted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """Return the results in a new process, since the interpreter is chosen when triton is imported."""
    path = tmp_path_factory.mktemp("kernels") / "results.npz"
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    done = subprocess.run(
        [sys.executable, __file__, path], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    with np.load(path) as arrays:
        return dict(arrays)


@needs_triton
@pytest.mark.parametrize("name", CASES)
def test_kernels_and_operations_of_torch_have_equal_results(name: str, interpreted: dict[str, np.ndarray]) -> None:
    check(name, {key.removeprefix(f"{name}/"): array for key, array in interpreted.items() if key.startswith(name)})


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", CASES)
def test_results_on_a_device_equal_those_of_the_cpu(name: str) -> None:
    from methods.parts.interpolation_cuda import reason_not_to_work

    assert reason_not_to_work(torch.device("cuda:0")) == ""
    check(name, results(name, "cuda:0"))


@pytest.mark.parametrize(
    ("works", "named"),
    [(True, Implementation("Triton kernels")), (False, Implementation("operations of torch", "no compiler"))],
)
def test_kernels_are_used_where_they_work_and_named(
    works: bool, named: Implementation, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernels = types.ModuleType("methods.parts.interpolation_cuda")
    kernels.reason_not_to_work = lambda device: "" if works else "no compiler"
    kernels.nearest_three = kernels.pooled_entries = object()
    monkeypatch.setitem(sys.modules, kernels.__name__, kernels)
    found = interpolation._cuda_interpolator.__wrapped__(torch.device("cuda:0"))
    assert found.implementation == named
    assert (found.mix is kernels.nearest_three) == works
    assert (found.entries is kernels.pooled_entries) == works


def test_fewer_than_three_centres_and_other_precisions_use_operations_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpolation, "interpolator_for", None)
    points = cloud(9)
    pixels = pixels_of(points)
    reached = torch.from_numpy(reached_pixels(pixels.numpy(), SIZE))
    for centres, dtype in ((points[:2], torch.float32), (points[:5], torch.float64)):
        rows = cloud_rows(points.to(dtype), pixels, reached, centres.to(dtype), SIZE, merged=False)
        assert rows.weights.dtype == dtype
        assert len(rows) == len(reached)


if __name__ == "__main__":
    arrays = {f"{name}/{part}": array for name in CASES for part, array in results(name).items()}
    np.savez(Path(sys.argv[1]), **arrays)
