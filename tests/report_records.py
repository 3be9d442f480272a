"""Records as a run would write them, for tests of tables."""

from __future__ import annotations

import random
from dataclasses import replace
from statistics import median
from typing import Any, get_type_hints

import msgspec

from harness.cell import Cell
from harness.data.registry import DATASETS
from harness.protocol import Protocol
from harness.registry import parse, resolve
from harness.report.grid import Grid
from harness.report.groups import Group, group_records
from harness.report.render.data import entries
from harness.store.decisions import Decisions
from harness.store.nominal import NominalScores
from harness.store.record import ImageScore, Record, TestImages

METRICS = {
    "i_auroc": 0.95,
    "p_auroc": 0.99,
    "aupro_30": 0.975,
    "aupro_1": 0.6,
    "aupro_30_official": 0.97,
    "aupro_1_official": 0.45,
}
"""What every record holds unless told otherwise."""

_OF_CELL = (
    "preset",
    "weights",
    "dataset",
    "shots",
    "split",
    "split_digest",
    "data_digest",
    "parameters",
    "given",
    "checkpoint",
)


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
        return Record(cell=cell, **{"created": "2026-01-01T00:00:00+00:00", **changes})
    shift = changes.pop("shift", 0.0)
    metrics = {name: value + shift for name, value in METRICS.items()}
    defects = changes.pop("defects", ("crack", "hole"))
    kinds = ["good", "good", *(defect for defect in defects for _ in range(2))]
    images = changes.pop(
        "images", [{"id": str(i), "defect": kind, "label": 0, "score": 0.5} for i, kind in enumerate(kinds)]
    )
    values = {
        "metrics": metrics,
        "by_defect": {defect: {name: value - 0.1 for name, value in metrics.items()} for defect in defects},
        "latency": {"device": {"median_ms": 40.0}, "end_to_end": {"median_ms": 50.0}},
        "memory": {"paper_mb": 452.7},
        "test_images": TestImages.of(typed(images, tuple[ImageScore, ...])),
        "environment": {"device": "cpu", "device_name": "Test CPU", "threads": 2},
        "created": "2026-01-01T00:00:00+00:00",
    }
    return Record(cell=cell, status="ok", **typed_parts({**values, **changes}))


def typed(value: Any, kind: Any) -> Any:
    """Return plain values as the type of a part of a record; a part that is typed already as it is."""
    plain = msgspec.to_builtins(value)
    return msgspec.convert(plain, kind)


def typed_parts(values: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a record, some of them plain values, as their types."""
    kinds = get_type_hints(Record)
    return {name: typed(value, kinds[name]) for name, value in values.items()}


DEFECTS = ("bent", "color", "combined", "contamination", "crack")
_NO_CUDA = {"mb": None, "source": "cuda", "reason": "the device is a CPU"}
_ENVIRONMENT = {
    "harness": "0.1.0",
    "git": {"commit": "0123456789abcdef0123456789abcdef01234567", "dirty": False},
    "python": "3.11.9",
    "system": "Linux x86_64",
    "cpu": "Test CPU",
    "cores": 2,
    "packages": dict.fromkeys(("torch", "timm", "numpy", "scipy", "scikit-learn", "pillow", "tifffile"), "1.2.3"),
    "device": "cpu",
    "device_name": "Test CPU",
    "cuda": None,
    "threads": 2,
    "tf32": False,
    "cudnn_deterministic": True,
    "contended": False,
    "contention": "",
}


def full_record(seed: int, method: str = "cfm", category: str = "bagel", **changes: Any) -> Record:
    """Build a record as long as one of the preset paper: 120 images, 5 defects, 100 raw times in each window."""
    draw = random.Random(seed)
    record = make_record(method, category, defects=DEFECTS, shift=0.01 * draw.random(), **changes)
    images = [
        ImageScore(f"test/{kind}/{index:03d}", kind, int(kind != "good"), draw.random())
        for kind in ("good", *DEFECTS)
        for index in range(20)
    ]
    nominal = NominalScores(tuple(map(str, range(30))), tuple(draw.random() for _ in range(30)), "validation samples")
    calls = {"device": 100, "end_to_end": 100, "decode": 16, "clean": 16}
    parts = {
        "latency": {
            **{window: _window(draw, count) for window, count in calls.items()},
            "device_events": {"median_ms": None, "reason": "the device is a CPU"},
        },
        "memory": {
            **{name: {"mb": round(draw.uniform(100, 2000), 3), "source": "VmHWM"} for name in ("static", "peak_fit")},
            "peak_inference": {"mb": round(draw.uniform(100, 2000), 3), "source": "VmHWM", "calls": 16},
            **dict.fromkeys(("peak_fit_reserved", "peak_inference_reserved", "device_delta"), _NO_CUDA),
            "state": {"weights_mb": 437.908, "bank_mb": 0.0, "other_mb": 14.8},
            "paper_mb": 437.908,
            "state_check": {"reported_mb": 452.7, "allocator_mb": 455.1, "source": "torch", "agrees": True},
        },
        "seconds": {name: round(draw.uniform(1, 200), 4) for name in ("load", "fit", "score", "latency", "metrics")},
        "samples": {"train": 50, "test": 120},
        "test_images": TestImages.of(images),
        "decisions": Decisions.of(nominal, images, seed),
        "environment": _ENVIRONMENT,
    }
    return replace(record, **typed_parts(parts))


def _window(draw: random.Random, calls: int) -> dict[str, Any]:
    raw = [round(draw.uniform(30, 50), 4) for _ in range(calls)]
    middle, high = median(raw), max(raw) if calls >= 59 else None
    bounds = {
        "low_ms": min(raw),
        "high_ms": max(raw),
        "mean_ms": sum(raw) / calls,
        "min_ms": min(raw),
        "max_ms": max(raw),
    }
    return {"calls": calls, "median_ms": middle, **bounds, "p95_ms": high, "fps": 1000 / middle}


def complete(method: str = "cfm", **changes: Any) -> list[Record]:
    """Build a record for each category of MVTec 3D-AD."""
    return [make_record(method, category, **changes) for category in DATASETS["mvtec3d"].categories]


def group_of(*records: Record) -> Group:
    """Return the only group of some records."""
    (group,) = group_records(records)
    return group


def cells(grid: Grid) -> dict[tuple[str, str, str], str]:
    """Return method, source and metric of every number with its printed text."""
    return {(entry["method"], entry["source"], entry["metric"]): entry["text"] for entry in entries(grid)}


def notes(grid: Grid) -> dict[tuple[str, str, str], str]:
    """Return method, source and metric of every number with its note."""
    return {(e["method"], e["source"], e.get("metric", "")): e["note"] for e in entries(grid)}
