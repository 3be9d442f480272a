"""A cell from the command line to its record, on each kind of device: what the record says of the device agrees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from harness.registry import method_names

ON_CUDA = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]
CUDA_PARTS = {"farthest points": ("cfm", "m3dm"), "bank search": ("btf", "m3dm", "patchcore")}
"""Parts that records of CUDA devices name, and how names of methods with them begin."""
CUDA_WINDOWS = {"device_events", "device_default", "end_to_end_default"}
PLUGIN = Path(__file__).parents[1] / "plugin" / "colour_distance.py"
NAMED = """
    def implementations(self):
        from harness.contract import Implementation

        return {"search": Implementation("a loop", "a compiler is not installed"), "means": Implementation("numpy 2")}
"""


def measured(harness: Any, records: Any, method: str, device: str, *place: str | Path) -> dict[str, Any]:
    """Measure a cell, again where it has been, and return its record, whose parts agree with each other."""
    settings = ("--preset", "quick", "--weights", "random", "--shots", "3", "--no-cache", "--rerun", "all")
    outcome = harness("run", "--methods", method, *place, *settings, "--device", device)
    (record,) = records()
    if record["status"] == "unsupported":
        pytest.skip(record["reason"])
    assert record["status"] == "ok", (record["reason"], outcome.stderr)
    memory, environment = record["memory"], record["environment"]
    assert memory["state_check"]["agrees"] is True, memory["state_check"]
    assert environment["device"] == device
    for window, times in record["latency"].items():
        if device == "cpu" and window in CUDA_WINDOWS:
            assert times["median_ms"] is None
            assert times["reason"]
        else:
            assert times["median_ms"] > 0, window
    return record


def on_cpu(tiny_mvtec: Path) -> tuple[str | Path, ...]:
    return "cpu", "--dataset", "mvtec3d", "--data", tiny_mvtec, "--categories", "bagel"


def test_a_record_of_cfm_on_a_cpu(harness: Any, records: Any, tiny_mvtec: Path) -> None:
    record = measured(harness, records, "cfm-t[centres=32,group_size=16,epochs=1]", *on_cpu(tiny_mvtec))
    assert record["environment"]["implementations"] == {}, "a CPU leaves no choice"
    assert record["environment"]["deterministic_algorithms"] is True
    assert record["memory"]["device_delta"]["mb"] is None


def test_a_record_names_what_computes_parts_and_notes_a_fallback(
    harness: Any, records: Any, tiny_mvtec: Path, tmp_path: Path
) -> None:
    code = PLUGIN.read_text(encoding="utf-8").replace('"colour-distance"', '"named"')
    (tmp_path / "named.py").write_text(code.replace("ColourDistance", "Named") + NAMED)
    record = measured(harness, records, "./named.py:Named", *on_cpu(tiny_mvtec))
    assert record["environment"]["implementations"] == {
        "search": "a loop (a compiler is not installed)",
        "means": "numpy 2",
    }
    noted = [note for note in record["notes"] if "a compiler is not installed" in note]
    assert len(noted) == 1
    assert "search by a loop" in noted[0]


@pytest.mark.parametrize("method", [pytest.param(name, marks=ON_CUDA) for name in method_names()])
def test_a_record_of_a_cuda_device_and_the_same_again(harness: Any, records: Any, method: str) -> None:
    place = ("--dataset", "toy", "--categories", "bump")
    record = measured(harness, records, method, "cuda:0", *place)
    parts = {part for part, starts in CUDA_PARTS.items() if method.startswith(starts)}
    assert parts <= set(record["environment"]["implementations"])
    assert record["environment"]["tf32"] is False
    assert record["environment"]["deterministic_algorithms"] is True
    assert record["memory"]["device_delta"]["mb"] >= record["memory"]["peak_inference"]["mb"]
    assert measured(harness, records, method, "cuda:0", *place)["metrics"] == record["metrics"]
