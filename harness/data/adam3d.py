"""Reader of 3D-ADAM in the layout that anomalib defines for it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.contract import MODALITIES, Sample
from harness.data.folder import SampleFiles, Scan
from harness.data.images import read_points, require_finite
from harness.data.mvtec3d import MVTec3D
from harness.data.paired import decode_paired, scan_paired
from harness.dataset_contract import GOOD, DatasetInfo, SampleRef, Split
from harness.errors import DataError

__all__ = ["Adam3D"]

_INFO = DatasetInfo(
    name="adam3d",
    title="3D-ADAM",
    categories=(
        *("1m1", "1m2", "1m3", "2m1", "2m2h", "2m2m", "3m1", "3m2", "3m2c", "4m1", "4m2", "4m2c"),
        *("gripper_closed", "gripper_open", "helicalgear1", "helicalgear2", "rackgear", "spiralgear", "spurgear"),
        *("tapa2m1", "tapa3m1", "tapa4m1", "tapatbb"),
    ),
    licence="CC BY-NC-SA 4.0",
    homepage="https://huggingface.co/datasets/pmchard/3D-ADAM_anomalib",
    folder_names=("adam3d_cropped", "3D-ADAM_anomalib", "3D-ADAM", "adam3d"),
    position=40,
)
_INSTANCE = re.compile(r"_([A-Z]+)$")
_ONE_VALUE = (
    "hold one value a pixel three times, a depth without unit that may not lie on the image's pixels: only methods "
    "that use image or depth can run"
)


class Adam3D(MVTec3D):
    """3D-ADAM, ``<category>/<split>/<defect>/{rgb,xyz,ground_truth}/NNN_A.{png,tiff,png}``; ``_A`` names the part.

    What lies in ``xyz`` decides what a category offers: points in metres, or one depth image in three channels. Such
    a depth is not cleaned. Where the test set has no good sample, those of the validation set are its good ones.

    Notes
    -----
    McHard et al., "3D-ADAM: a dataset for 3D anomaly detection in additive manufacturing", arXiv 2507.07838.
    """

    info = _INFO

    def __init__(self, root: Path, info: DatasetInfo | None = None, hint: str | None = None) -> None:
        super().__init__(root, info, hint)
        self._one_value: dict[str, bool] = {}

    def modalities(self, category: str) -> tuple[str, ...]:
        """Return what the samples of a category offer, found out by its first one."""
        return ("rgb", "depth") if self._has_one_value(category) else MODALITIES

    def instance(self, ref: SampleRef) -> str:
        """Return the letter of the part that a sample shows, the end of its name; the whole id where it has none."""
        named = _INSTANCE.search(ref.id)
        return named[1] if named else ref.id

    def clean(self, sample: Sample, *, remember: bool = True) -> Sample:
        """Remove the background as for MVTec 3D-AD; a depth without unit stays as it is."""
        return sample if self._has_one_value(sample.category) else super().clean(sample, remember=remember)

    def _scan(self, category: str, split: Split) -> Scan:
        if split == "train":
            return super()._scan(category, split)
        test, good = super()._scan(category, "test"), self._validation(category)
        if not test.samples or any(ref.defect == GOOD for ref in test.samples):
            return test if split == "test" else super()._scan(category, split)
        if split == "validation":
            return Scan()
        test.note(f"the test set has no good sample: the {len(good.samples)} of the validation set are its good ones")
        test.join(good)
        return test

    def _validation(self, category: str) -> Scan:
        """Look at the good validation samples, as samples of the test set."""

        def ref(defect: str, stem: str) -> SampleRef:
            return SampleRef(category, f"validation/{defect}/{stem}", "test", defect)

        return scan_paired([self.root / category / "validation"], ref, self.hint, only_good=True)

    def _decode(self, ref: SampleRef, files: SampleFiles) -> Sample:
        one_value = self._has_one_value(ref.category)
        sample = decode_paired(ref, files, self.hint, self.doubts, self._read_depth if one_value else self._read_xyz)
        self.doubts.add("clouds", ref.category, ref.id, {_ONE_VALUE: ""} if one_value else {})
        return sample

    def _has_one_value(self, category: str) -> bool:
        if category not in self._one_value:
            refs = self.refs(category, "train") or self.refs(category, "test")
            cloud = self.scan(category, refs[0].split).samples[refs[0]]["xyz"] if refs else None
            self._one_value[category] = cloud is not None and _is_one_value(read_points(cloud, self.hint))
        return self._one_value[category]

    def _read_xyz(self, path: Path, hint: str) -> NDArray[np.float32]:
        return self._read(path, hint, one_value=False)

    def _read_depth(self, path: Path, hint: str) -> NDArray[np.float32]:
        return self._read(path, hint, one_value=True)

    @staticmethod
    def _read(path: Path, hint: str, *, one_value: bool) -> NDArray[np.float32]:
        points = read_points(path, hint)
        if _is_one_value(points) != one_value:
            here, others = ("points", "a depth") if one_value else ("a depth", "points")
            raise DataError(f"{path} holds {here} where the category's first cloud holds {others}: {hint}.")
        require_finite(path, points, hint)
        return points


def _is_one_value(points: NDArray[np.float32]) -> bool:
    """Return whether the first two coordinates (H, W, 3) are equal everywhere, as those of no grid of points are."""
    return np.array_equal(points[..., 0], points[..., 1], equal_nan=True)
