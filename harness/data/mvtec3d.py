"""Reader of MVTec 3D-AD as it is downloaded, and of every dataset in its layout."""

from __future__ import annotations

from pathlib import Path

from harness.contract import Sample
from harness.data.folder import SPLITS, FolderDataset, SampleFiles, Scan, files_digest
from harness.data.paired import decode_paired, has_paired_files, scan_paired
from harness.dataset_contract import Archive, DatasetInfo, SampleRef, Split
from harness.files.caches import CACHES

__all__ = ["MVTec3D"]

_COUNTS = {
    "bagel": (244, 22, 110),
    "cable_gland": (223, 23, 108),
    "carrot": (286, 29, 159),
    "cookie": (210, 22, 131),
    "dowel": (288, 34, 130),
    "foam": (236, 27, 100),
    "peach": (361, 42, 132),
    "potato": (300, 33, 114),
    "rope": (298, 33, 101),
    "tire": (210, 29, 112),
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
    unpacked={name: sum(_COUNTS[name]) * width * height * _BYTES_A_PIXEL for name, (width, height) in _SIZES.items()},
    md5="d8bb2800fbf3ac88e798da6ae10dc819",
    md5_source="as given by anomalib, not by the publisher",
)
_INFO = DatasetInfo(
    name="mvtec3d",
    title="MVTec 3D-AD",
    categories=tuple(_COUNTS),
    counts={category: dict(zip(SPLITS, counts, strict=True)) for category, counts in _COUNTS.items()},
    licence="CC BY-NC-SA 4.0",
    homepage="https://www.mvtec.com/company/research/datasets/mvtec-3d-ad",
    archives=(_ARCHIVE,),
    folder_names=("mvtec3d", "mvtec_3d_anomaly_detection", "mvtec3d-ad", "mvtec_3d"),
    published_ids="train/good/{index:03d}",
    position=10,
)


class MVTec3D(FolderDataset):
    """A dataset in the layout ``<category>/<split>/<defect>/{rgb,xyz,gt}/NNN.{png,tiff,png}``.

    Ids are ``<split>/<defect>/<stem>``, for example ``train/good/007``. Nominal samples have an empty mask, whether the
    folder of their masks exists or not; on others every mask value above zero is anomalous.

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

    def __init__(
        self, root: Path, info: DatasetInfo | None = None, hint: str | None = None, *, cache: Path | None = None
    ) -> None:
        super().__init__(root, info, hint)
        self._cache = cache or CACHES["cleaning"].path

    @staticmethod
    def has_layout(folder: Path) -> bool:
        """Tell whether a split of a category's folder holds images of some defect."""
        return has_paired_files(folder, SPLITS)

    def clean(self, sample: Sample, *, remember: bool = True) -> Sample:
        """Remove the background plane and all but the largest cluster, by the cached masks where there are some.

        Points on the plane are marked in ``plane``. A sample that was cleaned before stays as it is unless its object
        reaches the image's frame. The cloud may end up empty.
        """
        cleaned, found = self.background.clean(sample, self._cache if remember else None)
        self.doubts.add("samples", sample.category, sample.id, found)
        return cleaned

    def digest(self, category: str) -> str:
        """Return a digest of the category's file names and sizes and of the cleaning's settings."""
        paths = [path for split in SPLITS for path in self.scan(category, split).paths()]
        return files_digest(self.root / category, paths, self.background.to_json(), self.hint)

    def _scan(self, category: str, split: Split) -> Scan:
        def ref(defect: str, stem: str) -> SampleRef:
            return SampleRef(category, f"{split}/{defect}/{stem}", split, defect)

        return scan_paired([self.root / category / split], ref, self.hint, only_good=split != "test")

    def _decode(self, ref: SampleRef, files: SampleFiles) -> Sample:
        return decode_paired(ref, files, self.hint, self.doubts)
