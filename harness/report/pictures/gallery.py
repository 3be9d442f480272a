"""Thumbnails for a report: for some samples of each category image, cloud, ground truth, and one map a method."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.dataset_contract import Dataset, SampleRef
from harness.errors import PrerequisiteError
from harness.files.atomic import write_atomically
from harness.files.digest import digest
from harness.report.groups import group_records
from harness.report.pictures.choose import spread_samples
from harness.report.pictures.panels import HEAT, Panel, sample_panels, value_range
from harness.store.details import read_details
from harness.store.maps import ANOMALY_MAP, kept_maps
from harness.store.record import Record
from harness.store.store import Store

__all__ = ["GalleryEntry", "draw_gallery"]

_SIDE = 168


class GalleryEntry(TypedDict):
    """One sample.

    ``files`` holds names of PNG files in the folder, under ``rgb``, ``cloud``, ``truth`` and the labels of the methods
    with maps; ``scores`` holds the anomaly score by the label of every method that has one, ``label`` is 1 for an
    anomalous sample.
    """

    category: str
    sample: str
    defect: str
    label: int
    files: dict[str, str]
    scores: dict[str, float]


def draw_gallery(
    store: Store, records: Iterable[Record], dataset: Dataset, folder: Path, samples_per_category: int = 4
) -> list[GalleryEntry]:
    """Write thumbnails, and return what they show: categories in the dataset's order, defects before a good sample.

    A method without maps has scores alone; so has one whose maps were made of other files than the dataset's.

    Parameters
    ----------
    store
        Where maps are.
    records
        Of one group of comparable cells; those that are not ok, or of another dataset, are left out.
    dataset
        Where the samples lie.
    folder
        Where the thumbnails go, 168 x 168 pixels each; made where it is not there.
    samples_per_category
        At most; one of them is good where there are several.

    Raises
    ------
    DataError, PrerequisiteError
        Where a sample can't be read.

    Notes
    -----
    Colours are those of inferno, on one scale for each method and category; the line is the ground truth.
    """
    by_category = _methods(record for record in records if record.cell.dataset == dataset.info.name)
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for category in dataset.categories:
        methods = by_category.get(category, {})
        if methods:
            refs = spread_samples(dataset.refs(category, "test"), samples_per_category)
            entries += _category(store, dataset, refs, methods, folder)
    return entries


def _methods(records: Iterable[Record]) -> dict[str, dict[str, Record]]:
    """Return the newest record of each category and method label."""
    newest: dict[str, dict[str, Record]] = {}
    for group in group_records(records):
        for method in group.methods:
            for category, record in method.ok.items():
                newest.setdefault(category, {}).setdefault(method.label, record)
    return newest


def _category(
    store: Store, dataset: Dataset, refs: Sequence[SampleRef], methods: Mapping[str, Record], folder: Path
) -> list[GalleryEntry]:
    maps = {label: _maps(store, dataset, record, refs) for label, record in methods.items()}
    limits = {label: value_range(values.values()) for label, values in maps.items() if values}
    entries = []
    for ref in refs:
        panels = sample_panels(dataset.load(ref), _SIDE)
        files = {name: _write(folder, ref, name, panel) for name, panel in panels.items() if not panel.note}
        for label, ends in limits.items():
            panel = Panel(maps[label][ref.id], HEAT, ends, panels["truth"].values)
            cell = methods[label].cell
            files[label] = _write(folder, ref, f"{cell.method}-{cell.id}", panel)
        entries.append(
            GalleryEntry(
                category=ref.category,
                sample=ref.id,
                defect=ref.defect,
                label=int(ref.defect != "good"),
                files=files,
                scores=_scores(store, ref, methods),
            )
        )
    return entries


def _maps(store: Store, dataset: Dataset, record: Record, refs: Sequence[SampleRef]) -> dict[str, NDArray[np.float32]]:
    """Return the anomaly maps of some samples, none where they were not kept or belong to other files."""
    if record.cell.data_digest != dataset.digest(record.cell.category):
        return {}
    file = kept_maps(store, record)
    try:
        return {ref.id: file.read(ref.id, (ANOMALY_MAP,))[ANOMALY_MAP] for ref in refs} if file else {}
    except PrerequisiteError as error:
        store.leave_out(store.maps_path(record.cell), error.__cause__ or error)
        return {}


def _scores(store: Store, ref: SampleRef, methods: Mapping[str, Record]) -> dict[str, float]:
    return {
        label: image.score
        for label, record in methods.items()
        for image in read_details(store, record).images
        if image.id == ref.id
    }


def _write(folder: Path, ref: SampleRef, what: str, panel: Panel) -> str:
    readable = re.sub(r"[^A-Za-z0-9_.-]", "_", f"{ref.category}--{ref.id}--{what}".replace("/", "-"))
    name = f"{readable}--{digest([ref.category, ref.id, what])}.png"
    stream = io.BytesIO()
    Image.fromarray(panel.pixels()).save(stream, "PNG", optimize=True)
    write_atomically(folder / name, stream.getvalue())
    return name
