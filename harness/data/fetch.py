"""Fetch a dataset from where its authors publish it: show the licence, download, verify, unpack."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.data.download import DownloadProgress, download, require_space
from harness.data.registry import DATASETS
from harness.data.unpack import unpack
from harness.errors import DataError, UsageError

__all__ = [
    "ARCHIVES",
    "Archive",
    "FetchProgress",
    "FetchResult",
    "drive_url",
    "fetch_dataset",
    "licence_notice",
]

FetchProgress = Callable[[str, int, int | None], None]
"""Called with the step, such as ``download bagel.zip``, the bytes done, and the total where known."""


@dataclass(frozen=True, slots=True)
class Archive:
    """A published file of a dataset.

    Parameters
    ----------
    name
        File name to keep it under.
    url
        Where it is published.
    categories
        What it holds.
    md5
        Hexadecimal digest, None where none is published.
    md5_source
        Who published the digest.
    size
        Bytes, None where not published.
    unpacked
        About how many bytes of a disk it becomes; 0 where not known.
    """

    name: str
    url: str
    categories: tuple[str, ...]
    md5: str | None = None
    md5_source: str = ""
    size: int | None = None
    unpacked: int = 0

    @property
    def check(self) -> str:
        """How the file can be verified, in words."""
        if self.md5 is None:
            return "no checksum is published"
        return f"MD5 {self.md5}, {self.md5_source}"


@dataclass(frozen=True, slots=True)
class FetchResult:
    """Where a fetched dataset lies, and a sentence about each archive."""

    folder: Path
    notes: tuple[str, ...]


def drive_url(file_id: str) -> str:
    """Return the address of a large file on Google Drive, past the page that says it can't be scanned for viruses."""
    return f"https://drive.usercontent.google.com/download?id={file_id}&export=download&confirm=t"


_EYECANDIES_IDS = {
    "CandyCane": "1OI0Jh5tUj98j3ihFXCXf7EW2qSpeaTSY",
    "ChocolateCookie": "1PEvIXZOcxuDMBo4iuCsUVDN63jisg0QN",
    "ChocolatePraline": "1dRlDAS31QJSwROgA6yFcXo85mL0EBh25",
    "Confetto": "10GNPUIQTUheT-qd6EzO76fsUgAwsHfaq",
    "GummyBear": "1OCAKXPmpNrD9s3oUcQ--mhRZTt4HGJ-W",
    "HazelnutTruffle": "1PsKc4hXxsuIjqwyHh7ciPAeS-IxsPikm",
    "LicoriceSandwich": "1dtU_l9gD1zoCN7fIYRksd_9KeyZklaHC",
    "Lollipop": "1DbL91Zjm2I9-AfJewU3M354pW4vnuaNz",
    "Marshmallow": "1pebIU3AegEFilqqoROaVzOZqkSgX-JTo",
    "PeppermintCandy": "1tF_1fPJYaUVaf1AwjlEi-fsGWzgCx6UF",
}

ARCHIVES: dict[str, tuple[Archive, ...]] = {
    "mvtec3d": (
        Archive(
            name="mvtec_3d_anomaly_detection.tar.xz",
            url="https://www.mydrive.ch/shares/45920/dd1eb345346df066c63b5c95676b961b/download/428824485-1643285832/"
            "mvtec_3d_anomaly_detection.tar.xz",
            categories=DATASETS["mvtec3d"].categories,
            md5="d8bb2800fbf3ac88e798da6ae10dc819",
            md5_source="as given by a peer, not by the publisher",
            unpacked=26 * 10**9,
        ),
    ),
    "eyecandies": tuple(
        Archive(
            name=f"eyecandies_{category}.archive",
            url=drive_url(file_id),
            categories=(category,),
            unpacked=26 * 10**8,
        )
        for category, file_id in _EYECANDIES_IDS.items()
    ),
}
"""The published files of every dataset that can be fetched."""


def licence_notice(name: str, archives: Sequence[Archive] | None = None) -> str:
    """Return the notice shown before a download: licence, home page, files, and how they are verified."""
    archives = _archives(name) if archives is None else archives
    info = DATASETS[name]
    lines = [f"{info.title} is published under {info.licence} (see {info.homepage}).", "It would be downloaded from:"]
    lines += [f"  {archive.url} ({archive.check})" for archive in archives]
    unpacked = sum(archive.unpacked for archive in archives)
    return "\n".join([*lines, f"Unpacked, it takes about {unpacked / 1e9:.0f} GB."] if unpacked else lines)


def fetch_dataset(
    name: str,
    to: Path,
    *,
    confirm: Callable[[str], bool],
    progress: FetchProgress | None = None,
    categories: Sequence[str] | None = None,
    archives: Sequence[Archive] | None = None,
) -> FetchResult:
    """Download, verify and unpack a dataset.

    Parameters
    ----------
    name
        ``mvtec3d`` or ``eyecandies``.
    to
        The folder later given with ``--data``: archives are kept in it, the dataset is unpacked to ``<to>/<name>``.
        An archive that lies there already is verified and used.
    confirm
        Shown the licence notice; nothing is downloaded unless it returns True.
    progress
        Called while files are downloaded and unpacked.
    categories
        Leave out archives that hold none of these.
    archives
        Files of a mirror; the published ones where None.

    Raises
    ------
    UsageError
        Where the dataset or a category is unknown, or the licence is not accepted.
    PrerequisiteError, DataError
        Where a download or an archive fails; what is complete stays.
    """
    chosen = _select(name, _archives(name) if archives is None else archives, categories)
    info = DATASETS[name]
    if not confirm(licence_notice(name, chosen)):
        raise UsageError(
            f"{info.title} is not downloaded until its licence ({info.licence}) is accepted: read {info.homepage} "
            "and pass --yes."
        )
    folder = to / info.folder_names[0]
    to.mkdir(parents=True, exist_ok=True)
    return FetchResult(folder, tuple(_fetch(archive, to, folder, progress) for archive in chosen))


def _archives(name: str) -> tuple[Archive, ...]:
    if name not in ARCHIVES:
        what = "is made by the harness" if name in DATASETS else "is unknown"
        raise UsageError(f"Dataset '{name}' {what} and can't be fetched: choose one of {', '.join(ARCHIVES)}.")
    return ARCHIVES[name]


def _select(name: str, archives: Sequence[Archive], categories: Sequence[str] | None) -> tuple[Archive, ...]:
    known = DATASETS[name].categories
    unknown = sorted(set(categories or ()) - set(known))
    if unknown:
        raise UsageError(f"There is no category '{unknown[0]}' in {name}: choose from {', '.join(known)}.")
    return tuple(archive for archive in archives if set(archive.categories) & set(categories or known))


def _fetch(archive: Archive, to: Path, folder: Path, progress: FetchProgress | None) -> str:
    if all((folder / category).is_dir() for category in archive.categories):
        return f"{folder} holds {', '.join(archive.categories)} already."
    path = to / archive.name
    require_space(to, archive.unpacked, f"{archive.name}, unpacked,")
    download(
        archive.url, path, md5=archive.md5, size=archive.size, progress=_with_step(progress, f"download {archive.name}")
    )
    with tempfile.TemporaryDirectory(prefix=".incoming-", dir=to) as temporary:
        unpack(path, Path(temporary) / "all", _with_step(progress, f"unpack {archive.name}"))
        _move_categories(archive, Path(temporary) / "all", folder)
    return f"{path} is unpacked to {folder} and may be deleted ({archive.check})."


def _with_step(progress: FetchProgress | None, step: str) -> DownloadProgress | None:
    return None if progress is None else lambda done, total: progress(step, done, total)


def _move_categories(archive: Archive, unpacked: Path, folder: Path) -> None:
    """Move the categories of an unpacked archive to their place, at whatever depth the archive holds them."""
    folder.mkdir(parents=True, exist_ok=True)
    for category in archive.categories:
        if not (folder / category).exists():
            shutil.move(_find_category(archive, unpacked, category), folder / category)
    for extra in unpacked.glob("*.*"):
        if extra.is_file() and not (folder / extra.name).exists():
            shutil.move(extra, folder / extra.name)


def _find_category(archive: Archive, unpacked: Path, category: str) -> Path:
    inner = [path for path in unpacked.iterdir() if path.is_dir()]
    candidates = [unpacked / category, *(path / category for path in inner)]
    if len(archive.categories) == 1:
        candidates += [path for path in (unpacked, *inner) if (path / "train").is_dir()]
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    raise DataError(f"{archive.name} holds no category '{category}': fetch the dataset by hand from {archive.url}.")
