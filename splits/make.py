"""Write the split files again: ``python splits/make.py [FOLDER]``. They depend on nothing but this code."""

from __future__ import annotations

import sys
from pathlib import Path

from harness.data.registry import DATASETS
from harness.data.split_files import split_content, write_lists
from harness.data.splits import train_ids

LENGTH = 50


def write(folder: Path) -> None:
    """Write every file below ``folder``."""
    for dataset, info in [(name, info) for name, info in DATASETS.items() if info.published_ids]:
        for category in info.categories:
            instances = {id_: id_ for id_ in train_ids(dataset, category)}
            write_lists(folder / dataset / f"{category}.json", split_content(dataset, category, instances, LENGTH))


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
