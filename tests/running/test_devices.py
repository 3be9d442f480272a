"""Names of devices: what each stands for, and that none is used twice at a time."""

from __future__ import annotations

import pytest

from harness.errors import UsageError
from harness.running import devices
from harness.running.devices import choose_devices


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch):
    """Pretend that torch sees this many CUDA devices."""
    return lambda count: monkeypatch.setattr(devices, "_cuda_devices", lambda: count)


@pytest.mark.parametrize("count", [1, 2, 8])
def test_all_are_all_cards_once(cards, count: int) -> None:
    cards(count)
    assert choose_devices(["all"]) == tuple(f"cuda:{index}" for index in range(count))
    assert choose_devices(["cpu", "all"]) == ("cpu", *choose_devices(["all"]))
    assert choose_devices(["auto"]) == choose_devices(["cuda"]) == ("cuda:0",)


@pytest.mark.parametrize(
    ("names", "repeated"),
    [
        (["cuda:0", "cuda:0"], "cuda:0"),
        (["cuda", "cuda:0"], "cuda:0"),
        (["all", "cuda:1"], "cuda:1"),
        (["auto", "all"], "cuda:0"),
        (["cpu", "cuda:1", "cpu"], "cpu"),
    ],
)
def test_a_device_that_two_names_stand_for_is_refused(cards, names: list[str], repeated: str) -> None:
    cards(2)
    with pytest.raises(UsageError, match=repeated):
        choose_devices(names)
