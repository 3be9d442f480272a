"""The gallery of a report: pictures of some samples of each setting, with the map of each method."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from shlex import quote

from harness.data.open import open_dataset
from harness.errors import HarnessError
from harness.report.html.reproduce import reproduce
from harness.report.html.sections import Section
from harness.report.pictures.gallery import GalleryEntry, draw_gallery
from harness.store.maps import kept_maps
from harness.store.record import Record
from harness.store.store import Store

__all__ = ["GallerySetting", "Picture", "Sample", "embedded", "gallery_section", "samples_of"]

_DIGITS = 3
_PANELS = {"rgb": "image", "cloud": "point cloud", "truth": "ground truth"}


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a sample.

    Parameters
    ----------
    path
        Its address, from the front page.
    caption
        What it shows.
    method
        Label of the method whose map it is; empty for the sample itself.
    """

    path: str
    caption: str
    method: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample with its pictures.

    Parameters
    ----------
    category, name
        Which one.
    kind
        Its defect in words.
    pictures
        Image, cloud and ground truth, then maps.
    shares
        How well methods separate it, by label (:func:`harness.report.separation.separation`).
    other_scores
        Scores of methods without a map.
    """

    category: str
    name: str
    kind: str
    pictures: tuple[Picture, ...]
    shares: Mapping[str, float]
    other_scores: str

    def of(self, method: str) -> tuple[Picture, ...]:
        """Return the pictures of the sample itself, and a method's map."""
        return tuple(picture for picture in self.pictures if picture.method in ("", method))


@dataclass(frozen=True, slots=True)
class GallerySetting:
    """The samples of one setting; without any, the problem or the command that makes its maps.

    Parameters
    ----------
    section
        Place of the setting in the leaderboard.
    title
        Of the setting.
    samples
        By category.
    problem
        Why there is no picture.
    command
        Makes the maps that are missing.
    """

    section: int
    title: str
    samples: tuple[Sample, ...] = ()
    problem: str = ""
    command: str = ""

    @property
    def categories(self) -> dict[str, list[Sample]]:
        """The samples of each category."""
        return {name: list(samples) for name, samples in groupby(self.samples, attrgetter("category"))}


def gallery_section(
    store: Store, sections: Sequence[Section], folder: Path, data: Path | None
) -> tuple[GallerySetting, ...]:
    """Draw pictures below a folder and return what they show, for each setting with a measured cell.

    Parameters
    ----------
    store
        Where maps are.
    sections
        Of the leaderboard.
    folder
        Of the report.
    data
        Folder of datasets; the toy dataset needs none.
    """
    settings = []
    for index, section in enumerate(sections):
        records = [record for line in section.lines if line.method for record in line.method.ok.values()]
        if records:
            settings.append(_setting(store, section, index, records, folder, data))
    return tuple(settings)


def samples_of(gallery: Sequence[GallerySetting], section: int, category: str) -> tuple[Sample, ...]:
    """Return the samples of a category in a setting of a gallery.

    Parameters
    ----------
    gallery
        As drawn; may lack the setting.
    section
        Place of the setting in the leaderboard.
    category
        Of the dataset.
    """
    samples = [sample for setting in gallery if setting.section == section for sample in setting.samples]
    return tuple(sample for sample in samples if sample.category == category)


def embedded(gallery: Sequence[GallerySetting], folder: Path) -> tuple[GallerySetting, ...]:
    """Return a gallery whose pictures have themselves as addresses.

    Parameters
    ----------
    gallery
        As drawn below a folder.
    folder
        Where its pictures are.
    """

    def inside(picture: Picture) -> Picture:
        content = b64encode((folder / picture.path).read_bytes()).decode()
        return replace(picture, path=f"data:image/jpeg;base64,{content}")

    return tuple(
        replace(
            setting,
            samples=tuple(replace(sample, pictures=tuple(map(inside, sample.pictures))) for sample in setting.samples),
        )
        for setting in gallery
    )


def _setting(
    store: Store, section: Section, index: int, records: Sequence[Record], folder: Path, data: Path | None
) -> GallerySetting:
    if not any(kept_maps(store, record) for record in records):
        return GallerySetting(index, section.title, command=_command(records[0], store))
    place = f"gallery/{index}"
    try:
        entries = draw_gallery(store, records, open_dataset(section.dataset, data), folder / place)
    except HarnessError as error:
        return GallerySetting(index, section.title, problem=str(error))
    return GallerySetting(index, section.title, tuple(_sample(entry, place) for entry in entries))


def _command(record: Record, store: Store) -> str:
    command = reproduce(record)[0].removesuffix("--results again")
    return f"{command}--save-maps --results {quote(str(store.folder))}"


def _sample(entry: GalleryEntry, place: str) -> Sample:
    files, scores = entry["files"], entry["scores"]
    pictures = tuple(
        Picture(f"{place}/{name}", _PANELS[panel])
        if panel in _PANELS
        else Picture(f"{place}/{name}", f"{panel}, score {scores[panel]:.4g}" if panel in scores else panel, panel)
        for panel, name in files.items()
    )
    others = ", ".join(f"{label} {score:.4g}" for label, score in scores.items() if label not in files)
    kind = f"{entry['defect']}, {'anomalous' if entry['label'] else 'nominal'}{'' if 'truth' in files else ', no mask'}"
    shares = {label: round(share, _DIGITS) for label, share in entry["shares"].items()}
    return Sample(entry["category"], entry["sample"], kind, pictures, shares, others)
