"""Reader of Eyecandies as it is downloaded, and as the scripts of M3DM and CFM convert it."""

from __future__ import annotations

from pathlib import Path

from harness.contract import Sample
from harness.data.eyecandies_layouts import Converted, Layout, Official
from harness.data.folder import SPLITS, FolderDataset, SampleFiles, Scan
from harness.dataset_contract import DatasetInfo, SampleRef, Split

__all__ = ["Eyecandies"]


_CATEGORIES = (
    *("CandyCane", "ChocolateCookie", "ChocolatePraline", "Confetto", "GummyBear", "HazelnutTruffle"),
    *("LicoriceSandwich", "Lollipop", "Marshmallow", "PeppermintCandy"),
)
_INFO = DatasetInfo(
    name="eyecandies",
    title="Eyecandies",
    categories=_CATEGORIES,
    counts={category: dict(zip(SPLITS, (1000, 100, 50), strict=True)) for category in _CATEGORIES},
    licence="CC BY-NC-SA 4.0",
    homepage="https://eyecan-ai.github.io/eyecandies",
    folder_names=("eyecandies", "Eyecandies", "eyecandies_preprocessed"),
    published_ids="train/{index:03d}",
    position=20,
)


class Eyecandies(FolderDataset):
    """Eyecandies in its official or in its converted layout, decided for each category by its folders.

    Official: ``<Category>/<train|val|test_public>/data/NNN_{image_4.png,depth.png,...}``. Converted:
    ``<Category>/<train|test>/<good|bad>/{rgb,xyz,gt}/NNN.{png,tiff,png}``. Ids are the same in both: ``train/007``,
    ``val/03``, ``test_public/30``. The defect of a sample is the one kind that the metadata names, ``mixed`` for
    several, ``bad`` without metadata.

    Parameters
    ----------
    root, info, hint
        As for :class:`FolderDataset`.

    Notes
    -----
    Bonfiglioli et al., "The Eyecandies dataset for unsupervised multimodal anomaly detection and localization",
    ACCV 2022.
    """

    info = _INFO

    def __init__(self, root: Path, info: DatasetInfo | None = None, hint: str | None = None) -> None:
        super().__init__(root, info, hint)
        self._layouts: dict[str, Layout] = {}

    @staticmethod
    def has_layout(folder: Path) -> bool:
        """Tell whether a category's folder has one of the two layouts."""
        return Official.fits(folder) or Converted.fits(folder)

    def clean(self, sample: Sample, *, remember: bool = True) -> Sample:
        """Remove the background by the dataset's geometric rule and mark it in ``plane``.

        Converted data comes without background: there every pixel without a point is marked.
        """
        return self._layout(sample.category).clean(sample)

    def digest(self, category: str) -> str:
        """Return a digest of the category's file names and sizes and of the cleaning's settings."""
        return self._layout(category).digest()

    def _scan(self, category: str, split: Split) -> Scan:
        return self._layout(category).scan(split)

    def _decode(self, ref: SampleRef, files: SampleFiles) -> Sample:
        return self._layout(ref.category).decode(ref, files)

    def _layout(self, category: str) -> Layout:
        if category not in self._layouts:
            self._require(category)
            folder = self.root / category
            kind = Official if Official.fits(folder) else Converted
            self._layouts[category] = kind(folder, self.hint, self.doubts)
        return self._layouts[category]
