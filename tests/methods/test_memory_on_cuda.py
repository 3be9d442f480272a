"""What CFM holds, takes and queues on a CUDA device, counted on fake tensors; no device is needed."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
import torch
from fake_cuda import LiveBytes, QueuedOperations, fake_what_is_kept, inputs_on_fake_cuda, on_fake_cuda
from samples import make_sample
from torch._subclasses.fake_tensor import FakeTensorMode

from harness.measure import state
from harness.measure.state import AllocatorLevel, check_state
from methods.cfm import CFM, CFMMedium, CFMSmall, CFMTiny

pytestmark = pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed")

RADII = {30: 2_700, 70: 15_000, 105: 34_000}
"""Of discs, and about how many points these have."""


@pytest.mark.parametrize(
    ("variant", "most_bytes", "most_operations"),
    [(CFM, 600e6, 150), (CFMMedium, None, None), (CFMSmall, None, None), (CFMTiny, 200e6, 150)],
    ids=lambda item: str(item),
)
def test_held_bytes_are_reported_and_an_inference_takes_few_more_and_queues_few_operations(
    monkeypatch: pytest.MonkeyPatch, variant: type[CFM], most_bytes: float | None, most_operations: int | None
) -> None:
    fake_what_is_kept(monkeypatch)
    method = variant()
    method._make_ready(*method._build(0, "cpu"))
    prepared = {points: method.prepare(make_sample(0, radius=radius)) for radius, points in RADII.items()}
    operations = {}
    with FakeTensorMode(), LiveBytes() as live, torch.no_grad():
        on_fake_cuda(method)
        held, live.peak = live.now, live.now
        for points, one in prepared.items():
            inputs = inputs_on_fake_cuda(one)
            with QueuedOperations() as queued:
                maps = method._maps(inputs)
            operations[points] = queued.count
            del maps, inputs
        monkeypatch.setattr(state, "allocator_level", lambda device: AllocatorLevel(None, live.now))
        found = check_state(method, "cuda:0", AllocatorLevel(None, 0))
        assert live.now == pytest.approx(held, abs=1e5)  # small tables of the first inference
    assert found.agrees is True
    assert found.reported_mb == pytest.approx(held / 1e6, abs=0.1)
    assert method.state_bytes()["other"] == 4 * 4 * 50_176 + 4 + 8 * 1024 + method._fitted()[0].graphs.nbytes
    if most_bytes is not None:
        assert live.peak <= most_bytes
    if most_operations is not None:
        assert max(operations.values()) <= most_operations


def test_the_count_follows_what_lives() -> None:
    with FakeTensorMode(), LiveBytes() as live:
        held = torch.empty(1000, device="cuda")
        view = held[10:]
        torch.empty(1000)
        assert live.now == 4000
        del held
        assert live.now == 4000
        more = view + 1
        assert live.peak == 4000 + 3960
        del view, more
        assert live.now == 0


def test_operations_are_counted_without_views_and_allocations() -> None:
    with FakeTensorMode(), QueuedOperations() as queued:
        tensor = torch.empty(6, 2, device="cuda")
        tensor.T.reshape(3, 4)[1:].mul_(2)
        torch.zeros(3)
    assert queued.count == 2  # the copy of the transpose, and the product
