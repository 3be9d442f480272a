"""Records with the counts that a run leaves beside them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from report_records import make_record, typed

from harness.metrics import evaluate
from harness.store.counts import count_images
from harness.store.details import Details, write_details
from harness.store.record import ImageScore, Record, TestImages
from harness.store.store import Store

RAW_TIMES = {"device": np.full(8, 40.0), "end_to_end": np.full(8, 50.0)}


def counted_record(store: Store, method: str, category: str, seed: int, **changes: Any) -> Record:
    """Write counts of twelve noisy maps with a brighter square in eight of them, and return their record."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((12, 48, 48), bool)
    masks[4:, 10:20, 16:30] = True
    maps = rng.normal(size=masks.shape).astype(np.float32) + 1.5 * masks
    labels, scores = (np.arange(12) >= 4).astype(int), maps.max(axis=(1, 2))
    defects, ids = ["hole" if label else "good" for label in labels], [f"{index:03d}" for index in range(12)]
    rows = zip(ids, defects, labels, scores, strict=True)
    images = tuple({"id": a, "defect": b, "label": int(c), "score": float(d)} for a, b, c, d in rows)
    metrics = evaluate(maps, masks, labels, scores)
    record = make_record(method, category, metrics=metrics, images=images, **changes)
    counts = count_images(maps, masks, labels, scores, defects, ids)
    details = Details(typed(images, tuple[ImageScore, ...]), RAW_TIMES)
    return replace(record, details=write_details(store, record.cell, details, counts))


def keep_details(store: Store, record: Record, images: Any = (), raw_ms: Any = None) -> Record:
    """Write scores and raw times beside a record, and return the record that knows them."""
    scores = typed(images, tuple[ImageScore, ...])
    times = {name: np.array(values, dtype=np.float64) for name, values in (raw_ms or {}).items()}
    changed = replace(record, test_images=TestImages.of(scores)) if scores else record
    return replace(changed, details=write_details(store, record.cell, Details(scores, times), None))
