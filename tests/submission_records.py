"""Records that fit the leaderboard, and a checkout whose history knows their version of harness."""

from __future__ import annotations

import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from count_records import RAW_TIMES, keep_counts
from gate_records import ENVIRONMENT

from harness.data.registry import DATASETS
from harness.data.splits import published_lists
from harness.gate.history import History
from harness.measure.latency import summarise
from harness.metrics import evaluate_by_defect
from harness.store.provenance import provider_of
from harness.store.record import Record
from harness.store.store import Store

_SIDE = 24


def fitting_record(store: Store, commit: str, method: str = "patchcore-xyz", category: str = "bagel") -> Record:
    """Write the counts of a made-up test set with the published defects and its record, measured at a commit."""
    kinds = DATASETS["mvtec3d"].defects[category]
    defects = [defect for defect, count in kinds.items() for _ in range(count)]
    masks = np.zeros((len(defects), _SIDE, _SIDE), bool)
    masks[[defect != "good" for defect in defects], 4:10, 6:14] = True
    maps = np.random.default_rng(1).normal(size=masks.shape).astype(np.float32) + 1.5 * masks
    scores = maps.max(axis=(1, 2))
    labels = [int(defect != "good") for defect in defects]
    times = {window: asdict(summarise(values.tolist())) for window, values in RAW_TIMES.items()}
    values: dict[str, Any] = {
        "shots": 10,
        "split_digest": published_lists("mvtec3d", category).split(10, "first").digest,
        "by_defect": evaluate_by_defect(maps, masks, labels, scores, defects),
        "samples": {"train": 10, "test": len(defects)},
        "content": {"train": "trained", "test": "tested", "fields": ""},
        "latency": times,
        "environment": {
            **ENVIRONMENT,
            "git": {"commit": commit},
            "host": "private",
            "provider": provider_of(method),
        },
    }
    record = keep_counts(store, maps, masks, scores, method, category, defects=defects, **values)
    store.write(record)
    return record


def make_history(top: Path) -> tuple[History, str]:
    """Make a checkout with one commit, which has the tag ``v0.1.0``; return its history and the commit."""

    def git(*arguments: str) -> str:
        who = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
        command = ["git", "-C", str(top), *who, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    top.mkdir()
    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "First")
    git("tag", "v0.1.0")
    return History(top), git("rev-parse", "HEAD")
