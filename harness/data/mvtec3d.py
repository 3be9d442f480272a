"""Reader of MVTec 3D-AD as it is downloaded, and of every dataset in its layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness.contract import Sample
from harness.data.background import PROTOCOL_BACKGROUND
from harness.data.class_ids import ClassIds, read_class_ids
from harness.data.folder import SPLITS, FolderDataset, SampleFiles, Scan, files_digest
from harness.data.paired import decode_paired, has_paired_files, scan_paired
from harness.dataset_contract import Archive, DatasetInfo, SampleRef, Split
from harness.errors import DataError
from harness.files.caches import CACHES

__all__ = ["MVTec3D"]

_DEFECTS = {
    "bagel": {"good": 22, "combined": 23, "contamination": 22, "crack": 22, "hole": 21},
    "cable_gland": {"good": 21, "bent": 21, "cut": 22, "hole": 22, "thread": 22},
    "carrot": {"good": 27, "combined": 27, "contamination": 27, "crack": 26, "cut": 26, "hole": 26},
    "cookie": {"good": 28, "combined": 25, "contamination": 25, "crack": 27, "hole": 26},
    "dowel": {"good": 26, "bent": 27, "combined": 26, "contamination": 26, "cut": 25},
    "foam": {"good": 20, "color": 20, "combined": 20, "contamination": 20, "cut": 20},
    "peach": {"good": 26, "combined": 25, "contamination": 27, "cut": 25, "hole": 29},
    "potato": {"good": 22, "combined": 23, "contamination": 23, "cut": 23, "hole": 23},
    "rope": {"good": 32, "contamination": 25, "cut": 27, "open": 17},
    "tire": {"good": 25, "combined": 5, "contamination": 28, "cut": 27, "hole": 27},
}
"""Test samples of each defect."""

_NOMINAL = {
    "bagel": (244, 22),
    "cable_gland": (223, 23),
    "carrot": (286, 29),
    "cookie": (210, 22),
    "dowel": (288, 34),
    "foam": (236, 27),
    "peach": (361, 42),
    "potato": (300, 33),
    "rope": (298, 33),
    "tire": (210, 29),
}
"""Training and validation samples."""

_COUNTS: dict[str, dict[Split, int]] = {
    name: {"train": train, "validation": validation, "test": sum(_DEFECTS[name].values())}
    for name, (train, validation) in _NOMINAL.items()
}

_SIZES = {
    "bagel": (800, 800),
    "cable_gland": (400, 400),
    "carrot": (800, 800),
    "cookie": (500, 500),
    "dowel": (400, 400),
    "foam": (900, 900),
    "peach": (600, 600),
    "potato": (800, 800),
    "rope": (900, 400),
    "tire": (600, 800),
}
"""Width and height of the images of a category, pixels."""

_BYTES_A_PIXEL = 14
"""Bytes on a disk: 12 of the cloud, and about 2 of image and mask."""

_ARCHIVE = Archive(
    name="mvtec_3d_anomaly_detection.tar.xz",
    url="https://www.mydrive.ch/shares/45920/dd1eb345346df066c63b5c95676b961b/download/428824485-1643285832/"
    "mvtec_3d_anomaly_detection.tar.xz",
    unpacked={
        name: sum(_COUNTS[name].values()) * width * height * _BYTES_A_PIXEL for name, (width, height) in _SIZES.items()
    },
    md5="d8bb2800fbf3ac88e798da6ae10dc819",
    md5_source="as given by anomalib, not by the publisher",
)
_INFO = DatasetInfo(
    name="mvtec3d",
    title="MVTec 3D-AD",
    categories=tuple(_COUNTS),
    counts=_COUNTS,
    defects=_DEFECTS,
    licence="CC BY-NC-SA 4.0",
    homepage="https://www.mvtec.com/company/research/datasets/mvtec-3d-ad",
    archives=(_ARCHIVE,),
    folder_names=("mvtec3d", "mvtec_3d_anomaly_detection", "mvtec3d-ad", "mvtec_3d"),
    published_ids="train/good/{index:03d}",
    position=10,
)

_FRAME = 10
_PREPROCESSED = (
    f"have neither point nor colour within {_FRAME} pixels of the image's border, as copies whose background was "
    "removed beforehand: their numbers are not those of the published files"
)


class MVTec3D(FolderDataset):
    """A dataset in the layout ``<category>/<split>/<defect>/{rgb,xyz,gt}/NNN.{png,tiff,png}``.

    Ids are ``<split>/<defect>/<stem>``, for example ``train/good/007``. Nominal samples have an empty mask, whether the
    folder of their masks exists or not; on others every mask value above zero is anomalous. Where a mask holds several
    ids of ``<category>/class_ids.json``, as those of ``combined`` do, the sample has the regions of these defects.

    Parameters
    ----------
    root, info, hint
        As for :class:`FolderDataset`.
    cache
        Folder of cleaning results; the cache ``cleaning`` where None.

    Notes
    -----
    Bergmann et al., "The MVTec 3D-AD dataset for unsupervised 3D anomaly detection and localization", VISAPP 2022.
    """

    info = _INFO
    background = PROTOCOL_BACKGROUND

    def __init__(
        self, root: Path, info: DatasetInfo | None = None, hint: str | None = None, *, cache: Path | None = None
    ) -> None:
        super().__init__(root, info, hint)
        self._cache = cache or CACHES["cleaning"].path
        self._class_ids: dict[str, ClassIds] = {}

    @staticmethod
    def has_layout(folder: Path) -> bool:
        """Tell whether a split of a category's folder holds images of some defect."""
        return has_paired_files(folder, SPLITS)

    def clean(self, sample: Sample, *, remember: bool = True) -> Sample:
        """Remove the background plane and all but the largest cluster, by the cached masks where there are some.

        Points on the plane are marked in ``plane``. A sample that was cleaned before stays as it is unless its object
        reaches the image's frame. The cloud may end up empty.
        """
        cleaned, doubts = self.background.clean(sample, self._cache if remember else None)
        self.doubts.add("samples", sample.category, sample.id, doubts)
        return cleaned

    def digest(self, category: str) -> str:
        """Return a digest of the category's file names and sizes and of the cleaning's settings."""
        paths = [path for split in SPLITS for path in self.scan(category, split).paths()]
        return files_digest(self.root / category, paths, self.background.to_json(), self.hint)

    def _scan(self, category: str, split: Split) -> Scan:
        def ref(defect: str, stem: str) -> SampleRef:
            return SampleRef(category, f"{split}/{defect}/{stem}", split, defect)

        folders, only_good = [self.root / category / split], split != "test"
        scan = scan_paired(folders, ref, self.hint, only_good=only_good, masks_expected=bool(self.info.counts))
        if split == "test":
            try:
                self._classes(category)
            except DataError as error:
                scan.problem(str(error))
        return scan

    def _decode(self, ref: SampleRef, files: SampleFiles) -> Sample:
        sample = decode_paired(ref, files, self.hint, self.doubts, classes=self._classes(ref.category))
        self.doubts.add("samples", ref.category, ref.id, {_PREPROCESSED: ""} if _has_empty_frame(sample) else {})
        return sample

    def _classes(self, category: str) -> ClassIds:
        if category not in self._class_ids:
            self._class_ids[category] = read_class_ids(self.root / category / "class_ids.json", self.hint)
        return self._class_ids[category]


def _has_empty_frame(sample: Sample) -> bool:
    """Return whether the border of a sample has no point and is black."""
    frame = np.ones(sample.plane.shape, dtype=np.bool_)
    frame[_FRAME:-_FRAME, _FRAME:-_FRAME] = False
    return not sample.xyz[frame].any() and not sample.rgb[frame].any()
