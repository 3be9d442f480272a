"""Records with the counts that a run leaves beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from report_records import make_record, typed

from harness.metrics import RankedTestSet, evaluate
from harness.store.counts import count_images
from harness.store.details import Details, write_details
from harness.store.record import ImageScore, Record, TestImages
from harness.store.store import Store

RAW_TIMES = {"device": np.linspace(30.0, 50.0, 100), "end_to_end": np.linspace(40.0, 60.0, 100)}


def keep_counts(
    store: Store,
    maps: Any,
    masks: Any,
    scores: Any,
    method: str = "cfm",
    category: str = "bagel",
    *,
    defects: Sequence[str] = (),
    ids: Sequence[str] = (),
    **changes: Any,
) -> Record:
    """Write scores, raw times and counts of a test set, and return the record of its metrics.

    Images with an anomalous pixel, or with a defect where these are named, are anomalous.
    """
    defects = defects or ["hole" if mask.any() else "good" for mask in masks]
    ids = ids or [f"test/{index:03d}" for index in range(len(masks))]
    labels = [int(defect != "good") for defect in defects]
    images = tuple(map(ImageScore, ids, defects, labels, map(float, scores)))
    changes = {"metrics": evaluate(maps, masks, labels, scores)} | changes
    record = make_record(method, category, images=images, **changes)
    counts = count_images(RankedTestSet.of(maps, masks, labels, scores, defects), ids)
    return replace(record, details=write_details(store.counts_path(record.cell), Details(images, RAW_TIMES), counts))


def counted_record(
    store: Store,
    method: str = "cfm",
    category: str = "bagel",
    seed: int = 0,
    *,
    clarity: float = 1.5,
    anomalous: bool = True,
    defect: str = "hole",
    **changes: Any,
) -> Record:
    """Write counts of twelve noisy maps with a brighter square in eight of them, and return their record."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((12, 48, 48), bool)
    if anomalous:
        masks[4:, 10:20, 16:30] = True
    maps = rng.normal(size=masks.shape).astype(np.float32) + clarity * masks
    defects = ["good"] * 4 + [defect] * 8
    return keep_counts(store, maps, masks, maps.max(axis=(1, 2)), method, category, defects=defects, **changes)


def keep_details(store: Store, record: Record, images: Any = (), raw_ms: Any = None) -> Record:
    """Write scores and raw times beside a record, and return the record that knows them."""
    scores = typed(images, tuple[ImageScore, ...])
    times = {name: np.array(values, dtype=np.float64) for name, values in (raw_ms or {}).items()}
    changed = replace(record, test_images=TestImages.of(scores)) if scores else record
    return replace(changed, details=write_details(store.counts_path(record.cell), Details(scores, times), None))
