"""A results folder with as many records as wanted, each as long as one of the preset ``paper``."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice, product
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from report_records import full_record, make_cell

from harness.cell import Cell
from harness.data.registry import DATASETS
from harness.store.store import Store

TEMPLATES = 20


def cells() -> Iterator[Cell]:
    """Yield cells of CFM with many learning rates: every category, training-set size and split of MVTec 3D-AD."""
    sets = [*product((5, 10, 50), ("first", "0", "1", "2", "3", "4")), ("full", "first")]
    for rate in range(1, 1000):
        for (shots, split), category in product(sets, DATASETS["mvtec3d"].categories):
            yield make_cell(f"cfm[lr={rate / 1000}]", category, shots=shots, split=split)


def write_records(folder: Path, count: int) -> Store:
    """Write them without waiting for the disk."""
    found = Store(folder)
    templates = [full_record(seed) for seed in range(TEMPLATES)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        for index, cell in enumerate(islice(cells(), count)):
            found.write(replace(templates[index % TEMPLATES], cell=cell))
    return found


def parsed_plainly(store: Store) -> list[Any]:
    """Parse the records and what lies beside them as JSON, without looking at it: what reading is compared with.

    Records of schema 1 held scores and raw times themselves; today a table opens them only where it needs them.
    """
    paths = sorted(store.cells.glob("*.json"))
    return [(json.loads(path.read_bytes()), json.loads(_BESIDE)) for path in paths]


_DRAW = random.Random(0)
_BESIDE = json.dumps(
    {
        "images": [
            {"id": f"test/crack/{index:03d}", "defect": "crack", "label": 1, "score": _DRAW.random()}
            for index in range(120)
        ],
        "raw_ms": [[round(_DRAW.uniform(30, 50), 4) for _ in range(calls)] for calls in (100, 100, 16, 16)],
    }
)
"""Scores and raw times of a cell of the preset ``paper``."""


def seconds(call: Callable[[], object]) -> float:
    """Return the processor's time that a call takes."""
    begin = process_time()
    call()
    return process_time() - begin
