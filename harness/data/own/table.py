"""The samples of own data: files paired by what stands in the fields of their patterns, or by a list."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TypeVar

from harness.data.folder import Scan
from harness.data.own.description import DESCRIPTION, Description
from harness.data.own.patterns import Found, below, filled, match_files
from harness.data.paired import FOREIGN
from harness.dataset_contract import GOOD, SampleRef, Split
from harness.errors import DataError
from harness.files.names import bad_name_reason
from harness.files.reading import read_regular

__all__ = ["COLUMNS", "SAMPLES", "Table", "read_table"]

SAMPLES = "samples.csv"
"""Name of the list that a draft comes with."""

COLUMNS = ("category", "id", "split", "defect", "rgb", "cloud", "mask")
_NEEDED = ("id", "split", "defect", "rgb", "cloud")
K = TypeVar("K")
V = TypeVar("V")
_LARGEST_LIST = 10**8
"""Bytes of a list of samples."""


@dataclass(slots=True)
class Table:
    """Samples by category and split.

    Parameters
    ----------
    scans
        Files of each split.
    """

    scans: dict[tuple[str, Split], Scan] = field(default_factory=dict)
    _owners: dict[Path, SampleRef] = field(default_factory=dict)

    @property
    def categories(self) -> tuple[str, ...]:
        """Categories that a file is of, ascending."""
        return tuple(sorted({category for category, _ in self.scans}))

    def add(self, ref: SampleRef, files: Mapping[str, Path]) -> None:
        """Add a sample to its split; a file that another sample has already is a problem."""
        scan = self.scan(ref.category, ref.split)
        for kind in ("rgb", "cloud", "mask"):
            if kind in files and (other := self._owners.setdefault(files[kind], ref)) != ref:
                names = f"{other.category}, {other.id}, and {ref.category}, {ref.id}"
                scan.problem(f"{files[kind]} is of two samples, {names}: each has files of its own.")
                return
        scan.add(ref, files)

    def scan(self, category: str, split: Split) -> Scan:
        """Return the files of a split, none where none was found."""
        return self.scans.setdefault((category, split), Scan())


def read_table(root: Path, description: Description, name: str) -> Table:
    """Find the samples of a folder; only names are read.

    Parameters
    ----------
    root, description
        The folder and what is in it.
    name
        Category of files whose pattern has no ``{category}``.

    Raises
    ------
    DataError
        Where the list of samples can't be read, or no file is one of them.
    """
    if description.files.list:
        return _from_list(root, description, name)
    return _Pairing(root, description, name).table


class _Pairing:
    """Pairs the files that patterns match."""

    def __init__(self, root: Path, description: Description, name: str) -> None:
        self._root, self._description, self._name = root, description, name
        files, background = description.files, description.background
        mask = (background.mask,) if isinstance(background.mask, str) else background.mask
        self._patterns: dict[str, tuple[str, ...]] = {
            **{kind: files.patterns(kind) for kind in ("rgb", "cloud", "mask")},
            "object": mask if background.rule == "mask" else (),
        }
        paths = below(root)
        self._found = {kind: match_files(root, paths, texts) for kind, texts in self._patterns.items()}
        self._by_fields = {kind: _by_fields(matches) for kind, matches in self._found.items()}
        fitting = {match.path for kinds in self._found.values() for match in kinds}
        self._others = [path for name in paths if _is_foreign(name) and (path := root / name) not in fitting]
        self._others_by_stem = _grouped((path.stem, path) for path in self._others)
        self._idle: dict[str, list[Path]] = {}
        self.table = Table()
        self._pair()
        self._tell_idle()

    def _pair(self) -> None:
        """Give each image its partners, and tell of files without an image."""
        seen: set[Path] = set()
        for image in self._found["rgb"]:
            partners = {kind: self._matches(kind, image) for kind in _KINDS}
            seen.update(path for paths in partners.values() for path in paths)
            ref = self._ref(image)
            if ref is not None:
                self._add(ref, image, partners)
        for kind in _KINDS[1:]:
            for match in self._found[kind]:
                if match.path not in seen and (ref := self._ref(match)) is not None:
                    scan = self.table.scan(ref.category, ref.split)
                    (scan.problem if kind == "cloud" else scan.warn)(self._lonely(match))
        for scan in self.table.scans.values():
            scan.note_missing_masks()

    def _matches(self, kind: str, image: Found) -> list[Path]:
        """Return the files of a kind whose fields have the values of the image's."""
        return [
            path
            for fields, groups in self._by_fields[kind].items()
            if set(fields) <= set(image.values)
            for path in groups.get(tuple(image.values[field] for field in fields), ())
        ]

    def _ref(self, match: Found) -> SampleRef | None:
        """Return the sample that a file is of; None where it is of none that is used."""
        naming, values = self._description.dataset, match.values
        category = values.get("category", self._name)
        split = _split(values.get("split", ""), self._description)
        if naming.categories and category not in naming.categories:
            return None
        if split is None:
            self._idle.setdefault(values.get("split", ""), []).append(match.path)
            return None
        scan, defect = self.table.scan(category, split), values.get("defect", "" if split == "test" else GOOD)
        if not defect:
            scan.problem(f"{match.path} is of the test split, and its pattern in {DESCRIPTION} has no {{defect}}.")
            return None
        return _usable(SampleRef(category, values["id"], split, defect), scan, self._description, match.path.parent)

    def _add(self, ref: SampleRef, image: Found, partners: Mapping[str, Sequence[Path]]) -> None:
        """Add a sample to its split, or a sentence that says why it can't be used."""
        scan = self.table.scan(ref.category, ref.split)
        scan.images += 1
        wanted = [kind for kind in _KINDS if self._patterns[kind] and (kind != "mask" or ref.defect != GOOD)]
        for kind in wanted:
            if len(partners[kind]) > 1:
                scan.problem(
                    f"{_listed(partners[kind])} go by one name, and a sample has one of them: rename the others."
                )
                return
            if not partners[kind] and kind != "mask":
                scan.problem(self._missing(kind, image))
                return
        files = {kind: partners[kind][0] for kind in wanted if partners[kind]}
        camera = self._description.cloud.camera
        if camera is not None and camera.file:
            files["camera"] = self._root / filled(camera.file, {**image.values, "category": ref.category})
        self.table.add(ref, files)

    def _missing(self, kind: str, image: Found) -> str:
        """Return a sentence about a missing partner that names the file in its place."""
        if other := self._other("background.mask" if kind == "object" else f"files.{kind}", image.path):
            return f"{image.path} has no partner, and {other}"
        expected = self._root / filled(self._patterns[kind][0], image.values)
        return f"{image.path} has no partner {expected}: complete the sample, or remove it."

    def _lonely(self, match: Found) -> str:
        """Return a sentence about a file without an image."""
        other = self._other("files.rgb", match.path)
        return f"{match.path} has no image of the same name{f', and {other}' if other else '.'}"

    def _other(self, key: str, path: Path) -> str:
        """Return a clause about the nearest file of the same name that fits no pattern, empty where there is none."""
        there = self._others_by_stem.get(path.stem, ())
        if not there:
            return ""
        nearest = max(there, key=lambda other: _shared(other, path))
        described, command = (self._root / DESCRIPTION).exists(), f"'harness data describe {self._root}'"
        way = f"add one to {DESCRIPTION}" if described else f"write {DESCRIPTION} with {command}"
        return f"{nearest} fits no pattern of '{key}': {way}."

    def _tell_idle(self) -> None:
        """Note files that look like parts of samples and are of none."""
        if not (self._found["rgb"] or self._found["cloud"]) or (self._idle and not self.table.scans):
            there = next(iter([*self._others, *(path for paths in self._idle.values() for path in paths)]), None)
            other = there or "nothing of the kind"
            wanted = f"'{self._patterns['rgb'][0]}' in {' or '.join(self._description.files.splits.values())}"
            raise DataError(f"{self._root} holds no image {wanted}, found was {other}: mend 'files' in {DESCRIPTION}.")
        notes = [
            f"{len(paths)} files of '{word}' are left out, for 'files.splits' names no such split: {paths[0]}"
            if word
            else f"{len(paths)} files have no image of the same name and are left out: {paths[0]}"
            for word, paths in self._idle.items()
        ]
        if self._others:
            count = len(self._others)
            notes.append(f"{count} images or clouds fit no pattern and are left out: {self._others[0]}")
        for scan in list(self.table.scans.values())[:1]:
            for note in notes:
                scan.note(note)


_KINDS = ("rgb", "cloud", "mask", "object")


def _is_foreign(name: str) -> bool:
    return name != SAMPLES and PurePosixPath(name).suffix.lower() in FOREIGN


def _split(word: str, description: Description) -> Split | None:
    return next((split for split, name in description.files.splits.items() if name == word), None)


def _usable(ref: SampleRef, scan: Scan, description: Description, place: Path) -> SampleRef | None:
    """Return a sample with the name of its defect and its id; None, with a note, for a defective one of training."""
    nominal = ref.defect.casefold() in {GOOD, *(word.casefold() for word in description.files.nominal)}
    defect = GOOD if nominal else ref.defect
    if ref.split == "test" or nominal:
        return replace(ref, id=f"{ref.split}/{defect}/{ref.id}", defect=defect)
    clause = f"images in {place} are left out: only nominal samples are for training"
    if clause not in scan.notes:
        scan.note(clause)
    return None


def _by_fields(matches: Iterable[Found]) -> dict[tuple[str, ...], dict[tuple[str, ...], list[Path]]]:
    """Return the paths of files by the names of their fields, then by what stands in these."""
    kinds = _grouped((tuple(sorted(match.values)), match) for match in matches)
    return {
        fields: _grouped((tuple(match.values[field] for field in fields), match.path) for match in ones)
        for fields, ones in kinds.items()
    }


def _grouped(pairs: Iterable[tuple[K, V]]) -> dict[K, list[V]]:
    groups: dict[K, list[V]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups


def _shared(path: Path, other: Path) -> int:
    """Return in how many places two paths have the same name."""
    return sum(left == right for left, right in zip(path.parts, other.parts, strict=False))


def _listed(paths: Sequence[Path]) -> str:
    return " and ".join(map(str, paths))


def _from_list(root: Path, description: Description, name: str) -> Table:
    """Return the samples of a CSV file; a line that can't be used is a problem of its split."""
    path, table = root / description.files.list, Table()
    try:
        text = read_regular(path, _LARGEST_LIST).decode("utf-8-sig")
        lines = list(csv.DictReader(io.StringIO(text), strict=True))
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path} can't be read as a list of samples ({error}): mend it.") from error
    missing = [column for column in _NEEDED if lines and column not in lines[0]]
    if missing or not lines:
        lacks = f"has no column '{missing[0]}'" if missing else "lists no sample"
        raise DataError(f"{path} {lacks}: its first line is {','.join(COLUMNS)}, or those of them that are needed.")
    for number, line in enumerate(lines, 2):
        _add_line(
            root, description, f"Line {number} of {path}", {**line, "category": line.get("category") or name}, table
        )
    for scan in table.scans.values():
        scan.note_missing_masks()
    return table


def _add_line(root: Path, description: Description, where: str, line: Mapping[str, str | None], table: Table) -> None:
    values = {column: (line.get(column) or "").strip() for column in COLUMNS}
    split = _split(values["split"], description)
    if split is None:
        splits = ", ".join(description.files.splits.values())
        raise DataError(f"{where} has the split '{values['split']}': write one of {splits}.")
    empty = [column for column in _NEEDED if not values[column]]
    if empty or not values["category"]:
        raise DataError(f"{where} has no {empty[0] if empty else 'category'}: complete it.")
    for column in ("category", "id", "defect"):
        if reason := bad_name_reason(values[column]):
            raise DataError(f"{where} has the {column} {values[column]!r}, which can't be used ({reason}): mend it.")
    wanted = description.dataset.categories
    if wanted and values["category"] not in wanted:
        return
    scan = table.scan(values["category"], split)
    raw = SampleRef(values["category"], values["id"], split, values["defect"])
    ref = _usable(raw, scan, description, root / PurePosixPath(values["rgb"]).parent)
    if ref is None:
        return
    scan.images += 1
    files = {}
    for kind in ("rgb", "cloud", "mask"):
        if not values[kind] or (kind == "mask" and ref.defect == GOOD):
            continue
        files[kind] = root / values[kind]
        if ".." in PurePosixPath(values[kind]).parts or PurePosixPath(values[kind]).is_absolute():
            scan.problem(f"{where} leads out of {root} with '{values[kind]}': name a file below it.")
            return
        if not files[kind].is_file():
            scan.problem(f"{where} names {files[kind]}, which is not there.")
            return
    camera = description.cloud.camera
    if camera is not None and camera.file:
        files["camera"] = root / filled(camera.file, {"category": values["category"], "id": values["id"]})
    table.add(ref, files)
