"""Records as a run would write them, for tests of tables."""

from __future__ import annotations

from typing import Any

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
"""What every record holds unless told otherwise."""

_OF_CELL = ("preset", "weights", "dataset", "shots", "split", "data_digest", "parameters", "given", "checkpoint")


def make_cell(method: str = "cfm", category: str = "bagel", **changes: Any) -> Cell:
    """Build a cell of MVTec 3D-AD, preset paper, pretrained weights, all samples; changes win."""
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
    """Build a record; changes go to the cell or to the record, ``shift`` is added to all metrics."""
    cell = make_cell(method, category, **{name: changes.pop(name) for name in _OF_CELL if name in changes})
    if changes.get("status", "ok") != "ok":
        return Record(cell=cell, created="2026-01-01T00:00:00+00:00", **changes)
    shift = changes.pop("shift", 0.0)
    metrics = {name: value + shift for name, value in METRICS.items()}
    defects = changes.pop("defects", ("crack", "hole"))
    kinds = ["good", "good", *(defect for defect in defects for _ in range(2))]
    values = {
        "metrics": metrics,
        "by_defect": {defect: {name: value - 0.1 for name, value in metrics.items()} for defect in defects},
        "latency": {"device": {"median_ms": 40.0}, "end_to_end": {"median_ms": 50.0}},
        "memory": {"paper_mb": 452.7},
        "images": tuple({"id": str(i), "defect": kind, "label": 0, "score": 0.5} for i, kind in enumerate(kinds)),
        "environment": {"device": "cpu", "device_name": "Test CPU", "threads": 2},
        "created": "2026-01-01T00:00:00+00:00",
    }
    return Record(cell=cell, status="ok", **{**values, **changes})
