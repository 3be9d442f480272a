"""Reader of MVTec 3D-AD as it is downloaded, and of every dataset in its layout."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from harness.contract import Sample
from harness.data.base import DATASETS, DatasetInfo, SampleRef, Split, cache_dir
from harness.data.clean import CLEANING, clean_masks, remembered_masks
from harness.data.layout import PairedFiles, decode_paired, files_digest, hint_for, match_files, subfolders
from harness.errors import DataError, UsageError

__all__ = ["MVTec3D", "require_category"]

_SPLITS: tuple[Split, ...] = ("train", "validation", "test")


class MVTec3D:
    """A dataset in the layout ``<category>/<split>/<defect>/{rgb,xyz,gt}/NNN.{png,tiff,png}``.

    Ids are ``<split>/<defect>/<stem>``, for example ``train/good/007``. Nominal samples have an empty mask, whether the
    folder of their masks exists or not; on others every mask value above zero is anomalous.

    Parameters
    ----------
    root
        Folder of the categories.
    info
        Facts of the dataset: its categories are the only folders looked at.
    cache
        Folder of cleaning results; ``clean`` below :func:`harness.data.base.cache_dir` where None.

    Notes
    -----
    Bergmann et al., "The MVTec 3D-AD dataset for unsupervised 3D anomaly detection and localization", VISAPP 2022.
    """

    def __init__(self, root: Path, info: DatasetInfo = DATASETS["mvtec3d"], cache: Path | None = None) -> None:
        self.info = info
        self.root = root
        self._cache = cache or cache_dir() / "clean"
        self._hint = hint_for(info, root)
        self._listed: dict[tuple[str, Split], dict[SampleRef, PairedFiles]] = {}

    @staticmethod
    def categories_in(root: Path, info: DatasetInfo) -> tuple[str, ...]:
        """Return the categories of ``info`` that lie below ``root`` in this layout, in the published order."""
        return tuple(name for name in info.categories if _has_layout(root / name))

    @property
    def categories(self) -> tuple[str, ...]:
        """Categories found on disk, in the published order."""
        return self.categories_in(self.root, self.info)

    def refs(self, category: str, split: Split) -> tuple[SampleRef, ...]:
        """Return the samples of a category and split, sorted by id; none where the split's folder is missing.

        Raises
        ------
        DataError
            Where an image, a cloud or a mask lacks its partner.
        UsageError
            Where the category is not on disk.
        """
        return tuple(self._files(category, split))

    def decode(self, ref: SampleRef) -> Sample:
        """Read one sample's files as they are.

        Raises
        ------
        DataError
            With the file's name: missing, truncated, of another size, NaN or infinite, without a valid point, or with
            an empty mask in a defect's folder.
        """
        files = self._files(ref.category, ref.split).get(ref)
        if files is None:
            raise DataError(f"{self.root / ref.category} has no sample {ref.id}: {self._hint}.")
        return decode_paired(files, category=ref.category, id=ref.id, defect=ref.defect, hint=self._hint)

    def clean(self, sample: Sample, *, remember: bool = True) -> Sample:
        """Remove the background plane and all but the largest cluster, from the cache where it is there.

        Points on the plane are marked in ``plane``. A sample that was cleaned before stays as it is unless its object
        reaches the image's frame. The cloud may end up empty.
        """
        masks = remembered_masks(sample.xyz, self._cache) if remember else clean_masks(sample.xyz)
        xyz = sample.xyz.copy()
        xyz[~masks.keep] = 0
        return replace(sample, xyz=xyz, plane=sample.plane | masks.plane)

    def load(self, ref: SampleRef) -> Sample:
        """Decode and clean."""
        return self.clean(self.decode(ref))

    def digest(self, category: str) -> str:
        """Return a digest of the category's file names and sizes and of the cleaning's settings."""
        folder = self.root / category
        return files_digest(folder, self._all_files(category), CLEANING.to_json(), self._hint)

    def _all_files(self, category: str) -> Iterator[Path]:
        for split in _SPLITS:
            for files in self._files(category, split).values():
                yield from (path for path in (files.rgb, files.xyz, files.mask) if path is not None)

    def _files(self, category: str, split: Split) -> dict[SampleRef, PairedFiles]:
        key = (category, split)
        if key not in self._listed:
            require_category(category, self.categories, self.root)
            found = {
                SampleRef(category, f"{split}/{folder.name}/{stem}", split, folder.name): files
                for folder in subfolders(self.root / category / split)
                for stem, files in match_files(folder, self._hint).items()
            }
            self._listed[key] = dict(sorted(found.items()))
        return self._listed[key]


def require_category(category: str, found: tuple[str, ...], root: Path) -> None:
    """Raise UsageError with the nearest name where a category is not among those found."""
    if category not in found:
        near = get_close_matches(category, found, n=1, cutoff=0.5)
        guess = f"did you mean '{near[0]}'" if near else f"choose one of {', '.join(found) or 'none'}"
        raise UsageError(f"There is no category '{category}' in {root}: {guess}?")


def _has_layout(folder: Path) -> bool:
    return any((defect / "rgb").is_dir() for split in _SPLITS for defect in subfolders(folder / split))
