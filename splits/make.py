"""Write the split files again: ``python splits/make.py [FOLDER]``. They depend on nothing but this code."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from harness.data.registry import DATASETS
from harness.data.splits import SPLIT_NAMES, seeded_order, split_file_digest, train_ids
from harness.files.digest import digest

LENGTH = 50
RULE = "first: sorted by id; 0 to 4: sorted by SHA-256 of dataset/category/seed/id"


def build(dataset: str, category: str) -> dict[str, Any]:
    """Return the content of a category's file."""
    ids = train_ids(dataset, category)
    lists = {
        name: (sorted(ids) if name == "first" else seeded_order(dataset, category, name, ids))[:LENGTH]
        for name in SPLIT_NAMES
    }
    content = {
        "dataset": dataset,
        "category": category,
        "train_ids_digest": digest(ids),
        "rule": RULE,
        "lists": lists,
    }
    return {**content, "digest": split_file_digest(content)}


def write(folder: Path) -> None:
    """Write every file below ``folder``."""
    for dataset, info in DATASETS.items():
        for category in info.categories:
            path = folder / dataset / f"{category}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(build(dataset, category), indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
