"""The gallery of a report: thumbnails of some samples of each setting, with the map of each method."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from harness.data.base import Dataset
from harness.data.open import open_dataset
from harness.errors import HarnessError
from harness.report.html.markup import Child, Element, element
from harness.report.html.parts import section
from harness.report.html.reproduce import reproduce
from harness.report.html.sections import Section
from harness.report.pictures.gallery import GalleryEntry, draw_gallery
from harness.store.record import Record
from harness.store.store import Store

__all__ = ["gallery_section"]

_PANELS = {"rgb": "image", "cloud": "point cloud", "truth": "ground truth"}
_HINT = (
    "Some samples of each category: image, shaded cloud, ground truth, and the anomaly map of each method. Bright is "
    "anomalous, the line is the ground truth. Each method and category has a scale of its own: brightness can't be "
    "compared between methods."
)


def gallery_section(store: Store, sections: Sequence[Section], folder: Path, data: Path | None) -> Element | None:
    """Draw thumbnails below a folder and return the section that shows them; None where nothing is measured.

    A setting whose dataset is not at hand, or without any map, is a sentence with the command that mends it.

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
    parts: list[Child] = []
    for index, one in enumerate(sections):
        records = [record for line in one.lines if line.method for record in line.method.ok.values()]
        if records:
            parts.append(element("h3", one.title))
            parts += _setting(store, one, records, folder, f"gallery/{index}", data)
    return section("gallery", "Gallery", element("p", _HINT, class_="hint"), *parts) if parts else None


def _setting(
    store: Store, one: Section, records: Sequence[Record], folder: Path, place: str, data: Path | None
) -> list[Child]:
    if not any(store.maps_path(record.cell).is_file() for record in records):
        return [
            element("p", "No map was kept. This command measures a cell again with its maps:"),
            _command(records[0], store),
        ]
    try:
        dataset: Dataset = open_dataset(one.dataset, data)
        entries = draw_gallery(store, records, dataset, folder / place)
    except HarnessError as error:
        return [element("p", f"No pictures: {error}")]
    cards = (_card(entry, place) for entry in entries)
    return [
        element(
            "details",
            element("summary", f"{len(entries)} samples"),
            element("div", *cards, class_="samples"),
            open=True,
        )
    ]


def _command(record: Record, store: Store) -> Element:
    command = reproduce(record)[0].removesuffix("--results again")
    whole = f"{command}--save-maps --results {quote(str(store.folder))}"
    return element("pre", element("code", whole), class_="command", tabindex="0")


def _card(entry: GalleryEntry, place: str) -> Element:
    sample = f"{entry['category']} {entry['sample']}"
    scores = entry["scores"]
    pictures = []
    for what, name in entry["files"].items():
        told = _PANELS.get(what) or (f"{what}, score {scores[what]:.4g}" if what in scores else what)
        picture = element(
            "img", src=f"{place}/{name}", alt=f"{told} of {sample}", loading="lazy", width=168, height=168
        )
        pictures.append(element("figure", picture, element("figcaption", told)))
    without = [f"{label} {score:.4g}" for label, score in scores.items() if label not in entry["files"]]
    told = f"{entry['defect']}, {'anomalous' if entry['label'] else 'nominal'}"
    return element(
        "article",
        element("p", element("b", sample), f" ({told})"),
        element("div", *pictures, class_="pictures"),
        element("p", f"Scores without a map: {', '.join(without)}", class_="hint") if without else None,
        class_="sample",
    )
