"""A results folder with records of every kind: what ``snapshot_outputs.py`` reads."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from map_records import FEATURES, keep_maps
from numpy.typing import NDArray
from report_records import full_record, make_record

from harness.data.open import open_dataset
from harness.data.registry import DATASETS
from harness.data.toy import ensure_toy
from harness.dataset_contract import Dataset
from harness.measure.latency import summarise
from harness.metrics import RankedTestSet, evaluate
from harness.metrics.testset import images_of
from harness.store.counts import count_images
from harness.store.details import Details, write_details
from harness.store.measurements import Size
from harness.store.record import ImageScore, Record, SampleCounts, TestImages, UsedWeights
from harness.store.store import Store

WORSE = "worse"
"""A results folder inside the other one, with worse numbers of some of its cells."""

METHODS = ("cfm", "cfm-m", "cfm-s", "cfm-t", "btf", "m3dm", "ast")
VARIANTS = (
    *(f"cfm[aggregate={way}]" for way in ("sum", "max", "2d", "3d")),
    *("cfm[epochs=50]", "cfm[mapping=intra]", "cfm-t[lr=0.01]", "m3dm[uff=train]"),
)
WRONG = {
    ("m3dm", "cable_gland"): ("oom", "CUDA out of memory: 2.1 GB were asked for"),
    ("btf", "tire"): ("timeout", "it took longer than 2 h"),
    ("ast", "foam"): ("failed", "ValueError: 3 of 5 samples hold no point"),
    ("ast", "rope"): ("unsupported", "it needs a CUDA device"),
    ("cfm-m", "cookie"): ("killed", "signal 9 ended it"),
    ("m3dm", "Confetto"): ("oom", "CUDA out of memory"),
    ("ast", "ridge"): ("failed", "RuntimeError: nothing to train on"),
}
CUDA = {"device": "cuda:0", "device_name": "Test GPU", "cuda": "12.8"}
BUSY = {"contended": True, "contention": "1.7 of 2 cores were busy with something else"}
ABSENT = {("ast", "potato"), ("ast", "peach"), ("cfm-s", "dowel"), ("cfm-t", "Lollipop")}
Plan = Iterator[tuple[str, str, dict[str, Any]]]


def plan() -> Plan:
    """Yield method, category and settings; ``counted``, ``mapped``, ``cuda`` and the like say what to add."""
    mvtec, candies = DATASETS["mvtec3d"].categories, DATASETS["eyecandies"].categories
    quick = {"dataset": "toy", "preset": "quick", "weights": "random", "shots": 10}
    for method, category in product(METHODS, mvtec):
        yield method, category, {"counted": method in ("cfm", "cfm-m", "cfm-t", "btf"), "cuda": method == "m3dm"}
    for method, category in product(VARIANTS, mvtec[:3]):
        yield method, category, {"counted": "aggregate" in method}
    for shots, method, category in product((5, 10, 50), ("cfm", "cfm-t", "btf"), mvtec):
        if shots == 10 or method != "btf":
            yield method, category, {"shots": shots, "counted": shots == 10}
    for split, method, category in product("012", ("cfm", "cfm-t"), mvtec):
        yield method, category, {"shots": 10, "split": split, "counted": method == "cfm"}
    for split, category in product("01", mvtec):
        yield "cfm", category, {"shots": 5, "split": split}
    for method, category in product(("cfm", "cfm-t", "m3dm"), candies):
        yield method, category, {"dataset": "eyecandies", "counted": True, "cuda": True}
    for method, category in product((*METHODS, *VARIANTS[:2]), ("bump", "ridge")):
        yield method, category, {**quick, "mapped": method in ("cfm", "cfm-t"), "counted": True, "calls": 6}
    for size, method, category in product((5, "full"), ("cfm", "cfm-t", "btf"), ("bump", "ridge")):
        yield method, category, {**quick, "shots": size, "counted": method != "btf", "calls": 5}
    for split, method, category in product("012", ("cfm", "ast"), ("bump", "ridge")):
        yield method, category, {**quick, "split": split, "counted": True, "calls": 300}
    for method, category in product(("cfm", "cfm-t"), ("bump", "ridge")):
        yield method, category, {**quick, "preset": "paper", "busy": method == "cfm"}
    for method, category in product(("cfm", "cfm-t"), mvtec[:3]):
        yield method, category, {"preset": "quick", "shots": 10, "busy": category == "carrot"}
        yield method, category, {"checkpoint": "0123456789abcdef", "counted": True}
    for method, category in product(("cfm", "m3dm"), mvtec[:2]):
        yield method, category, {"data_digest": f"older-{category}", "created": "2025-12-01T00:00:00+00:00"}
        yield (
            method,
            category,
            {"shots": 50, "data_digest": f"newer-{category}", "created": "2026-02-01T00:00:00+00:00"},
        )
    yield "cfm", "bagel", {"shots": 50, "split": "4", "parameters": {"lr": 0.5}}
    yield "cfm", "bagel", {"shots": 50, "split": "4", "parameters": {"lr": 0.25}}


def write_records(folder: Path) -> None:
    """Write one record for each line of the plan, and worse ones of some of them."""
    if (folder / "cells").exists():
        raise SystemExit(f"{folder} holds records already: name a new folder.")
    with tempfile.TemporaryDirectory() as cache:
        toy = open_dataset("toy", ensure_toy(Path(cache)))
        for seed, (method, category, settings) in enumerate(plan()):
            if (method, category) not in ABSENT:
                write_record(Store(folder), toy, seed, method, category, dict(settings))
            if settings.get("preset") == "quick" and settings["shots"] == 10 and method not in ("btf", "m3dm"):
                worse = {"mapped": False, "worse": method in ("cfm-m", "cfm-t")}
                write_record(Store(folder / WORSE), toy, seed, method, category, {**settings, **worse})
    print(f"{len(list((folder / 'cells').glob('*.json')))} records in {folder}")


def write_record(store: Store, toy: Dataset, seed: int, method: str, category: str, settings: dict[str, Any]) -> None:
    """Write a record, and its counts and maps where the settings ask for them."""
    options = ("counted", "mapped", "cuda", "busy", "calls", "worse")
    counted, mapped, cuda, busy, calls, worse = (settings.pop(name, None) for name in options)
    draw = random.Random(seed)
    record = full_record(seed, method, category, **settings)
    lower = {name: lowered(values, 0.05) for name, values in record.by_defect.items()}
    record = replace(record, metrics=lowered(record.metrics, 0.05), by_defect=lower)
    environment = replace(record.environment, **(CUDA if cuda else {}), **(BUSY if busy else {}))
    if (method, category) in WRONG and "created" not in settings:
        status, reason = WRONG[method, category]
        parts = {"status": status, "reason": reason, "log": ("fit 12/50", reason), "environment": environment}
        failed = make_record(method, category, **parts, **settings)
        store.write(failed)
        path = store.folder / "logs" / f"{failed.cell.stem}.log"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"fit 12/50\n{reason}\n")
        return
    kinds = ["good"] * 4 + ["hole"] * 6 + ["crack"] * 2
    images = {f"{index:03d}": kind for index, kind in enumerate(kinds)}
    if mapped:
        others = {name: value for name, value in settings.items() if name != "dataset"}
        record = replace(record, cell=keep_maps(store, toy, method, category, names=FEATURES, **others).cell)
        images = {ref.id: ref.defect for ref in toy.refs(category, "test")}
    if worse:
        record = replace(record, metrics=lowered(record.metrics, 0.3))
    scale = (2 if worse else 1) * {"cfm": 4.0, "cfm-m": 3.0, "m3dm": 9.0, "ast": 2.0}.get(method, 1.0)
    on_cuda = ["device_events", "device_default", "end_to_end_default"] if cuda else []
    windows = ("device", "end_to_end", "decode", "clean", *on_cuda)
    raw = {name: np.array([scale * draw.uniform(30, 50) for _ in range(calls or 100)]) for name in windows}
    stopped = "the budget of 15 s was over after 5 of 6 calls" if calls == 5 else ""
    latency = {name: replace(summarise(times), stopped=stopped) for name, times in raw.items()}
    if counted:
        record = replace(record, **counted_parts(store, record, images, raw, seed))
    if (method, category) == ("ast", "carrot"):
        lost = ("aupro_1", "aupro_1_official")
        reasons = dict.fromkeys(lost, "no normal pixel is left")
        record = replace(record, metrics={**record.metrics, **dict.fromkeys(lost)}, undefined=reasons)
    memory = record.memory
    if cuda:
        names = ("peak_fit_reserved", "peak_inference_reserved", "device_delta")
        sizes = {name: Size(round(draw.uniform(900, 9000), 3), "torch") for name in names}
        own = {
            name: replace(getattr(memory, name), source="torch") for name in ("static", "peak_fit", "peak_inference")
        }
        memory = replace(memory, **sizes, **own)
    files = {} if settings.get("weights") else {"backbone": UsedWeights("ab" * 32, category != "carrot")}
    notes = ("random weights: not comparable with published numbers",) if settings.get("weights") == "random" else ()
    store.write(
        replace(
            record,
            notes=notes,
            weights=files,
            latency=replace(record.latency, **latency),
            memory=memory,
            environment=environment,
            seconds={**record.seconds, "method": sum(record.seconds.values()) - 0.5, "overhead": 0.5},
        )
    )


def lowered(metrics: Mapping[str, float | None], by: float) -> dict[str, float | None]:
    """Return metrics less a number, and not below 0."""
    return {name: None if value is None else max(0.0, value - by) for name, value in metrics.items()}


def counted_parts(
    store: Store, record: Record, images: Mapping[str, str], raw: Mapping[str, NDArray[np.float64]], seed: int
) -> dict[str, Any]:
    """Write scores, raw times and counts of noisy maps, brighter in a square where there is a defect.

    Returns
    -------
    dict
        What the record says of them.
    """
    rng = np.random.default_rng(seed)
    ids, defects = list(images), list(images.values())
    labels = np.array([int(defect != "good") for defect in defects])
    masks = np.zeros((len(images), 48, 48), bool)
    masks[labels == 1, 10:20, 16:30] = True
    maps = rng.normal(size=masks.shape).astype(np.float32) + 1.5 * masks
    scores = maps.max(axis=(1, 2))
    rows = tuple(map(ImageScore, ids, defects, labels.tolist(), map(float, scores)))
    counts = count_images(RankedTestSet.of(maps, masks, labels, scores, defects), ids)
    members = {name: images_of(name, [(defect,) for defect in defects]) for name in sorted({*defects} - {"good"})}
    return {
        "metrics": evaluate(maps, masks, labels, scores),
        "by_defect": {name: evaluate(maps[at], masks[at], labels[at], scores[at]) for name, at in members.items()},
        "test_images": TestImages.of(rows),
        "details": write_details(store.counts_path(record.cell), Details(rows, raw), counts),
        "samples": SampleCounts(10, len(images)),
    }
