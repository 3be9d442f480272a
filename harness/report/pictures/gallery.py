"""Pictures for a report: of some samples of each category image, cloud, ground truth, and one map a method."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
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
from harness.report.separation import separation
from harness.store.details import read_details
from harness.store.maps import ANOMALY_MAP, kept_maps
from harness.store.record import ImageScore, Record
from harness.store.store import Store

__all__ = ["GalleryEntry", "draw_gallery"]

_SIDE = 336
_QUALITY = 85
_EXTREMES = 2
"""Samples of a category that methods separate worst on average, that they separate best, and that they disagree on."""


class GalleryEntry(TypedDict):
    """One sample.

    ``files`` holds names of JPEG files in the folder, under ``rgb``, ``cloud``, ``truth`` and the labels of the methods
    with maps; ``scores`` holds the anomaly score by the label of every method that has one, and ``shares`` how well it
    separates the sample (:func:`harness.report.separation.separation`); ``label`` is 1 for an anomalous sample.
    """

    category: str
    sample: str
    defect: str
    label: int
    files: dict[str, str]
    scores: dict[str, float]
    shares: dict[str, float]


def draw_gallery(
    store: Store, records: Iterable[Record], dataset: Dataset, folder: Path, samples_per_category: int = 4
) -> list[GalleryEntry]:
    """Write pictures, and return what they show: categories in the dataset's order, samples in that of :func:`_chosen`.

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
        Where the pictures go, 336 x 336 pixels each; made where it is not there.
    samples_per_category
        Of as many defects as possible, one of them good where there are several. Those that the methods separate worst
        and best, and those that they disagree on, are drawn besides.

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
            scored = {label: read_details(store, record).images for label, record in methods.items()}
            refs = _chosen(dataset.refs(category, "test"), scored.values(), samples_per_category)
            entries += _category(store, dataset, refs, methods, scored, folder)
    return entries


def _chosen(
    refs: Sequence[SampleRef], scored: Iterable[Sequence[ImageScore]], samples_per_category: int
) -> list[SampleRef]:
    """Return samples of as many defects as possible, then those that methods separate worst, best, and most unlike."""
    shares: dict[str, list[float]] = {}
    for images in scored:
        for name, share in separation(images).items():
            shares.setdefault(name, []).append(share)
    known = sorted((ref for ref in refs if ref.id in shares), key=lambda ref: fmean(shares[ref.id]))
    gaps = {ref: max(shares[ref.id]) - min(shares[ref.id]) for ref in known}
    disputed = sorted((ref for ref in known if gaps[ref]), key=lambda ref: -gaps[ref])[:_EXTREMES]
    extremes = (*known[:_EXTREMES], *known[-_EXTREMES:], *disputed)
    return list(dict.fromkeys([*spread_samples(refs, samples_per_category), *extremes]))


def _methods(records: Iterable[Record]) -> dict[str, dict[str, Record]]:
    """Return the newest record of each category and method label."""
    newest: dict[str, dict[str, Record]] = {}
    for group in group_records(records):
        for method in group.methods:
            for category, record in method.ok.items():
                newest.setdefault(category, {}).setdefault(method.label, record)
    return newest


def _category(
    store: Store,
    dataset: Dataset,
    refs: Sequence[SampleRef],
    methods: Mapping[str, Record],
    scored: Mapping[str, Sequence[ImageScore]],
    folder: Path,
) -> list[GalleryEntry]:
    maps = {label: _maps(store, dataset, record, refs) for label, record in methods.items()}
    limits = {label: value_range(values.values()) for label, values in maps.items() if values}
    scores = {label: {image.id: image.score for image in images} for label, images in scored.items()}
    shares = {label: separation(images) for label, images in scored.items()}
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
                scores={label: known[ref.id] for label, known in scores.items() if ref.id in known},
                shares={label: known[ref.id] for label, known in shares.items() if ref.id in known},
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


def _write(folder: Path, ref: SampleRef, what: str, panel: Panel) -> str:
    readable = re.sub(r"[^A-Za-z0-9_.-]", "_", f"{ref.category}--{ref.id}--{what}".replace("/", "-"))
    name = f"{readable}--{digest([ref.category, ref.id, what])}.jpg"
    stream = io.BytesIO()
    Image.fromarray(panel.pixels()).save(stream, "JPEG", quality=_QUALITY, subsampling=0)
    write_atomically(folder / name, stream.getvalue())
    return name
