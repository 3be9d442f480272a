"""Records with speed, memory and hardware, for tests of the leaderboard and the gate."""

from __future__ import annotations

from typing import Any

from report_records import METRICS, make_record

from harness.store.record import Record

ENVIRONMENT = {
    "harness": "0.1.0",
    "git": {"commit": "0123456789abcdef0123456789abcdef01234567", "dirty": False},
    "device": "cpu",
    "device_name": "Test CPU",
    "cpu": "Test CPU",
    "cores": 4,
    "threads": 2,
}


def window(median: float | None, spread: float | None = 1.0, calls: int = 100) -> dict[str, Any]:
    """A latency window; no interval where the spread is None."""
    low, high = (None, None) if median is None or spread is None else (median - spread, median + spread)
    return {"calls": calls, "median_ms": median, "low_ms": low, "high_ms": high}


def toy_record(method: str = "cfm", category: str = "bump", **changes: Any) -> Record:
    """Build a record of the toy dataset at quick.

    ``metrics``, ``latency``, ``memory`` and ``environment`` replace single entries; ``device_ms`` and ``peak_mb`` are
    short for the numbers that speed and memory are judged by.
    """
    base = {"dataset": "toy", "preset": "quick", "weights": "random", "shots": 10}
    if changes.get("status", "ok") != "ok":
        return make_record(method, category, **base | changes)
    latency = {"device": window(changes.pop("device_ms", 40.0)), "end_to_end": window(50.0)}
    memory = {
        "static": {"mb": 800.125, "source": "VmRSS"},
        "peak_inference": {"mb": changes.pop("peak_mb", 1000.5), "source": "VmHWM"},
        "paper_mb": 452.7,
    }
    shift = changes.pop("shift", 0.0)
    metrics = {name: value + shift for name, value in METRICS.items()}
    parts = {"latency": latency, "memory": memory, "environment": ENVIRONMENT, "metrics": metrics}
    merged = {name: {**default, **changes.pop(name, {})} for name, default in parts.items()}
    return make_record(method, category, **base | merged | changes)
