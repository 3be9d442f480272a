"""The gallery of a report: thumbnails of some samples of each setting, with the map of each method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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

__all__ = ["GallerySetting", "gallery_section"]

_PANELS = {"rgb": "image", "cloud": "point cloud", "truth": "ground truth"}


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample: addresses of its pictures with their captions, and the scores of methods without a map."""

    name: str
    kind: str
    pictures: Mapping[str, str]
    other_scores: str


@dataclass(frozen=True, slots=True)
class GallerySetting:
    """The samples of one setting; without any, the problem or the command that makes its maps."""

    title: str
    samples: tuple[Sample, ...] = ()
    problem: str = ""
    command: str = ""


def gallery_section(
    store: Store, sections: Sequence[Section], folder: Path, data: Path | None
) -> tuple[GallerySetting, ...]:
    """Draw thumbnails below a folder and return what they show, for each setting with a measured cell.

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
            settings.append(_setting(store, section, records, folder, f"gallery/{index}", data))
    return tuple(settings)


def _setting(
    store: Store, section: Section, records: Sequence[Record], folder: Path, place: str, data: Path | None
) -> GallerySetting:
    if not any(kept_maps(store, record) for record in records):
        return GallerySetting(section.title, command=_command(records[0], store))
    try:
        entries = draw_gallery(store, records, open_dataset(section.dataset, data), folder / place)
    except HarnessError as error:
        return GallerySetting(section.title, problem=str(error))
    return GallerySetting(section.title, tuple(_sample(entry, place) for entry in entries))


def _command(record: Record, store: Store) -> str:
    command = reproduce(record)[0].removesuffix("--results again")
    return f"{command}--save-maps --results {quote(str(store.folder))}"


def _sample(entry: GalleryEntry, place: str) -> Sample:
    files, scores = entry["files"], entry["scores"]
    captions = {
        panel: _PANELS.get(panel) or (f"{panel}, score {scores[panel]:.4g}" if panel in scores else panel)
        for panel in files
    }
    pictures = {f"{place}/{name}": captions[panel] for panel, name in files.items()}
    others = ", ".join(f"{label} {score:.4g}" for label, score in scores.items() if label not in files)
    kind = f"{entry['defect']}, {'anomalous' if entry['label'] else 'nominal'}{'' if 'truth' in files else ', no mask'}"
    return Sample(f"{entry['category']} {entry['sample']}", kind, pictures, others)
