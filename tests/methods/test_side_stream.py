"""Work beside the current stream: the order of waits with streams that write down what is asked of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch

from methods.parts import side_stream
from methods.parts.sampling import farthest_points
from methods.parts.side_stream import beside


class Stream:
    """Writes down its calls."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name, self.log = name, log

    def wait_stream(self, other: Stream) -> None:
        self.log.append(f"{self.name} waits for {other.name}")

    def record_event(self) -> str:
        self.log.append(f"{self.name} records")
        return f"the event of {self.name}"

    def wait_event(self, event: str) -> None:
        self.log.append(f"{self.name} waits for {event}")


class Held:
    """A tensor on a CUDA device, as far as :func:`beside` asks."""

    device = torch.device("cuda:0")

    def __init__(self, name: str, log: list[str]) -> None:
        self.name, self.log = name, log

    def record_stream(self, stream: Stream) -> None:
        self.log.append(f"{self.name} is used on {stream.name}")


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what the streams are asked for, with a main stream that is current at first."""
    written: list[str] = []
    current = [Stream("main", written)]

    @contextmanager
    def entered(stream: Stream) -> Iterator[None]:
        current.append(stream)
        yield
        current.pop()

    monkeypatch.setattr(torch.cuda, "current_stream", lambda device=None: current[-1])
    monkeypatch.setattr(torch.cuda, "stream", entered)
    monkeypatch.setattr(side_stream, "_side_stream", lambda device: Stream("side", written))
    return written


def queue(name: str, log: list[str]) -> Any:
    """Return a function that queues work on the current stream."""

    def work(given: Held) -> Held:
        log.append(f"{name} is queued on {torch.cuda.current_stream().name}")
        return Held("the result", log)

    return work


def test_the_side_stream_begins_after_the_inputs_and_is_waited_for_where_the_result_is_used(log: list[str]) -> None:
    joined = beside(queue("farthest points", log), Held("the cloud", log))
    queue("the image network", log)(Held("the image", log))
    joined()
    assert log == [
        "side waits for main",
        "farthest points is queued on side",
        "side records",
        "the cloud is used on side",
        "the image network is queued on main",
        "main waits for the event of side",
        "the result is used on main",
    ]


def test_on_a_cpu_the_function_is_called_where_its_result_is_asked_for() -> None:
    calls: list[int] = []

    def double(given: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return 2 * given

    joined = beside(double, torch.ones(2))
    assert calls == []
    assert torch.equal(joined(), torch.full((2,), 2.0))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_device_results_beside_a_long_product_are_those_of_the_cpu() -> None:
    points = torch.from_numpy(np.random.default_rng(0).normal((0, 0, 0.5), 0.05, (9000, 3)).astype(np.float32))
    expected = farthest_points(points, 256)
    matrix = torch.randn(4096, 4096, device="cuda")
    for _ in range(5):
        joined = beside(lambda cloud: farthest_points(cloud, 256), points.cuda())
        matrix @ matrix
        assert torch.equal(joined().cpu(), expected)
