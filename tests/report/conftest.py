"""Records as a run would write them, for tests of tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.cell import Cell
from harness.protocol import Protocol
from harness.registry import parse, resolve
from harness.store import Record

METRICS = {
    "i_auroc": 0.95,
    "p_auroc": 0.99,
    "aupro_30": 0.975,
    "aupro_1": 0.6,
    "aupro_30_official": 0.97,
    "aupro_1_official": 0.45,
}


def make_cell(method: str = "cfm", category: str = "bagel", **changes: Any) -> Cell:
    (spec,) = parse([method])
    preset = changes.pop("preset", "paper")
    weights = changes.pop("weights", "pretrained")
    values = {
        "method": spec.name,
        "parameters": resolve(spec, preset),
        "given": dict(spec.parameters),
        "dataset": "mvtec3d",
        "category": category,
        "data_digest": f"data-{category}",
        "shots": "full",
        "split": "first",
        "split_digest": f"split-{category}",
        "protocol": Protocol.for_preset(preset, weights),
    }
    return Cell(**{**values, **changes})


def make_record(method: str = "cfm", category: str = "bagel", **changes: Any) -> Record:
    names = ("preset", "weights", "dataset", "shots", "split", "data_digest", "parameters", "checkpoint")
    cell = make_cell(method, category, **{key: changes.pop(key) for key in names if key in changes})
    if changes.get("status", "ok") != "ok":
        return Record(cell=cell, created="2026-01-01T00:00:00+00:00", **changes)
    shift = changes.pop("shift", 0.0)
    metrics = {name: value + shift for name, value in METRICS.items()}
    defects = changes.pop("defects", ("crack", "hole"))
    labels = ["good", "good", *(defect for defect in defects for _ in range(2))]
    images = [{"id": str(i), "defect": d, "label": int(d != "good"), "score": 0.5} for i, d in enumerate(labels)]
    values = {
        "metrics": metrics,
        "by_defect": {defect: {name: value - 0.1 for name, value in metrics.items()} for defect in defects},
        "latency": {"device": {"median_ms": 40.0}, "end_to_end": {"median_ms": 50.0}},
        "memory": {"paper_mb": 452.7},
        "images": tuple(images),
        "environment": {"device": "cpu", "device_name": "Test CPU", "threads": 2},
        "created": "2026-01-01T00:00:00+00:00",
    }
    return Record(cell=cell, status="ok", **{**values, **changes})


@pytest.fixture
def record() -> Callable[..., Record]:
    """Build one record; keywords change the cell or the record, ``shift`` is added to all metrics."""
    return make_record
