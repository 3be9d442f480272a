"""Records with the counts that a run leaves beside them."""

from __future__ import annotations

from typing import Any

import numpy as np
from report_records import make_record

from harness.metrics import RankedTestSet, evaluate
from harness.store.counts import count_images
from harness.store.store import Record, Store


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
    count_images(RankedTestSet.of(maps, masks, labels, scores, defects), ids).write(store.counts_path(record.cell))
    return record
