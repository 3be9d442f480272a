"""Reader of own data: a folder in MVTec 3D-AD's layout, or one that its ``dataset.toml`` describes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness.contract import Sample
from harness.data.background import NO_BACKGROUND, PROTOCOL_BACKGROUND, Background
from harness.data.clean import CLEANING, CleaningSettings
from harness.data.clouds.cloud import read_cloud, within_rows
from harness.data.folder import SPLITS, FolderDataset, SampleFiles, Scan, files_digest, subfolders
from harness.data.images import read_mask, read_rgb
from harness.data.own.description import DESCRIPTION, Camera, CloudDescription, Description, Files
from harness.data.own.reading import read_description
from harness.data.own.table import read_table
from harness.data.paired import has_paired_files, read_anomaly, require_same_size
from harness.data.pinhole import read_camera
from harness.data.registry import DATASETS, OWN_DATA
from harness.data.smaller import sample_within
from harness.dataset_contract import GOOD, DatasetInfo, SampleRef, Split
from harness.errors import DataError
from harness.files.caches import CACHES
from harness.files.digest import digest

__all__ = ["OwnDataset"]

_POSITION = 2000
_TAKEN = ("all", "mean")
_PATTERN = set(",*?[]")
_MANY_PIXELS = 2_000_000
_LARGE = "have more than 2 megapixels: 'max_side' under [dataset] makes them smaller when they are read"
_GRID = "put the image on the grid of the cloud with the camera's tool"
_INLIERS = CLEANING.inlier_distance / CLEANING.plane_distance


class OwnDataset(FolderDataset):
    """Own data. Its name is that of its description, else of its folder; its categories are those that are found.

    Ids are ``<split>/<defect>/<id>``, with the harness's names of splits and of the defect ``good``.

    Parameters
    ----------
    root
        Folder of the data, with or without a ``dataset.toml``.

    Raises
    ------
    DataError
        Where the description, or the list that it names, can't be used, or no file is of a category that it names.
    """

    info = DatasetInfo(name=OWN_DATA, title="Own data", position=_POSITION)

    def __init__(self, root: Path) -> None:
        self.description = read_description(root)
        name = self.description.dataset.name or _name_of(root)
        self._table = read_table(root, self.description, name)
        naming = self.description.dataset
        categories = naming.categories or self._table.categories
        super().__init__(root, DatasetInfo(name, name, categories, licence=naming.licence, position=_POSITION))
        self.background = _background(self.description)
        self._cache = CACHES["cleaning"].path
        for category in categories:
            if category in _TAKEN or set(category) & _PATTERN:
                raise DataError(
                    f"{root} has a category '{category}', a name that can't be chosen with --categories: rename it, "
                    f"without {' '.join(sorted(_PATTERN))} and other than {' and '.join(_TAKEN)}."
                )
        missing = sorted(set(categories) - set(self._table.categories))
        if not categories:
            raise DataError(
                f"{root} holds no image that a pattern of 'files.rgb' fits: compare {root / DESCRIPTION} with the "
                f"names of the files, or write it anew with 'harness data describe --force {root}'."
            )
        if missing:
            raise DataError(f"{root / DESCRIPTION} names the category '{missing[0]}', but no file is of it: mend it.")

    @classmethod
    def find(cls, data: Path) -> Path | None:
        """Return the folder itself where it has a description, or folders of categories in MVTec 3D-AD's layout."""
        described = (data / DESCRIPTION).is_file()
        return data if described or any(cls.has_layout(path) for path in subfolders(data)) else None

    @staticmethod
    def has_layout(folder: Path) -> bool:
        """Tell whether a folder has the layout of a category that needs no description."""
        return has_paired_files(folder, SPLITS)

    @property
    def categories(self) -> tuple[str, ...]:
        """Categories that a file is of, in the order of the description."""
        return self.info.categories

    @property
    def unofficial(self) -> tuple[str, ...]:
        """Nothing: all that is found is a category."""
        return ()

    @property
    def max_side(self) -> int:
        """Pixels of the longer side above which samples are made smaller; 0 for never."""
        return self.description.dataset.max_side

    @property
    def cloud(self) -> CloudDescription:
        """What the files of clouds hold, with the numbers of the camera where all of them have the same."""
        cloud = self.description.cloud
        if cloud.camera is None or not cloud.camera.file or "{" in cloud.camera.file:
            return cloud
        pinhole = read_camera(self.root / cloud.camera.file, None, cloud.metres, self.hint)
        return msgspec.structs.replace(cloud, camera=Camera(pinhole.fx, pinhole.fy, pinhole.cx, pinhole.cy))

    @property
    def files(self) -> Files | None:
        """How images and clouds are named; None where a list names them."""
        files = self.description.files
        return None if files.list else Files(rgb=files.rgb, cloud=files.cloud)

    @cached_property
    def _settings(self) -> dict[str, object]:
        return {"description": self.description.to_json(), "background": self.background.to_json()}

    def clean(self, sample: Sample, *, remember: bool = True) -> Sample:
        """Remove the background by the description's rule and mark it in ``plane``."""
        cleaned, doubts = self.background.clean(sample, self._cache if remember else None)
        self.doubts.add("samples", sample.category, sample.id, doubts)
        return cleaned

    def digest(self, category: str) -> str:
        """Return a digest of the description, of the category's samples, and of their file names and sizes."""
        self._require(category)
        scans = [self.scan(category, split) for split in SPLITS]
        samples = [self._facts(ref) for scan in scans for ref in scan.refs()]
        paths = [path for scan in scans for path in scan.paths()]
        return files_digest(self.root, paths, {**self._settings, "samples": samples}, self.hint)

    def content_digest(self, refs: Sequence[SampleRef]) -> str:
        """Return a digest of the content of some samples' files, and of what these samples are."""
        return digest([super().content_digest(refs), *map(self._facts, sorted(refs))])

    def _facts(self, ref: SampleRef) -> list[object]:
        """Return what a sample is and which files it has: a description or list says so, not their names alone."""
        files = self.scan(ref.category, ref.split).samples[ref]
        return [ref.id, ref.defect, {kind: path.relative_to(self.root).as_posix() for kind, path in files.items()}]

    def _scan(self, category: str, split: Split) -> Scan:
        return self._table.scan(category, split)

    def _decode(self, ref: SampleRef, files: SampleFiles) -> Sample:
        rgb = read_rgb(files["rgb"], self.hint)
        camera = files.get("camera")
        xyz = read_cloud(files["cloud"], rgb.shape[:2], self.description.cloud, camera, hint=self.hint)
        require_same_size(files["rgb"], rgb, files["cloud"], xyz, f"{_GRID}, or {self.hint}")
        plane = np.zeros(rgb.shape[:2], np.bool_)
        if "object" in files:
            shown = read_mask(files["object"], self.hint).pixels
            require_same_size(files["object"], shown, files["rgb"], rgb, self.hint)
            plane = ~shown
        mask: NDArray[np.bool_] | None = np.zeros(rgb.shape[:2], np.bool_)
        if ref.defect != GOOD:
            mask = read_anomaly(ref, files, rgb, self.hint, self.doubts).pixels if "mask" in files else None
        sample = Sample(ref.id, ref.category, ref.defect, rgb, xyz, plane, mask, ref.defect != GOOD)
        return self._smaller(within_rows(sample, self.description.cloud, self.hint))

    def _smaller(self, sample: Sample) -> Sample:
        """Return a sample at no more than the description's ``max_side``: areas of colours, nearest of all else."""
        height, width = sample.rgb.shape[:2]
        most = self.max_side
        if not most or max(height, width) <= most:
            self.doubts.add("images", sample.category, sample.id, {_LARGE: ""} if height * width > _MANY_PIXELS else {})
            return sample
        smaller = sample_within(sample, most)
        said = f"{width}x{height} to {smaller.rgb.shape[1]}x{smaller.rgb.shape[0]}"
        self.doubts.add("images", sample.category, sample.id, {"are made smaller when they are read": said})
        return smaller


def _name_of(root: Path) -> str:
    """Return a folder's name as one of a dataset."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", root.resolve().name).strip("-.")
    return f"own-{name}".rstrip("-") if not name or name in DATASETS or name == "all" else name


def _background(description: Description) -> Background:
    """Return the rule of a description, that of the protocol where it is the same."""
    part = description.background
    if part.rule == "none":
        return NO_BACKGROUND
    if part.rule == "mask":
        return Background(rule="marked")
    if part.rule == "depth":
        nearest, farthest = description.length(part.nearest), description.length(part.farthest)
        return Background(rule="depth", nearest=nearest, farthest=farthest)
    thickness, cluster = description.length(part.thickness), description.length(part.cluster)
    cleaning = CleaningSettings(
        border=part.border, inlier_distance=thickness * _INLIERS, plane_distance=thickness, eps=cluster
    )
    rule = Background(cleaning=cleaning, clusters=part.keep == "largest")
    return PROTOCOL_BACKGROUND if rule == PROTOCOL_BACKGROUND else rule
