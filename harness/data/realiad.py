"""Reader of Real-IAD D3 from the archives that its authors publish, without unpacking them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from harness.contract import MODALITIES, Sample
from harness.data.background import NO_BACKGROUND
from harness.data.doubts import Doubts
from harness.data.folder import Scan, subfolders
from harness.data.images import Member, read_points, read_rgb
from harness.data.own.description import CloudDescription
from harness.data.paired import read_anomaly
from harness.data.realiad_lists import (
    DECLARATION,
    Declaration,
    Entry,
    Listing,
    category_name,
    read_declaration,
    read_listing,
)
from harness.data.smaller import average, nearest, nearest_mask, size_within
from harness.data.zipped import Archive, plain_name
from harness.dataset_contract import GOOD, DatasetInfo, SampleRef, Split
from harness.errors import DataError, UsageError
from harness.files.digest import digest
from harness.files.names import bad_name_reason
from harness.registry import nearest_names

__all__ = ["RealIADD3"]

_INFO = DatasetInfo(
    name="realiad_d3",
    title="Real-IAD D3",
    categories=(
        *("audio_jack_socket", "common_mode_filter", "connector_housing_female", "crimp_st_cable_mount_box"),
        *("dc_power_connector", "ethernet_connector", "ferrite_bead", "fork_crimp_terminal", "fuse_holder"),
        *("headphone_jack_socket", "humidity_sensor", "knob_cap", "lattice_block_plug", "lego_pin_connector_plate"),
        *("lego_propeller", "limit_switch", "miniature_lifting_motor", "power_jack", "purple_clay_pot"),
        "telephone_spring_switch",
    ),
    licence="for research only, on application",
    homepage="https://realiad4ad.github.io/Real-IAD_D3",
    folder_names=("realiad_d3", "Real-IAD_D3"),
    position=50,
)
_RAW = "realiad_d3_raw"
_NOMINAL = "OK"
_MOST = 1024
"""Pixels of the longer side of a sample."""

_TINY = np.float32(1e-9)
_HINT = "download it again"


class RealIADD3:
    """Real-IAD D3, ``realiad_d3_raw/<category>.zip`` with the lists ``realiad_d3_jsons/<category>.json``.

    Ids are ``<split>/<path of the image in its archive, without prefix and suffix>``; names of categories have ``_``
    for ``-``. Samples have at most 1024 pixels on the longer side. The background stays: the authors keep it, and the
    protocol's distances are larger than these parts.

    Parameters
    ----------
    root
        Folder of archives, lists and the user's ``realiad_d3.toml``, which must give the unit of the clouds.

    Notes
    -----
    Zhu et al., "Real-IAD D3: a real-world 2D/pseudo-3D/3D dataset for industrial anomaly detection", CVPR 2025.
    """

    info = _INFO
    background = NO_BACKGROUND
    max_side = _MOST

    def __init__(self, root: Path) -> None:
        self.root = root
        self.doubts = Doubts()
        self._archives: dict[str, Archive] = {}
        self._lists: dict[str, Listing] = {}
        self._scans: dict[tuple[str, Split], Scan] = {}
        self._declared: Declaration | None = None

    @classmethod
    def find(cls, data: Path) -> Path | None:
        """Return the folder that holds the folder of archives, or categories in the authors' older layout."""
        places = (data, *(data / name for name in cls.info.folder_names))
        return next((root for root in places if _archives(root) or _older(root) or _unpacked(root)), None)

    @property
    def categories(self) -> tuple[str, ...]:
        """Categories of which there is an archive, or something that tells that it is missing."""
        archives = self._found()
        return tuple(name for name in self.info.categories if name in archives)

    @property
    def unofficial(self) -> tuple[str, ...]:
        """Names of further archives, ascending."""
        return tuple(sorted(set(self._found()) - set(self.info.categories)))

    @property
    def cloud(self) -> CloudDescription:
        """What the files of clouds hold; raise DataError where no unit is declared."""
        return CloudDescription(unit=self._declaration.metres)

    def refs(self, category: str, split: Split) -> tuple[SampleRef, ...]:
        """Return the samples of a category and split, sorted by id.

        Raises
        ------
        DataError
            Where archive or list can't be used, a file of the list is not in the archive, or no unit is declared.
        UsageError
            Where the category is not on disk.
        """
        return self._scan(category, split).refs()

    def decode(self, ref: SampleRef) -> Sample:
        """Read one sample on a grid of at most 1024 pixels a side: mean colours, nearest points and mask.

        Raises
        ------
        DataError
            With the name of archive and file: it can't be read, image and cloud are not on one grid, the cloud has no
            point, or the mask is empty.
        """
        files = self._scan(ref.category, ref.split).samples.get(ref)
        if files is None:
            raise DataError(f"{self._path(ref.category)} has no sample {ref.id}: {_HINT}.")
        archive = self._archive(ref.category)
        read = {kind: archive.read(path.as_posix()) for kind, path in files.items()}
        rgb, cloud = read_rgb(read["rgb"], _HINT), read_points(read["xyz"], _HINT)
        grid = self._grid(read["rgb"], rgb, read["xyz"], cloud)
        size = size_within(*grid, self.max_side)
        xyz = _in_metres(nearest(cloud, size), self._declaration.metres)
        if not xyz.any():
            raise DataError(f"{read['xyz']} has no valid point: {_HINT}.")
        anomalous = ref.defect != GOOD
        mask: NDArray[np.bool_] | None = None if anomalous else np.zeros(size, np.bool_)
        if anomalous and "mask" in read:
            mask = nearest_mask(read_anomaly(ref, read, rgb, _HINT, self.doubts).pixels, size)
        self._note_size(ref, rgb.shape, size)
        plane = np.zeros(size, np.bool_)
        return Sample(ref.id, ref.category, ref.defect, average(rgb, size), xyz, plane, mask, anomalous)

    def cloud_of(self, ref: SampleRef) -> tuple[str, str]:
        """Return the file of a sample's cloud, and what the user can do where its unit is wrong."""
        path = self._scan(ref.category, ref.split).samples[ref]["xyz"]
        return f"{self._archive(ref.category).path}/{path}", f"mend the unit in {self.root / DECLARATION}"

    def clean(self, sample: Sample, *, remember: bool = True) -> Sample:
        """Return the sample as it is."""
        return sample

    def load(self, ref: SampleRef) -> Sample:
        """Decode; nothing is cleaned."""
        return self.decode(ref)

    def modalities(self, category: str) -> tuple[str, ...]:
        """Return what the samples of a category offer: everything."""
        return MODALITIES

    def digest(self, category: str) -> str:
        """Return a digest of names, sizes and checksums of the category's files, and of what the user declares."""
        scans = {split: self._scan(category, split) for split in ("train", "validation", "test")}
        declared = {"unit": self._declaration.metres, "registered": self._declaration.rgb.registered}
        return digest(
            {"files": {split: self._facts(scan) for split, scan in scans.items()}, "most": self.max_side, **declared}
        )

    def content_digest(self, refs: Sequence[SampleRef]) -> str:
        """Return a digest of the checksums of some samples' files, which reading compares with their content."""
        facts = []
        for category in sorted({ref.category for ref in refs}):
            archive = self._archive(category)
            for ref in (ref for ref in refs if ref.category == category):
                for path in self._scan(category, ref.split).samples[ref].values():
                    if path.as_posix() not in archive:
                        raise DataError(f"{archive.path}/{path} is gone: {_HINT}.")
                    facts.append([category, *archive.facts(path.as_posix())])
        return digest(sorted(facts))

    def notes(self, category: str) -> tuple[str, ...]:
        """Return what is doubtful about the samples of a category that were listed or read so far, a clause each."""
        scans = [scan for (name, _), scan in self._scans.items() if name == category]
        return (*(note for scan in scans for note in scan.notes), *self.doubts.sentences(category))

    def _found(self) -> dict[str, Path]:
        """Return what there is of each category, by its one name."""
        return {**_older(self.root), **_unpacked(self.root), **_archives(self.root)}

    def _path(self, category: str) -> Path:
        """Return a category's archive; raise UsageError with the nearest name where there is none."""
        archives = self._found()
        if category not in archives or category not in self.info.categories:
            raise UsageError(
                f"There is no category '{category}' in {self.root}: {nearest_names(category, self.categories)}"
            )
        path = archives[category]
        if not path.is_dir():
            return path
        raise DataError(
            f"{path} is a folder, and Real-IAD D3 is read from its archives as they are downloaded: put "
            f"{_RAW}/<category>.zip and the archive of its lists into {self.root}."
        )

    def _archive(self, category: str) -> Archive:
        """Return the opened archive of a category, opened again where it has changed."""
        known = self._archives.get(category)
        if known is None or not known.is_current:
            known = self._archives[category] = Archive(self._path(category), _HINT)
        return known

    @property
    def _declaration(self) -> Declaration:
        if self._declared is None:
            self._declared = read_declaration(self.root)
        return self._declared

    def _scan(self, category: str, split: Split) -> Scan:
        key = (category, split)
        if key not in self._scans:
            archive = self._archive(category)
            _ = self._declaration
            if category not in self._lists:
                self._lists[category] = read_listing(self.root, category, _HINT)
            self._scans[key] = _scan(category, split, self._lists[category], archive)
        return self._scans[key]

    def _facts(self, scan: Scan) -> list[list[object]]:
        facts: list[list[object]] = []
        for ref in scan.refs():
            archive = self._archive(ref.category)
            names = [path.as_posix() for path in scan.samples[ref].values()]
            facts.append([ref.id, ref.defect, *(archive.facts(name) for name in names if name in archive)])
        return facts

    def _grid(
        self, image: Member, rgb: NDArray[np.uint8], cloud: Member, points: NDArray[np.float32]
    ) -> tuple[int, int]:
        """Return height and width of the coarser of the two grids; raise DataError where they are not one."""
        (height, width), (rows, columns) = rgb.shape[:2], points.shape[:2]
        if (height, width) == (rows, columns):
            return height, width
        sizes = f"{image} has {width}x{height} pixels and {cloud} {columns}x{rows}"
        if not self._declaration.rgb.registered:
            raise DataError(
                f"{sizes}, and nothing says that they show the same view: compare some samples, and where their edges "
                f"agree write 'registered = true' under '[rgb]' in {self.root / DECLARATION}."
            )
        scale = max(rows / height, columns / width)
        if abs(height * scale - rows) >= 1 or abs(width * scale - columns) >= 1:
            raise DataError(f"{sizes}, which is not the same view in two sizes: {_HINT}.")
        return min((height, width), (rows, columns))

    def _note_size(self, ref: SampleRef, shape: tuple[int, ...], size: tuple[int, int]) -> None:
        said = f"{shape[1]}x{shape[0]} to {size[1]}x{size[0]}"
        smaller = {} if shape[:2] == size else {"are made smaller when they are read": said}
        self.doubts.add("images", ref.category, ref.id, smaller)


def _archives(root: Path) -> dict[str, Path]:
    folder = root / _RAW
    paths = sorted(folder.glob("[!.]*.zip")) if folder.is_dir() else []
    return {category_name(path.stem): path for path in paths}


def _unpacked(root: Path) -> dict[str, Path]:
    folders = (path for path in subfolders(root / _RAW) if not path.name.startswith("__"))
    return {category_name(path.name): path for path in folders}


def _older(root: Path) -> dict[str, Path]:
    """Return the folders of categories in the authors' older layout, whose nominal samples lie in ``GOOD``."""
    folders = (path for path in subfolders(root) if (path / "train" / "GOOD" / "rgb").is_dir())
    return {name: path for path in folders if (name := category_name(path.name)) in _INFO.categories}


def _scan(category: str, split: Split, listing: Listing, archive: Archive) -> Scan:
    """Look for the files of a split's samples in the archive."""
    scan, left_out = Scan(), 0
    for entry in getattr(listing, split):
        defect = GOOD if entry.anomaly_class == _NOMINAL else entry.anomaly_class
        if split != "test" and defect != GOOD:
            left_out += 1
            continue
        scan.images += 1
        names = dict(_names(entry, defect))
        files = {kind: Path(listing.member(name, archive)) for kind, name in names.items()}
        *folders, name = plain_name(entry.image_path).split("/")
        parts = (*folders, PurePosixPath(name).stem)
        if reason := next(filter(None, map(bad_name_reason, (defect, *parts))), ""):
            scan.problem(f"The list of {archive.path} has {entry.image_path!r} of {defect!r}, no name, since {reason}.")
        elif missing := [path for path in files.values() if path.as_posix() not in archive]:
            scan.problem(f"{archive.path} has no file {missing[0]}, which the list of its samples names: {_HINT}.")
        elif "xyz" not in files:
            scan.problem(f"The list of {archive.path} names no cloud of {names['rgb']}: {_HINT}.")
        else:
            scan.add(SampleRef(category, "/".join((split, *parts)), split, defect), files)
    scan.note_missing_masks()
    if left_out:
        scan.note(
            f"{left_out} anomalous samples of {split} are left out: only those of class {_NOMINAL} are used there"
        )
    return scan


def _names(entry: Entry, defect: str) -> Iterator[tuple[str, str]]:
    yield "rgb", entry.image_path
    if entry.xyz_path:
        yield "xyz", entry.xyz_path
    if entry.mask_path and defect != GOOD:
        yield "mask", entry.mask_path


def _in_metres(points: NDArray[np.float32], metres: float) -> NDArray[np.float32]:
    """Return points (H, W, 3) in metres; exactly (0, 0, 0) where a coordinate is not finite, or all are zero."""
    missing = ~np.isfinite(points).all(-1) | ~points.any(-1)
    with np.errstate(all="ignore"):
        xyz: NDArray[np.float32] = (points.astype(np.float64) * metres).astype(np.float32)
    xyz[xyz == 0] = _TINY
    xyz[missing] = 0
    return xyz
