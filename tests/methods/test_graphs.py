"""Networks as CUDA graphs: the logic with recordings on a CPU, the capture with stand-ins for torch.cuda."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from host_graphs import HostMemory
from torch import Tensor

from harness.contract import Implementation
from methods.parts.graph_memory import GraphMemory
from methods.parts.graphs import Graphs, graphs_on


@pytest.fixture
def memories() -> list[HostMemory]:
    """Return all memories that the graphs of a test have asked for."""
    return []


@pytest.fixture
def graphs(memories: list[HostMemory]) -> Graphs:
    def new() -> HostMemory:
        memories.append(HostMemory())
        return memories[-1]

    return Graphs(new)


@pytest.fixture
def no_grad() -> Iterator[None]:
    with torch.no_grad():
        yield


def double(given: Tensor) -> Tensor:
    return 2 * given


@pytest.mark.usefixtures("no_grad")
def test_inputs_are_copied_in_and_the_result_is_a_new_tensor(graphs: Graphs, memories: list[HostMemory]) -> None:
    step = graphs.captured("network", double, torch.zeros(3))
    first = step(torch.ones(3))
    second = step(torch.full((3,), 5.0))
    assert memories[0].recordings[0].replays == 3  # the check at the capture is one
    assert first.tolist() == [2, 2, 2]
    assert second.tolist() == [10, 10, 10]


@pytest.mark.usefixtures("no_grad")
@pytest.mark.parametrize("given", [torch.ones(4), torch.ones(2), torch.ones(3, dtype=torch.float64), torch.ones(3, 1)])
def test_another_shape_or_dtype_is_computed_without_the_graph(
    given: Tensor, graphs: Graphs, memories: list[HostMemory]
) -> None:
    step = graphs.captured("network", double, torch.zeros(3))
    assert torch.equal(step(given), 2 * given)
    assert memories[0].recordings[0].replays == 1


def test_gradients_flow_through_the_function_and_not_through_the_graph(graphs: Graphs) -> None:
    step = graphs.captured("network", double, torch.zeros(3))
    given = torch.ones(3, requires_grad=True)
    step(given).sum().backward()
    assert given.grad is not None
    assert given.grad.tolist() == [2, 2, 2]


def test_a_graph_made_in_inference_mode_is_used_outside_it(graphs: Graphs) -> None:
    with torch.inference_mode():
        step = graphs.captured("network", double, torch.zeros(3).clone())
        step(torch.ones(3))
    with torch.no_grad():
        assert step(torch.full((3,), 2.0)).tolist() == [4, 4, 4]


@pytest.mark.usefixtures("no_grad")
def test_first_inputs_are_bound_once_and_rows_of_the_others_may_be_fewer(
    graphs: Graphs, memories: list[HostMemory]
) -> None:
    def scaled(factor: Tensor, rows: Tensor) -> Tensor:
        return factor * rows

    step = graphs.captured("network", scaled, torch.ones(2), torch.zeros(4, 2), by_rows=True)
    bound = step.bind(torch.tensor([2.0, 3.0]))
    assert bound(torch.ones(4, 2)).tolist() == [[2, 3]] * 4
    assert bound(torch.full((3, 2), 2.0)).tolist() == [[4, 6]] * 3
    assert memories[0].recordings[0].replays == 3
    assert bound(torch.ones(5, 2)).tolist() == [[2, 3]] * 5
    assert step.bind(torch.ones(1))(torch.ones(4, 2)).tolist() == [[1, 1]] * 4
    assert memories[0].recordings[0].replays == 3


def test_graphs_share_one_memory_that_is_held_between_captures_and_reported(
    graphs: Graphs, memories: list[HostMemory]
) -> None:
    graphs.captured("one network", double, torch.zeros(3))
    graphs.captured("another", double, torch.zeros(5))
    (memory,) = memories
    assert memory.log == ["release", "record", "hold", "release", "record", "hold"]
    assert graphs.nbytes == 1000 + 4 * (3 + 3 + 5 + 5)
    assert graphs.implementations() == {"networks": Implementation("CUDA graphs")}


@pytest.mark.usefixtures("no_grad")
def test_another_arithmetic_makes_all_graphs_again(
    graphs: Graphs, memories: list[HostMemory], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = [graphs.captured(name, double, torch.zeros(3)) for name in ("one", "another")]
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", not torch.backends.cudnn.allow_tf32)
    for step in steps:
        assert step(torch.ones(3)).tolist() == [2, 2, 2]
    old, new = memories
    assert old.log[-1] == "release"
    assert new.log == ["release", "record", "record", "hold"]


@pytest.mark.usefixtures("no_grad")
def test_a_graph_with_another_result_than_its_kernels_is_not_used(graphs: Graphs) -> None:
    calls = iter(range(100))

    def random(given: Tensor) -> Tensor:
        return given + next(calls)

    good = graphs.captured("good network", double, torch.zeros(3))
    with pytest.warns(RuntimeWarning, match="the graph of the odd network has another result"):
        odd = graphs.captured("odd network", random, torch.zeros(3))
    assert odd.recording is good.recording is None
    assert good(torch.ones(3)).tolist() == [2, 2, 2]
    (chosen,) = graphs.implementations().values()
    assert chosen.name == "one launch a kernel"
    assert "odd network" in chosen.fallback
    assert graphs.nbytes == 0


def test_there_are_no_graphs_on_a_cpu_and_none_where_they_are_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert graphs_on(torch.device("cpu")).implementations() == {}
    monkeypatch.setenv("HARNESS_CUDA_GRAPHS", "0")
    unwanted = graphs_on(torch.device("cuda:0"))
    step = unwanted.captured("network", double, torch.zeros(3))
    with torch.no_grad():
        assert step(torch.ones(3)).tolist() == [2, 2, 2]
    assert unwanted.implementations()["networks"].fallback == "HARNESS_CUDA_GRAPHS is 0"


class Stream:
    def __init__(self, log: list[str], name: str) -> None:
        self.log, self.name = log, name

    def wait_stream(self, other: Stream) -> None:
        self.log.append(f"{self.name} waits for {other.name}")


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what is asked of torch.cuda, in whose place a CPU computes; every allocation is 4096 bytes there."""
    written: list[str] = []
    current = Stream(written, "main")

    @contextlib.contextmanager
    def noted(name: str) -> Iterator[None]:
        written.append(f"enter {name}")
        yield
        written.append(f"leave {name}")

    class Pool:
        id = (0, 7)

    cuda: dict[str, Any] = {
        "MemPool": Pool,
        "Stream": lambda device: Stream(written, "side"),
        "CUDAGraph": lambda: None,
        "current_stream": lambda: current,
        "device": lambda device: contextlib.nullcontext(),
        "stream": lambda stream: noted(stream.name),
        "use_mem_pool": lambda pool: noted("pool"),
        "graph": lambda graph, pool, stream, capture_error_mode: noted(f"capture on {stream.name} in {pool}"),
        "memory_reserved": lambda device: 0,
    }
    for name, stand_in in cuda.items():
        monkeypatch.setattr(torch.cuda, name, stand_in)
    monkeypatch.setattr(torch._C, "_cuda_clearCublasWorkspaces", lambda: written.append("forget"), raising=False)
    return written


def test_a_capture_follows_warm_ups_on_its_stream_and_keeps_no_workspace(log: list[str]) -> None:
    def network(given: Tensor) -> Tensor:
        log.append("call")
        return given + 1

    captured = GraphMemory(torch.device("cpu")).record(network, (torch.zeros(2),))
    assert captured.output.tolist() == [1, 1]
    assert log == [
        "side waits for main",
        "enter side",
        "call",
        "call",
        "leave side",
        "main waits for side",
        "forget",
        "enter capture on side in (0, 7)",
        "call",
        "leave capture on side in (0, 7)",
        "forget",
    ]


def segment(kind: str, pool: tuple[int, int], *blocks: tuple[int, str]) -> dict[str, Any]:
    return {
        "segment_type": kind,
        "segment_pool_id": pool,
        "blocks": [{"size": size, "state": state} for size, state in blocks],
    }


def test_free_blocks_of_the_pool_are_held_and_counted(log: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    segments = [
        segment("large", (0, 7), (3 << 20, "inactive"), (9 << 20, "active_allocated"), (1 << 20, "inactive")),
        segment("small", (0, 7), (1536, "inactive"), (512, "active_allocated"), (5 << 18, "inactive")),
        segment("large", (0, 0), (8 << 20, "inactive")),
    ]
    monkeypatch.setattr(torch.cuda, "memory_snapshot", lambda: segments)
    memory = GraphMemory(torch.device("cpu"))
    memory.hold()
    assert [held.numel() for held in memory._held] == [3 << 20, 1 << 20, 1 << 18, 1536]
    assert memory.nbytes == (3 << 20) + (5 << 18) + 1536
    assert log == ["enter side", "enter pool", "leave pool", "leave side"]
    memory.release()
    assert memory.nbytes == 0


def test_memory_that_can_not_be_counted_is_an_error(log: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    reserved = iter([0, 2 << 20])
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: next(reserved))
    monkeypatch.setattr(torch.cuda, "memory_snapshot", lambda: [segment("small", (0, 7), (512, "inactive"))])
    memory = GraphMemory(torch.device("cpu"))
    with pytest.raises(RuntimeError, match="counted"):
        memory.hold()
    assert memory.nbytes == 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
class TestOnCuda:
    def test_a_graph_has_the_result_of_its_kernels_and_its_memory_is_counted(self) -> None:
        torch.addmm(torch.ones(8, 8, device="cuda"), *torch.ones(2, 8, 8, device="cuda"))
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        layer = torch.nn.Linear(512, 2048, device="cuda").requires_grad_(False)
        weights = sum(part.nbytes for part in layer.parameters())
        graphs = graphs_on(torch.device("cuda:0"))
        example = torch.randn(1000, 512, generator=torch.Generator().manual_seed(0)).cuda()
        step = graphs.captured("network", lambda rows: torch.relu(layer(rows)).sum(1), example)
        assert graphs.implementations()["networks"].fallback == ""
        held = torch.cuda.memory_allocated() - before
        assert held == pytest.approx(weights + graphs.nbytes, rel=0.02, abs=1e6)
        with torch.inference_mode():
            given = torch.randn(1000, 512, device="cuda")
            assert torch.equal(step(given), step.function(given))
