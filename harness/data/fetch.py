"""Fetch a dataset from where its authors publish it: say what it takes, download, verify, unpack."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from harness.data.download import DownloadProgress, download, mismatch, require_space
from harness.data.registry import DATASETS
from harness.data.unpack import unpack
from harness.data.web import stated_size
from harness.dataset_contract import Archive, DatasetInfo
from harness.errors import DataError, PrerequisiteError, UsageError
from harness.files.paths import user_path
from harness.registry import nearest_names

__all__ = ["FetchProgress", "FetchResult", "fetch_dataset", "fetchable"]

FetchProgress = Callable[[str, int, int | None], None]
"""Called with the step, such as ``download bagel.zip``, the bytes done, and the total where known."""

_SHRINKS = 4
"""An archive of images and clouds unpacks to no more than so many times its size."""


@dataclass(frozen=True, slots=True)
class FetchResult:
    """Where a fetched dataset lies, and a sentence about each archive."""

    folder: Path
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Item:
    """An archive, where it comes from, and what of it is unpacked.

    Parameters
    ----------
    archive
        With the checksum that is compared.
    categories
        Those that are unpacked.
    file
        Where it lies, or will lie.
    download
        Whether it must be downloaded.
    size
        Bytes of the archive; None where nobody says.
    given
        Whether the user named the file, which is never replaced.
    """

    archive: Archive
    categories: tuple[str, ...]
    file: Path
    download: bool
    size: int | None
    given: bool = False

    @property
    def missing(self) -> int:
        """Bytes that are still to be downloaded, 0 where that is unknown."""
        if not self.download or self.size is None:
            return 0
        part = self.file.with_name(self.file.name + ".part")
        return max(0, self.size - (part.stat().st_size if part.is_file() else 0))

    @property
    def unpacked(self) -> int:
        """About how many bytes of a disk its categories become, 0 where that is unknown."""
        published = sum(self.archive.unpacked[category] for category in self.categories)
        return published if self.size is None else min(published, _SHRINKS * self.size)

    def describe(self) -> str:
        """Where it comes from, its size, and how it is verified, in one line."""
        size = "size unknown" if self.size is None else _amount(self.size)
        place = self.archive.url if self.download else f"{self.file}, which is there"
        return f"{place} ({size}; {self.archive.check})"


def fetchable() -> tuple[str, ...]:
    """Return the names of the datasets that can be downloaded."""
    return tuple(name for name, info in DATASETS.items() if info.archives)


def fetch_dataset(
    name: str,
    to: Path,
    *,
    confirm: Callable[[str], bool],
    progress: FetchProgress | None = None,
    categories: Sequence[str] | None = None,
    source: str | None = None,
    md5: str | None = None,
) -> FetchResult:
    """Download, verify and unpack a dataset.

    Parameters
    ----------
    name
        One of :func:`fetchable`.
    to
        The folder later given with ``--data``: archives are kept in it, the dataset is unpacked to ``<to>/<name>``.
        An archive that lies there already is verified and used.
    confirm
        Shown the licence, what would be downloaded, its size and the room for it; nothing is downloaded or written
        unless it returns True. Not called where everything is there already.
    progress
        Called while files are downloaded and unpacked.
    categories
        Unpack these alone, and leave out archives that hold none of them.
    source
        Where to take the archive from instead: an address, or a file, which stays as it is. A folder, or an address
        that ends in a slash, holds every archive under its published name.
    md5
        Hexadecimal digest of the one archive that is fetched; by default the published one.

    Raises
    ------
    UsageError
        Where the dataset, a category, the source or the digest is none, or the licence is not accepted.
    PrerequisiteError, DataError
        Where the disk has no room, or a download or an archive fails; what is complete stays.
    """
    info = _fetchable(name)
    folder = to / info.folder_names[0]
    items, there = _items(info, to, _chosen(info, categories), source, md5)
    notes = [f"{folder} holds {', '.join(there)} already."] if there else []
    if items:
        _require_room(to, items)
        if not confirm(_notice(info, to, items)):
            raise UsageError(
                f"{info.title} is not downloaded until its licence ({info.licence}) is accepted: read {info.homepage} "
                "and pass --yes."
            )
        to.mkdir(parents=True, exist_ok=True)
        notes += [_fetch(item, to, folder, progress) for item in items]
    return FetchResult(folder, tuple(notes))


def _fetchable(name: str) -> DatasetInfo:
    """Return the facts of a dataset that can be downloaded."""
    info = DATASETS.get(name)
    if info is not None and info.archives:
        return info
    if info is None:
        raise UsageError(f"Dataset '{name}' is unknown and can't be fetched: {nearest_names(name, fetchable())}")
    if info.embedded:
        choice = ", ".join(fetchable())
        raise UsageError(f"Dataset '{name}' is made by the harness and can't be fetched: choose from {choice}.")
    page = f"get its files from {info.homepage}" if info.homepage else "it comes from its user"
    raise UsageError(f"Dataset '{name}' offers no download: {page}; give their folder to other verbs with --data DIR.")


def _chosen(info: DatasetInfo, categories: Sequence[str] | None) -> tuple[str, ...]:
    unknown = sorted(set(categories or ()) - set(info.categories))
    if unknown:
        nearest = nearest_names(unknown[0], info.categories)
        raise UsageError(f"There is no category '{unknown[0]}' in {info.name}: {nearest}")
    return tuple(name for name in info.categories if not categories or name in categories)


def _items(
    info: DatasetInfo, to: Path, chosen: Sequence[str], source: str | None, md5: str | None
) -> tuple[tuple[_Item, ...], tuple[str, ...]]:
    """Return what is to be fetched, and the categories that are there."""
    there = tuple(name for name in chosen if (to / info.folder_names[0] / name).is_dir())
    wanted = {
        archive: tuple(c for c in archive.unpacked if c in chosen and c not in there) for archive in info.archives
    }
    wanted = {archive: categories for archive, categories in wanted.items() if categories}
    if md5 is not None:
        _require_one(wanted, "--md5")
        if not re.fullmatch(r"[0-9a-fA-F]{32}", md5):
            raise UsageError(f"'{md5}' is not an MD5 digest: give 32 hexadecimal digits with --md5.")
    items = []
    for archive, categories in wanted.items():
        if md5 is not None:
            archive = replace(archive, md5=md5.lower(), md5_source="as given with --md5")
        place = to / archive.name if source is None else _place(source, archive, wanted)
        if isinstance(place, Path):
            size = place.stat().st_size if place.is_file() else archive.size
            items.append(_Item(archive, categories, place, not place.is_file(), size, given=source is not None))
        else:
            items.append(_Item(replace(archive, url=place, size=None), categories, to / archive.name, True, None))
    return _with_sizes(items), there


def _place(source: str, archive: Archive, wanted: Iterable[Archive]) -> Path | str:
    """Return the file or the address that a source gives for an archive."""
    if source.startswith(("http://", "https://")):
        if source.endswith("/"):
            return source + archive.name
        _require_one(wanted, "--from with an address that does not end in a slash")
        return source
    path = user_path(source)
    if path.is_dir():
        path /= archive.name
    else:
        _require_one(wanted, "--from with a file")
    if not path.is_file():
        raise UsageError(
            f"There is no {path}: give --from the file of the archive, its folder, or an address that starts with "
            "http:// or https://."
        )
    return path


def _require_one(wanted: Iterable[Archive], what: str) -> None:
    count = len(tuple(wanted))
    if count > 1:
        raise UsageError(f"{what} goes with one archive, and {count} would be fetched: name a category with -c.")


def _with_sizes(items: Sequence[_Item]) -> tuple[_Item, ...]:
    """Ask for the sizes that are not known, all at once: a server that keeps silent costs seconds."""
    with ThreadPoolExecutor(max_workers=max(1, len(items))) as pool:
        asked = pool.map(lambda item: stated_size(item.archive.url) if item.size is None else item.size, items)
        return tuple(replace(item, size=size) for item, size in zip(items, asked, strict=True))


def _require_room(to: Path, items: Sequence[_Item]) -> None:
    needed = sum(item.missing + item.unpacked for item in items)
    require_space(_existing(to), needed, f"What is fetched ({_needs(items)})")


def _existing(folder: Path) -> Path:
    """Return a folder, or the nearest one above it that exists."""
    return next(path for path in (folder, *folder.absolute().parents) if path.is_dir())


def _needs(items: Sequence[_Item]) -> str:
    """Return how much is downloaded and unpacked, in words."""
    missing, unpacked = (sum(getattr(item, part) for item in items) for part in ("missing", "unpacked"))
    unknown = sum(item.download and item.size is None for item in items)
    parts = [_amount(missing)] if missing else []
    parts += [f"{unknown} {'file' if unknown == 1 else 'files'} of unknown size"] if unknown else []
    becomes = f"about {_amount(unpacked)}" if unpacked else "an unknown size"
    return f"{' and '.join(parts) or 'nothing'} to download, {becomes} unpacked"


def _notice(info: DatasetInfo, to: Path, items: Sequence[_Item]) -> str:
    """Return what is shown before anything is fetched: licence, files, what they take and what there is."""
    lines = [f"Licence of {info.title}: {info.licence} ({info.homepage}).", "It would be taken from:"]
    for item in items:
        lines.append(f"  {item.describe()}")
        if len(item.categories) < len(item.archive.unpacked):
            lines.append(
                f"  This is one archive of {len(item.archive.unpacked)} categories: naming some makes it no smaller; "
                f"only {', '.join(item.categories)} would be unpacked."
            )
    free = shutil.disk_usage(_existing(to)).free
    return "\n".join([*lines, f"Needed: {_needs(items)}; {to} has {_amount(free)} free."])


def _amount(size: int) -> str:
    unit, name = next(((unit, name) for unit, name in ((10**9, "GB"), (10**6, "MB")) if size >= unit), (1000, "kB"))
    return f"{size / unit:.1f} {name}"


def _fetch(item: _Item, to: Path, folder: Path, progress: FetchProgress | None) -> str:
    archive, file = item.archive, item.file
    if not item.given:
        step = _with_step(progress, f"download {archive.name}")
        download(archive.url, file, md5=archive.md5, size=archive.size, progress=step)
    elif wrong := mismatch(file, md5=archive.md5):
        raise PrerequisiteError(
            f"{file} is not the published archive ({wrong}): give another with --from, or, where you trust it, its "
            "digest with --md5."
        )
    require_space(to, min(item.unpacked, _SHRINKS * file.stat().st_size), f"{archive.name}, unpacked,")
    with tempfile.TemporaryDirectory(prefix=".incoming-", dir=to) as temporary:
        everything = Path(temporary) / "all"
        unpack(file, everything, _with_step(progress, f"unpack {archive.name}"), wanted=_only(item))
        _move_categories(item, everything, folder)
    done = f"{file} is unpacked to {folder}"
    return f"{done} and may be deleted ({archive.check})." if item.download else f"{done} ({archive.check})."


def _with_step(progress: FetchProgress | None, step: str) -> DownloadProgress | None:
    return None if progress is None else lambda done, total: progress(step, done, total)


def _only(item: _Item) -> Callable[[PurePosixPath], bool]:
    """Return what tells whether an entry of an archive belongs to no category that is left out."""
    left_out = set(item.archive.unpacked) - set(item.categories)
    return lambda entry: left_out.isdisjoint(entry.parts[:2])


def _move_categories(item: _Item, unpacked: Path, folder: Path) -> None:
    """Move the categories of an unpacked archive to their place, at whatever depth the archive holds them."""
    folder.mkdir(parents=True, exist_ok=True)
    for category in item.categories:
        if not (folder / category).exists():
            shutil.move(_find_category(item.archive, unpacked, category), folder / category)
    for extra in unpacked.glob("*.*"):
        if extra.is_file() and not (folder / extra.name).exists():
            shutil.move(extra, folder / extra.name)


def _find_category(archive: Archive, unpacked: Path, category: str) -> Path:
    inner = [path for path in unpacked.iterdir() if path.is_dir()]
    candidates = [unpacked / category, *(path / category for path in inner)]
    if len(archive.unpacked) == 1:
        candidates += [path for path in (unpacked, *inner) if (path / "train").is_dir()]
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    raise DataError(f"{archive.name} holds no category '{category}': fetch the dataset by hand from {archive.url}.")
