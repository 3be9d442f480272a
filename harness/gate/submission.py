"""A submission to the leaderboard: a folder of records and counts, with a list of its files and of the software used.

It has the layout of a results folder, so that every verb reads it: ``cells`` and ``counts``, and ``submission.json``.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from harness.errors import DataError, PrerequisiteError, UsageError
from harness.files.atomic import write_atomically
from harness.files.digest import digest, file_sha256
from harness.files.left_out import LeftOut
from harness.files.names import one_line
from harness.files.reading import read_regular
from harness.store.record import Record
from harness.store.store import Store

__all__ = [
    "MANIFEST",
    "Manifest",
    "find_submissions",
    "odd_files",
    "read_manifest",
    "software_digest",
    "write_submission",
]

MANIFEST = "submission.json"
_SCHEMA = 1
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,49}")
_MOST_FILES = 5000
_LARGEST = {"cells": 1_000_000, "counts": 50_000_000}
"""Bytes of a file in each folder."""
_SUFFIXES = {"cells": ".json", "counts": ".npz"}
_LARGEST_MANIFEST = 4_000_000


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a submission says of itself.

    Parameters
    ----------
    name
        Of the submission and of its folder.
    software
        Digest of the software of each record (:func:`software_digest`), by the record's file.
    files
        SHA-256 of every other file of the folder, by its path in it.
    schema
        Layout of the folder.
    """

    name: str
    software: Mapping[str, str]
    files: Mapping[str, str]
    schema: int = _SCHEMA


def software_digest(record: Record) -> str:
    """Return a digest of what computed a record: harness, the code of method and reader, Python and its packages."""
    environment = record.environment
    parts = ("harness", "git", "python", "packages", "provider", "reader", "cuda")
    values = {name: msgspec.to_builtins(getattr(environment, name)) for name in parts}
    return digest({**values, "protocol": record.cell.protocol.version}, 32)


def write_submission(folder: Path, records: Iterable[Record], store: Store) -> tuple[Path, ...]:
    """Write a new submission: records without names of hosts, jobs and devices, and their counts.

    Parameters
    ----------
    folder
        Its name is that of the submission.
    records
        That :mod:`harness.gate.acceptance` has nothing against.
    store
        Where they and their counts lie.

    Returns
    -------
    tuple of Path
        All files.

    Raises
    ------
    UsageError
        For a name that can't be one, and where something lies there already.
    PrerequisiteError
        Where it can't be written.
    """
    if not _NAME.fullmatch(folder.name):
        raise UsageError(
            f"'{one_line(folder.name)}' can't be the name of a submission: use up to 50 small letters, digits and "
            "hyphens, such as 'lab-cfm-h200'."
        )
    if os.path.lexists(folder):
        raise UsageError(f"{folder} exists already: choose another name, or remove it.")
    new = Store(folder)
    software = {}
    try:
        for record in records:
            path = new.write(_without_names(record))
            software[path.relative_to(folder).as_posix()] = software_digest(record)
            counts = new.counts_path(record.cell)
            counts.parent.mkdir(exist_ok=True)
            source = store.home(record).counts_path(record.cell)
            write_atomically(counts, read_regular(source, _LARGEST["counts"]))
        files = {path.relative_to(folder).as_posix(): file_sha256(path) for path in _files(folder)}
        manifest = msgspec.to_builtins(Manifest(folder.name, software, dict(sorted(files.items()))))
        write_atomically(folder / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())
    except OSError as error:
        raise PrerequisiteError(
            f"The submission {folder} can't be written ({error.strerror}): remove it, free some space, or name another "
            "folder with --submissions DIR."
        ) from error
    return tuple(_files(folder))


def read_manifest(folder: Path) -> Manifest:
    """Return what a submission says of itself; raise DataError where it says nothing that can be read."""
    path = folder / MANIFEST
    try:
        if folder.is_symlink() or path.is_symlink():
            raise ValueError("it is reached by a link")
        manifest = msgspec.json.decode(read_regular(path, _LARGEST_MANIFEST), type=Manifest)
        if manifest.schema != _SCHEMA:
            raise ValueError(f"its schema is {manifest.schema}, and this version of harness reads {_SCHEMA}")
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"{path} can't be read ({error}): make the folder with 'harness leaderboard submit'."
        ) from error
    return manifest


def odd_files(folder: Path, manifest: Manifest) -> Iterator[LeftOut]:
    """Yield what lies in a submission and does not belong there, or is not what its list of files says.

    Files that are not regular, are larger than such files are, or have another name are not read.
    """
    seen = set()
    for number, path in enumerate(_files(folder)):
        if number == _MOST_FILES:
            yield LeftOut(folder, f"it has more than {_MOST_FILES} files")
            return
        name = path.relative_to(folder).as_posix()
        if name == MANIFEST:
            continue
        if why := _why_odd(path, name):
            yield LeftOut(path, why)
        elif manifest.files.get(name) != file_sha256(path):
            listed = name in manifest.files
            yield LeftOut(path, f"{MANIFEST} {'has another SHA-256 for it' if listed else 'does not list it'}")
        seen.add(name)
    for name in sorted(manifest.files.keys() - seen):
        yield LeftOut(folder / one_line(name), f"{MANIFEST} lists it, and it is not there")
    if manifest.name != folder.name:
        yield LeftOut(folder / MANIFEST, f"it is that of the submission '{one_line(manifest.name)}'")


def find_submissions(folder: Path) -> tuple[Path, ...]:
    """Return the submissions in a folder, by name."""
    return tuple(path.parent for path in sorted(folder.glob(f"[a-z0-9]*/{MANIFEST}")))


def _why_odd(path: Path, name: str) -> str:
    """Return why a file can't be one of a submission, a clause; empty if it can."""
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode):
        return "it is a link or not a regular file"
    kind, _, rest = name.partition("/")
    if kind not in _SUFFIXES or "/" in rest or rest.startswith(".") or not rest.endswith(_SUFFIXES[kind]):
        return "a submission has no such file"
    if status.st_size > _LARGEST[kind]:
        return f"it is larger than {_LARGEST[kind] / 1e6:.0f} MB"
    return ""


def _files(folder: Path) -> Iterator[Path]:
    """Yield everything in a folder that is not a folder itself, by name; links are not followed."""
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.is_symlink():
            yield from _files(path)
        else:
            yield path


def _without_names(record: Record) -> Record:
    """Return a record without what names a machine or a job: hardware and versions stay."""
    environment = record.environment
    gpus = tuple(replace(gpu, uuid="") for gpu in environment.gpus)
    return replace(record, environment=replace(environment, host="", job="", gpus=gpus))
