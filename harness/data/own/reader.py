"""Reader of own data in MVTec 3D-AD's layout, with any names of categories."""

from __future__ import annotations

import re
from pathlib import Path

from harness.data.folder import subfolders
from harness.data.mvtec3d import MVTec3D
from harness.dataset_contract import DatasetInfo

__all__ = ["OwnDataset"]


class OwnDataset(MVTec3D):
    """Own data in a folder; its name is that of the folder, its categories are what lies there."""

    info = DatasetInfo(name="folder", title="Own data", position=2000)

    def __init__(self, root: Path) -> None:
        categories = tuple(path.name for path in subfolders(root) if self.has_layout(path))
        name = re.sub(r"[^A-Za-z0-9_.-]+", "-", root.resolve().name).strip("-") or self.info.name
        super().__init__(root, DatasetInfo(name=name, title=name, categories=categories, position=2000))

    @classmethod
    def find(cls, data: Path) -> Path | None:
        """Return the folder itself where a folder in it has the layout of a category."""
        return data if any(cls.has_layout(path) for path in subfolders(data)) else None
