"""What CFM holds and takes on a CUDA device, by counting the bytes of fake tensors; no device is needed."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
import torch
from fake_cuda import LiveBytes, fake_what_is_kept, on_fake_cuda
from samples import make_sample
from torch._subclasses.fake_tensor import FakeTensorMode

from harness.measure import state
from harness.measure.state import AllocatorLevel, check_state
from methods.cfm import CFM, CFMMedium, CFMSmall, CFMTiny
from methods.parts.cfm.maps import anomaly_maps

pytestmark = pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed")

RADII = (30, 105)
"""Of discs of 2,700 and 34,000 points."""


@pytest.mark.parametrize(
    ("variant", "most"),
    [(CFM, 600e6), (CFMMedium, None), (CFMSmall, None), (CFMTiny, 200e6)],
    ids=lambda item: str(item),
)
def test_held_bytes_are_reported_and_an_inference_takes_few_more(
    monkeypatch: pytest.MonkeyPatch, variant: type[CFM], most: float | None
) -> None:
    fake_what_is_kept(monkeypatch)
    method = variant()
    method._build(0, "cpu")
    prepared = [method.prepare(make_sample(0, radius=radius)) for radius in RADII]
    with FakeTensorMode(), LiveBytes() as live, torch.no_grad():
        for one in prepared:
            extractors, pair, inputs = on_fake_cuda(method, one)
            maps = anomaly_maps(pair, extractors.tokens(inputs), aggregate="product", smoothing="box")
            del maps, inputs
        monkeypatch.setattr(state, "allocator_level", lambda device: AllocatorLevel(None, live.now))
        found = check_state(method, "cuda:0", AllocatorLevel(None, 0))
        held = live.now
        del extractors, pair
    assert found.agrees is True
    assert found.reported_mb == pytest.approx(held / 1e6, abs=0.1)
    assert method.state_bytes()["other"] == 4 * 4 * 50_176 + 4 + 8 * 1024
    if most is not None:
        assert live.peak <= most


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
