"""Farthest point sampling by Triton kernels: in Triton's interpreter on any machine, as a graph on a CUDA device.

Run as a program, this file prints the picks of the kernels in the interpreter.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import types
import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from harness.contract import Implementation
from methods.parts import sampling
from methods.parts.sampling import PairDistances, farthest_points

gpu = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]
needs_triton = pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed")


def cloud(count: int, scale: float = 0.05, depth: float = 0.5) -> torch.Tensor:
    """Return points about (0, 0, depth), metres."""
    return torch.from_numpy(np.random.default_rng(count).normal((0, 0, depth), scale, (count, 3)).astype(np.float32))


def grid(width: int, height: int) -> torch.Tensor:
    """Return points of a lattice whose distances are exact, so that most picks are ties."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([columns, rows, torch.full_like(rows, 4)], -1).reshape(-1, 3).float() / 8


CLOUDS: dict[str, Callable[[], tuple[torch.Tensor, int]]] = {
    "three blocks, the last not full": lambda: (cloud(2500), 64),
    "whole blocks": lambda: (cloud(2048), 20),
    "one more than a block": lambda: (cloud(1025), 24),
    "less than a block": lambda: (cloud(300), 50),
    "ties within a block": lambda: (grid(25, 24), 40),
    "ties between blocks": lambda: (grid(50, 56), 40),
    "the same points twice": lambda: (cloud(700).repeat(3, 1), 40),
    "some points excluded": lambda: (cloud(1500, 0.03, 0.0), 40),
    "the first point excluded": lambda: (torch.cat([torch.zeros(1, 3), cloud(1100)]), 20),
    "all points excluded": lambda: (cloud(1200, 0.001, 0.0), 20),
    "fewer points than centres": lambda: (cloud(13), 30),
    "fewer points than centres, some excluded": lambda: (cloud(20, 0.03, 0.0), 40),
    "one point": lambda: (cloud(1), 5),
    "one centre": lambda: (cloud(400), 1),
}
"""Clouds with numbers of centres."""

CAPACITY = 4096


def picks_of_kernels() -> dict[str, list[int]]:
    """Launch the kernels for each cloud; all clouds with one number of centres use the same buffers."""
    from methods.parts.farthest_cuda import Buffers, launch

    picks: dict[str, list[int]] = {}
    kept: dict[int, Buffers] = {}
    for name, make in CLOUDS.items():
        points, count = make()
        if count not in kept:
            kept[count] = Buffers.allocate(points.device, CAPACITY, count)
            kept[count].coordinates.fill_(float("nan"))
        kept[count].load(points)
        launch(kept[count])
        picks[name] = kept[count].picks().tolist()
    return picks


@pytest.fixture(scope="module")
def interpreted() -> dict[str, list[int]]:
    """Return the picks of the kernels in a new process, since the interpreter is chosen when triton is imported."""
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    done = subprocess.run([sys.executable, __file__], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    picks: dict[str, list[int]] = json.loads(done.stdout)
    return picks


@needs_triton
@pytest.mark.parametrize("name", CLOUDS)
def test_kernels_and_loop_have_equal_picks(name: str, interpreted: dict[str, list[int]]) -> None:
    points, count = CLOUDS[name]()
    assert interpreted[name] == farthest_points(points, count).tolist()


def test_clouds_have_the_properties_in_their_names() -> None:
    def norm(name: str) -> torch.Tensor:
        return CLOUDS[name]()[0].square().sum(1)

    assert (norm("all points excluded") <= 1e-3).all()
    assert 0 < (norm("some points excluded") <= 1e-3).sum() < 1500
    assert (norm("the first point excluded") <= 1e-3).nonzero().flatten().tolist() == [0]
    points, count = CLOUDS["ties between blocks"]()
    assert (
        len({(torch.cdist(points, points[i : i + 1]) ** 2).max().item() for i in farthest_points(points, count)})
        < count
    )


@needs_triton
def test_picks_are_a_new_tensor() -> None:
    from methods.parts.farthest_cuda import Buffers

    buffers = Buffers.allocate(torch.device("cpu"), 1024, 3)
    first = buffers.picks()
    buffers.best.fill_(7)
    assert first.tolist() == [2**31 - 1] * 3


@needs_triton
def test_buffers_made_in_inference_mode_can_be_written_outside_it() -> None:
    from methods.parts.farthest_cuda import Buffers

    with torch.inference_mode():
        buffers = Buffers.allocate(torch.device("cpu"), 1024, 3)
        buffers.load(cloud(5))
    buffers.load(cloud(6).requires_grad_())
    assert int(buffers.valid) == 6
    assert torch.equal(buffers.coordinates[:, :6], cloud(6).T)
    assert not buffers.coordinates.requires_grad


@needs_triton
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_without_the_kernels_is_warned_about_once_and_says_why_each_time() -> None:
    from methods.parts.farthest_cuda import reason_not_to_work

    reason_not_to_work.cache_clear()
    with pytest.warns(RuntimeWarning, match="Triton"):
        reason = reason_not_to_work(torch.device("cuda:0"))
    assert reason.startswith("Triton failed: ")
    assert "\n" not in reason
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert reason_not_to_work(torch.device("cuda:0")) == reason


@pytest.mark.parametrize(
    ("installed", "expected", "named"),
    [
        (("graph", "package"), "graph", Implementation("a CUDA graph of Triton kernels")),
        (("package",), "package", Implementation("pointnet2_ops", "no compiler")),
        ((), "loop", Implementation("a loop over the steps", "no compiler")),
    ],
)
def test_the_best_working_sampler_is_used_and_named(
    installed: tuple[str, ...], expected: str, named: Implementation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With fakes of both, which have different picks, since neither runs without a CUDA device."""
    graph = types.ModuleType("methods.parts.farthest_cuda")
    graph.reason_not_to_work = lambda device: "" if "graph" in installed else "no compiler"
    graph.open_graph = lambda device, count: 1000 + count
    graph.farthest_by_graph = lambda points, count: torch.full((count,), 1)
    package = types.ModuleType("pointnet2_ops.pointnet2_utils")
    package.furthest_point_sample = lambda batch, count: torch.full((len(batch), count), 2, dtype=torch.int32)
    monkeypatch.setitem(sys.modules, graph.__name__, graph)
    monkeypatch.setitem(sys.modules, "pointnet2_ops", types.ModuleType("pointnet2_ops"))
    monkeypatch.setitem(sys.modules, package.__name__, package if "package" in installed else None)
    sampler = sampling._cuda_sampler.__wrapped__(torch.device("cuda:0"))
    points = cloud(50)
    picks = {"graph": torch.full((9,), 1), "package": torch.full((9,), 2), "loop": farthest_points(points, 9)}
    assert sampler.implementation == named
    assert sampler.open_for(24) == (1024 if expected == "graph" else 0)
    picked = sampler.pick(points, 9)
    assert picked.dtype == torch.long
    assert torch.equal(picked, picks[expected])


@pytest.mark.parametrize(("queries", "points", "count"), [(100, 2000, 32), (5000, 64, 3), (1, 10, 10)])
@pytest.mark.parametrize("scale", [0.1, 0.001])
def test_search_by_differences_equals_search_by_tree(queries: int, points: int, count: int, scale: float) -> None:
    queried, known = cloud(queries, scale), cloud(points + 1, scale)
    squared, index = sampling._nearest_by_differences(queried, known, count)
    expected_squared, expected_index = sampling._nearest_by_tree(queried, known, count)
    assert torch.equal(index.sort(1).values, expected_index.sort(1).values)
    np.testing.assert_allclose(squared.numpy(), expected_squared.numpy(), rtol=1e-6)
    assert torch.equal(squared, (queried[:, None] - known[index]).square().sum(-1))


def test_the_loop_and_the_search_read_no_value_from_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "distances_for", lambda device: PairDistances(None, sampling._squared_by_axis))
    with FakeTensorMode():  # raises where a value is queried for
        points = torch.empty(500, 3, device="cuda")
        assert sampling._farthest_by_steps(points, 20).shape == (20,)
        assert sampling._nearest_by_differences(points[:7], points, 3)[1].shape == (7, 3)


class TestOnCuda:
    """The same through a captured graph."""

    pytestmark = gpu
    SIZES = (50_176, 300, 7, 20_000, 1024, 1)

    def test_the_kernels_work(self) -> None:
        if find_spec("triton") is None:
            pytest.skip("triton is not installed")
        from methods.parts.farthest_cuda import farthest_by_graph, reason_not_to_work

        device = torch.device("cuda:0")
        assert reason_not_to_work(device) == ""
        assert sampling._cuda_sampler(device).pick is farthest_by_graph

    @pytest.mark.parametrize("name", CLOUDS)
    def test_picks_equal_those_of_the_cpu(self, name: str) -> None:
        points, count = CLOUDS[name]()
        assert farthest_points(points.cuda(), count).tolist() == farthest_points(points, count).tolist()

    def test_one_graph_serves_clouds_of_all_sizes(self) -> None:
        if find_spec("triton") is None:
            pytest.skip("triton is not installed")
        from methods.parts.farthest_cuda import _sampler

        _sampler.cache_clear()
        for size in self.SIZES:
            picked = farthest_points(cloud(size).cuda(), 1024)
            assert picked.tolist() == farthest_points(cloud(size), 1024).tolist()
        assert _sampler.cache_info().misses == 1

    def test_a_cloud_larger_than_the_least_capacity(self) -> None:
        points = cloud(70_000)
        assert farthest_points(points.cuda(), 64).tolist() == farthest_points(points, 64).tolist()

    def test_a_later_call_does_not_wait_and_does_not_change_earlier_picks(self) -> None:
        clouds = [cloud(size).cuda() for size in self.SIZES]
        first = farthest_points(clouds[0], 256)
        before = first.clone()
        torch.cuda.synchronize()
        torch.cuda.set_sync_debug_mode("error")
        try:
            picked = [farthest_points(points, 256) for points in clouds]
            sampling._nearest_by_differences(clouds[3][picked[3]], clouds[3], 32)
        finally:
            torch.cuda.set_sync_debug_mode("default")
        assert torch.equal(first, before)
        for size, picks in zip(self.SIZES, picked, strict=True):
            assert picks.tolist() == farthest_points(cloud(size), 256).tolist()

    def test_the_loop_on_the_device_has_the_same_picks_and_does_not_wait(self) -> None:
        points = cloud(3000).cuda()
        torch.cuda.set_sync_debug_mode("error")
        try:
            picked = sampling._farthest_by_steps(points, 64)
            in_double = farthest_points(points.double(), 64)
        finally:
            torch.cuda.set_sync_debug_mode("default")
        assert picked.tolist() == farthest_points(cloud(3000), 64).tolist()
        assert in_double.tolist() == farthest_points(cloud(3000).double(), 64).tolist()

    @pytest.mark.parametrize("size", [200, 3000, 20_000])
    def test_pointnet2_ops_has_the_same_picks(self, size: int) -> None:
        if find_spec("pointnet2_ops") is None:
            pytest.skip("pointnet2_ops is not installed")
        package = import_module("pointnet2_ops.pointnet2_utils")
        picked = sampling._farthest_by_pointnet2(package.furthest_point_sample, cloud(size).cuda(), 64)
        assert picked.tolist() == farthest_points(cloud(size).cuda(), 64).tolist()

    def test_neighbours_on_the_device_equal_search_by_tree(self) -> None:
        queried, known = cloud(1000, 0.001), cloud(8000, 0.001)
        _, index = sampling.nearest(queried.cuda(), known.cuda(), 32)
        _, expected = sampling.nearest(queried, known, 32)
        assert torch.equal(index.cpu().sort(1).values, expected.sort(1).values)


if __name__ == "__main__":
    print(json.dumps(picks_of_kernels()))
