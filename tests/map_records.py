"""Measured cells with maps, as a run with ``--save-maps`` leaves them, for tests of figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from count_records import keep_details
from report_records import make_record

from harness.dataset_contract import Dataset, SampleRef
from harness.store.maps import ANOMALY_MAP, ImageMaps, save_maps
from harness.store.record import Record
from harness.store.store import Store

FEATURES = ("e2d", "e2d_mapped", "e3d", "e3d_mapped", "map_2d", "map_3d")


def by_label(ref: SampleRef) -> float:
    """A score that tells every sample."""
    return float(ref.defect != "good")


def keep_maps(
    store: Store,
    dataset: Dataset,
    method: str = "cfm",
    category: str = "bagel",
    *,
    score: Callable[[SampleRef], float] = by_label,
    names: tuple[str, ...] = (),
    maps: bool = True,
    **changes: Any,
) -> Record:
    """Write a record of a category's test set, and a map of ones and noise for each image unless told otherwise."""
    settings: Mapping[str, Any] = {"dataset": dataset.info.name, "data_digest": dataset.digest(category), **changes}
    refs = dataset.refs(category, "test")
    images = tuple(
        {"id": ref.id, "defect": ref.defect, "label": int(ref.defect != "good"), "score": score(ref)} for ref in refs
    )
    record = keep_details(store, make_record(method, category, **settings), images)
    store.write(record)
    if maps:
        draw = np.random.default_rng(0)
        drawn = (
            ImageMaps(ref.id, score(ref), {name: draw.random((56, 56), np.float32) for name in (*names, ANOMALY_MAP)})
            for ref in refs
        )
        save_maps(store.maps_path(record.cell), record.cell, drawn)
    return record
