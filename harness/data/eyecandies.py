"""Reader of Eyecandies as it is downloaded, and as the scripts of M3DM and CFM convert it."""

from __future__ import annotations

from pathlib import Path

from harness.contract import Sample
from harness.data.base import DATASETS, DatasetInfo, SampleRef, Split
from harness.data.eyecandies_layouts import Converted, Layout, Official
from harness.data.layout import hint_for
from harness.data.mvtec3d import require_category

__all__ = ["Eyecandies"]


class Eyecandies:
    """Eyecandies in its official or in its converted layout, told apart for each category.

    Official: ``<Category>/<train|val|test_public>/data/NNN_{image_4.png,depth.png,...}``. Converted:
    ``<Category>/<train|test>/<good|bad>/{rgb,xyz,gt}/NNN.{png,tiff,png}``. Ids are the same in both: ``train/007``,
    ``val/03``, ``test_public/30``.

    Parameters
    ----------
    root
        Folder of the categories.
    info
        Facts of the dataset: its categories are the only folders looked at.

    Notes
    -----
    Bonfiglioli et al., "The Eyecandies dataset for unsupervised multimodal anomaly detection and localization",
    ACCV 2022.
    """

    def __init__(self, root: Path, info: DatasetInfo = DATASETS["eyecandies"]) -> None:
        self.info = info
        self.root = root
        self._hint = hint_for(info, root)
        self._layouts: dict[str, Layout] = {}
        self._listed: dict[tuple[str, Split], tuple[SampleRef, ...]] = {}

    @staticmethod
    def categories_in(root: Path, info: DatasetInfo) -> tuple[str, ...]:
        """Return the categories of ``info`` that lie below ``root`` in one of the layouts, in the published order."""
        kinds = (Official, Converted)
        return tuple(name for name in info.categories if any(kind.fits(root / name) for kind in kinds))

    @property
    def categories(self) -> tuple[str, ...]:
        """Categories found on disk, in the published order."""
        return self.categories_in(self.root, self.info)

    def refs(self, category: str, split: Split) -> tuple[SampleRef, ...]:
        """Return the samples of a category and split, sorted by id; none where the split's folder is missing.

        The defect is the one kind that the metadata names, ``mixed`` for several, ``bad`` without metadata.

        Raises
        ------
        DataError
            Where a file lacks its partner, two files claim one id, or metadata can't be read.
        UsageError
            Where the category is not on disk.
        """
        key = (category, split)
        if key not in self._listed:
            self._listed[key] = self._layout(category).refs(split)
        return self._listed[key]

    def decode(self, ref: SampleRef) -> Sample:
        """Read one sample: in the official layout with its background, as points computed from the depth image.

        Raises
        ------
        DataError
            With the file's name: missing, truncated, of another size or type, without a valid point, or with an empty
            mask although its sample is anomalous.
        """
        return self._layout(ref.category).decode(ref)

    def clean(self, sample: Sample, *, remember: bool = True) -> Sample:
        """Remove the background by the dataset's geometric rule and mark it in ``plane``.

        Converted data comes without background: there every pixel without a point is marked.
        """
        return self._layout(sample.category).clean(sample)

    def load(self, ref: SampleRef) -> Sample:
        """Decode and clean."""
        return self.clean(self.decode(ref))

    def digest(self, category: str) -> str:
        """Return a digest of the category's file names and sizes and of the cleaning's settings."""
        return self._layout(category).digest()

    def _layout(self, category: str) -> Layout:
        if category not in self._layouts:
            require_category(category, self.categories, self.root)
            folder = self.root / category
            kind = Official if Official.fits(folder) else Converted
            self._layouts[category] = kind(folder, self._hint)
        return self._layouts[category]
