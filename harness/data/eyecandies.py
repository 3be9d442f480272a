"""Reader of Eyecandies as it is downloaded, and as the scripts of M3DM and CFM convert it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from harness.contract import Sample
from harness.data.background import NO_BACKGROUND
from harness.data.eyecandies_fields import FIELDS, field_files, read_field
from harness.data.eyecandies_layouts import Converted, Layout, Official
from harness.data.folder import SPLITS, FolderDataset, SampleFiles, Scan
from harness.dataset_contract import Archive, DatasetInfo, SampleRef, Split

__all__ = ["Eyecandies"]


_DRIVE = "https://drive.usercontent.google.com/download?id={id}&export=download&confirm=t"
"""Address of a large file on Google Drive, past the page that says it can't be scanned for viruses."""

_DRIVE_IDS = {
    "CandyCane": "1OI0Jh5tUj98j3ihFXCXf7EW2qSpeaTSY",
    "ChocolateCookie": "1PEvIXZOcxuDMBo4iuCsUVDN63jisg0QN",
    "ChocolatePraline": "1dRlDAS31QJSwROgA6yFcXo85mL0EBh25",
    "Confetto": "10GNPUIQTUheT-qd6EzO76fsUgAwsHfaq",
    "GummyBear": "1OCAKXPmpNrD9s3oUcQ--mhRZTt4HGJ-W",
    "HazelnutTruffle": "1PsKc4hXxsuIjqwyHh7ciPAeS-IxsPikm",
    "LicoriceSandwich": "1dtU_l9gD1zoCN7fIYRksd_9KeyZklaHC",
    "Lollipop": "1DbL91Zjm2I9-AfJewU3M354pW4vnuaNz",
    "Marshmallow": "1pebIU3AegEFilqqoROaVzOZqkSgX-JTo",
    "PeppermintCandy": "1tF_1fPJYaUVaf1AwjlEi-fsGWzgCx6UF",
}
_UNPACKED = 26 * 10**8
"""Bytes that a category takes on a disk, a tenth of what all take."""

_INFO = DatasetInfo(
    name="eyecandies",
    title="Eyecandies",
    categories=tuple(_DRIVE_IDS),
    counts={category: dict(zip(SPLITS, (1000, 100, 50), strict=True)) for category in _DRIVE_IDS},
    licence="not stated by the authors, see homepage",
    homepage="https://eyecan-ai.github.io/eyecandies",
    archives=tuple(
        Archive(f"eyecandies_{category}.archive", _DRIVE.format(id=file), {category: _UNPACKED})
        for category, file in _DRIVE_IDS.items()
    ),
    folder_names=("eyecandies", "Eyecandies", "eyecandies_preprocessed"),
    published_ids="train/{index:03d}",
    fields=FIELDS,
    position=20,
)


class Eyecandies(FolderDataset):
    """Eyecandies in its official or in its converted layout, decided for each category by its folders.

    Official: ``<Category>/<train|val|test_public>/data/NNN_{image_4.png,depth.png,...}``. Converted:
    ``<Category>/<train|test>/<good|bad>/{rgb,xyz,gt}/NNN.{png,tiff,png}``. Ids are the same in both: ``train/007``,
    ``val/03``, ``test_public/30``. The defect of a sample is the one kind that the metadata names, ``mixed`` for
    several, ``bad`` without metadata. The official layout offers ``normals`` and ``lights``, too.

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
    background = NO_BACKGROUND

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

    def lacking(self, category: str, names: Sequence[str]) -> str:
        """Return why the samples of a category have not all of some optional fields, a sentence; empty if they have."""
        if isinstance(self._layout(category), Converted):
            what = " and ".join(f"'{name}'" for name in names)
            return (
                f"{self.root / category} is a converted copy, which has no {what}: use the dataset as it is published."
            )
        refs = [*self.refs(category, "train"), *self.refs(category, "test")]
        gaps = [path for ref in refs for path in field_files(self._image(ref), names) if not path.is_file()]
        if not gaps:
            return ""
        lacks = f"{gaps[0].parent} lacks {gaps[0].name} and {len(gaps) - 1} more files, which the method needs"
        return f"{lacks}: unpack the whole archive of {category}."

    def read_fields(self, ref: SampleRef, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Read ``normals`` and ``lights`` of a sample; raise DataError where a file can't be used."""
        return {name: read_field(self._image(ref), name, self.hint) for name in names}

    def fields_digest(self, refs: Sequence[SampleRef], names: Sequence[str]) -> str:
        """Return a digest of the content of the files of some fields."""
        return self._content([path for ref in refs for path in field_files(self._image(ref), names)])

    def _image(self, ref: SampleRef) -> Path:
        return self.scan(ref.category, ref.split).samples[ref]["rgb"]

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
