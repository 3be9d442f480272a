"""The embedded toy dataset: generated in MVTec 3D-AD's layout and read by the same reader."""

from __future__ import annotations

import lzma
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from harness.data.folder import SPLITS
from harness.data.mvtec3d import MVTec3D
from harness.data.toy_defects import DEFECTS, draw_defective_scene
from harness.data.toy_scene import LOOKS, Scene, draw_scene, render
from harness.dataset_contract import DatasetInfo
from harness.errors import PrerequisiteError
from harness.files.caches import CACHES
from harness.files.digest import seed_from

__all__ = ["TOY_COUNTS", "TOY_VERSION", "Toy", "ToySample", "ensure_toy", "toy_samples", "toy_scene"]

TOY_VERSION = "2"
"""Part of every seed and of the folder's name: raise it with every change of the drawing."""

TOY_COUNTS: dict[tuple[str, str], int] = {
    ("train", "good"): 50,
    ("validation", "good"): 4,
    ("test", "good"): 8,
    **{("test", defect): 2 for defect in DEFECTS},
}
"""Samples per category, by split and defect."""

_REMAKE = "remove it with 'harness cache clear toy'; it is made again on its next use"


class Toy(MVTec3D):
    """The embedded toy dataset, in its folder of the cache."""

    info = DatasetInfo(
        name="toy",
        title="Toy (embedded)",
        categories=tuple(LOOKS),
        counts={
            category: {split: sum(n for (of, _), n in TOY_COUNTS.items() if of == split) for split in SPLITS}
            for category in LOOKS
        },
        licence="Apache-2.0",
        folder_names=("toy",),
        default_preset="quick",
        embedded=True,
        published_ids="train/good/{index:03d}",
        position=0,
    )

    def __init__(self, root: Path) -> None:
        super().__init__(root, hint=_REMAKE)

    @staticmethod
    def folder() -> Path:
        """Return the folder of the files in the cache."""
        return CACHES["toy"].path / TOY_VERSION

    @staticmethod
    def make() -> Path:
        """Return the folder of the files, made first where it isn't there."""
        return ensure_toy()


@dataclass(frozen=True, slots=True)
class ToySample:
    """The address of one sample of the toy dataset: ``<category>/<split>/<defect>/<index>``."""

    category: str
    split: str
    defect: str
    index: int


def toy_samples() -> Iterator[ToySample]:
    """Yield the address of every sample."""
    for category in LOOKS:
        for (split, defect), count in TOY_COUNTS.items():
            yield from (ToySample(category, split, defect, index) for index in range(count))


def toy_scene(sample: ToySample) -> Scene:
    """Return the scene of a sample; it depends on the address and on :data:`TOY_VERSION` alone."""
    rng = np.random.default_rng(
        seed_from("toy", TOY_VERSION, sample.category, sample.split, sample.defect, sample.index)
    )
    look = LOOKS[sample.category]
    return (
        draw_scene(look, rng)
        if sample.defect == "good"
        else draw_defective_scene(look, sample.defect, sample.index, rng)
    )


def ensure_toy(cache: Path | None = None) -> Path:
    """Return the folder of the toy dataset; generate it where it is missing.

    Parameters
    ----------
    cache
        Folder to keep it below, in ``toy``; the cache folder where None.

    Raises
    ------
    PrerequisiteError
        Where the cache can't be written.

    Notes
    -----
    It is generated in a temporary folder and renamed, so a folder that exists is complete, even where several
    processes generate it at once.
    """
    place = CACHES["toy"]
    folder = (cache / place.place if cache else place.path) / TOY_VERSION
    if not folder.is_dir():
        try:
            _build(folder)
        except OSError as error:
            raise PrerequisiteError(
                f"The toy dataset can't be made in {folder.parent} ({error.strerror or error}): set HARNESS_CACHE to a "
                "folder that can be written."
            ) from error
    with suppress(OSError):
        os.utime(folder)  # when it was last used
    return folder


def _build(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f"{TOY_VERSION}.partial-", dir=folder.parent))
    try:
        with ThreadPoolExecutor() as pool:
            list(pool.map(partial(_write, building), toy_samples()))
        _publish(building, folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _publish(building: Path, folder: Path) -> None:
    building.chmod(0o755)
    try:
        building.replace(folder)
    except OSError:
        if not folder.is_dir():
            raise


def _write(root: Path, sample: ToySample) -> None:
    rgb, xyz, mask = render(toy_scene(sample))
    folder = root / sample.category / sample.split / sample.defect
    _save_image(folder / "rgb" / f"{sample.index:03d}.png", rgb)
    _save_cloud(folder / "xyz" / f"{sample.index:03d}.tiff", xyz)
    if sample.defect != "good":
        _save_image(folder / "gt" / f"{sample.index:03d}.png", mask.astype(np.uint8) * 255)


def _save_image(path: Path, image: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, optimize=False, compress_level=6)


def _save_cloud(path: Path, xyz: NDArray[np.float32]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    strip = lzma.compress(xyz.tobytes(), preset=0)
    tifffile.imwrite(
        path,
        iter([strip]),
        shape=xyz.shape,
        dtype=xyz.dtype,
        photometric="rgb",
        compression="lzma",
        rowsperstrip=len(xyz),
        metadata=None,
    )
