"""Everything that lies in a category's folder, the unmatched included: what a reader refuses at the first, listed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from harness.contract import Sample
from harness.data.base import SampleRef, Split
from harness.data.eyecandies_layouts import Official
from harness.data.images import read_depth, read_mask, read_rgb, read_xyz
from harness.data.layout import GOOD, PairedFiles, decode_paired, subfolders
from harness.errors import DataError

__all__ = ["HINT", "Entry", "Inventory", "take_inventory"]

HINT = "fetch it again"
"""End of every sentence about a file."""

FileCheck = Callable[[], object]

_PAIRED_FOLDERS: dict[str, Split] = {
    "train": "train",
    "validation": "validation",
    "val": "validation",
    "test": "test",
    "test_public": "test",
}
_PAIRED_ENDINGS = {"rgb": (".png",), "xyz": (".tiff", ".tif"), "gt": (".png",)}
_OFFICIAL_FOLDERS: dict[str, Split] = {"train": "train", "val": "validation", "test_public": "test"}
_OFFICIAL_PARTS = ("image_4.png", "depth.png", "info_depth.yaml", "pose.txt")


@dataclass(frozen=True, slots=True)
class Entry:
    """A sample with all its files: ``decode`` reads it, ``checks`` read its files one by one."""

    decode: Callable[[], Sample]
    checks: tuple[FileCheck, ...]

    def problems(self) -> tuple[str, ...]:
        """Return a sentence for every file that can't be used; none where the sample is fine."""
        try:
            self.decode()
        except DataError as error:
            found = [message for check in self.checks if (message := _failure(check)) is not None]
            return tuple(dict.fromkeys([*found, str(error)]))
        return ()


@dataclass(slots=True)
class Inventory:
    """A category's samples by split.

    Parameters
    ----------
    counts
        Number of colour images by split.
    entries
        Samples that have all their files, with their split.
    unmatched
        Split and a sentence for every file that lacks a partner.
    """

    counts: dict[Split, int] = field(default_factory=dict)
    entries: list[tuple[Split, Entry]] = field(default_factory=list)
    unmatched: list[tuple[Split, str]] = field(default_factory=list)

    def count(self, split: Split, number: int) -> None:
        """Add to the number of colour images of a split."""
        self.counts[split] = self.counts.get(split, 0) + number


def take_inventory(folder: Path) -> Inventory:
    """Walk through a category's folder, in MVTec 3D-AD's layout, or Eyecandies' official or converted one."""
    inventory = Inventory()
    if Official.fits(folder):
        for name, split in _OFFICIAL_FOLDERS.items():
            _list_official(inventory, folder, name, split)
    else:
        for name, split in _PAIRED_FOLDERS.items():
            for defect in subfolders(folder / name):
                _list_paired(inventory, defect, split)
    return inventory


def _failure(check: FileCheck) -> str | None:
    try:
        check()
    except DataError as error:
        return str(error)
    return None


def _list_paired(inventory: Inventory, folder: Path, split: Split) -> None:
    """List a defect's folder, ``{rgb,xyz,gt}/NNN.{png,tiff,png}``."""
    files = {kind: _by_stem(folder / kind, endings) for kind, endings in _PAIRED_ENDINGS.items()}
    kinds = ("rgb", "xyz") if folder.name == GOOD else ("rgb", "xyz", "gt")
    inventory.count(split, len(files["rgb"]))
    for stem in sorted({stem for kind in kinds for stem in files[kind]}):
        missing = [kind for kind in kinds if stem not in files[kind]]
        if missing:
            there = ", ".join(str(files[kind][stem]) for kind in kinds if stem in files[kind])
            lacking = " and ".join(f"{folder.name}/{kind}" for kind in missing)
            inventory.unmatched.append((split, f"{there} has no partner in {lacking}: {HINT}."))
        else:
            paths = PairedFiles(files["rgb"][stem], files["xyz"][stem], files["gt"][stem] if "gt" in kinds else None)
            inventory.entries.append((split, _paired_entry(paths, folder, stem)))


def _by_stem(folder: Path, endings: tuple[str, ...]) -> dict[str, Path]:
    if not folder.is_dir():
        return {}
    return {p.stem: p for p in folder.iterdir() if p.suffix.lower() in endings and not p.name.startswith(".")}


def _paired_entry(files: PairedFiles, folder: Path, stem: str) -> Entry:
    category, defect = folder.parents[1].name, folder.name
    checks: list[FileCheck] = [partial(read_rgb, files.rgb, HINT), partial(read_xyz, files.xyz, HINT)]
    if files.mask is not None:
        checks.append(partial(read_mask, files.mask, HINT))
    return Entry(partial(decode_paired, files, category=category, id=stem, defect=defect, hint=HINT), tuple(checks))


def _list_official(inventory: Inventory, folder: Path, name: str, split: Split) -> None:
    """List a split of Eyecandies as it is downloaded, ``data/NNN_image_4.png`` and its companions."""
    data = folder / name / "data"
    names = {path.name for path in data.iterdir()} if data.is_dir() else set()
    stems = sorted({part for part in (_stem(name) for name in names) if part is not None})
    inventory.count(split, sum(f"{stem}_{_OFFICIAL_PARTS[0]}" in names for stem in stems))
    whole = []
    for stem in stems:
        needed = _OFFICIAL_PARTS + (("mask.png",) if split == "test" else ())
        missing = ", ".join(f"{stem}_{part}" for part in needed if f"{stem}_{part}" not in names)
        if missing:
            inventory.unmatched.append((split, f"{data} lacks {missing}, while sample {stem} has other files: {HINT}."))
        else:
            whole.append(stem)
    _enter_official(inventory, folder, data, split, whole)


def _enter_official(inventory: Inventory, folder: Path, data: Path, split: Split, stems: list[str]) -> None:
    """Enter samples that have all their files, labelled by the reader, or by their masks where it refuses the split."""
    reader = Official(folder, HINT)
    labelled: dict[str, SampleRef] = {}
    try:
        labelled = {ref.id.rpartition("/")[2]: ref for ref in reader.refs(split)}
    except DataError as error:
        if not any(part == split for part, _ in inventory.unmatched):
            inventory.unmatched.append((split, str(error)))
    for stem in stems:
        mask = data / f"{stem}_mask.png" if split == "test" else None
        decode = partial(_decode_official, reader, labelled.get(stem), folder.name, split, stem, mask)
        inventory.entries.append((split, Entry(decode, _official_checks(data, stem, mask))))


def _decode_official(
    reader: Official, ref: SampleRef | None, category: str, split: Split, stem: str, mask: Path | None
) -> Sample:
    anomalous = mask is not None and read_mask(mask, HINT).any()
    return reader.decode(ref or SampleRef(category, f"{split}/{stem}", split, "bad" if anomalous else GOOD))


def _official_checks(data: Path, stem: str, mask: Path | None) -> tuple[FileCheck, ...]:
    image, depth = (data / f"{stem}_{part}" for part in _OFFICIAL_PARTS[:2])
    checks: list[FileCheck] = [partial(read_rgb, image, HINT), partial(read_depth, depth, HINT)]
    if mask is not None:
        checks.append(partial(read_mask, mask, HINT))
    return tuple(checks)


def _stem(name: str) -> str | None:
    """Return the number that a file of the official layout begins with."""
    number, separator, part = name.partition("_")
    known = part in (*_OFFICIAL_PARTS, "mask.png", "metadata.yaml")
    return number if separator and known and number.isdecimal() else None
