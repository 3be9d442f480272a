"""How long the steps of a benchmark take, for a growing number of what they work on.

Seconds are of the processor, by one thread and those of processes that it starts, so that other work on the machine
counts little; they are those of the clock where nothing else runs.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from time import process_time

import numpy as np
import torch
from many_records import write_records
from samples import make_sample, no_progress, write_tiny_mvtec
from scipy import ndimage
from threadpoolctl import threadpool_limits

from harness.data.clean import clean_masks
from harness.data.registry import DATASETS
from harness.metrics import RankedTestSet, evaluate_test_set
from harness.report.tables import TableRequest, measured_grids
from harness.store.counts import count_images
from harness.store.published import read_published
from methods.btf import BTF
from methods.cfm import CFMTiny

__all__ = ["GROWTHS", "Growth"]

_PLUGIN = Path(__file__).resolve().parents[1] / "plugin" / "colour_distance.py"
_MAPS = 100
"""Test samples where the side of their maps grows."""


@dataclass(frozen=True, slots=True)
class Growth:
    """A step and how much it works on.

    Parameters
    ----------
    of
        What grows.
    step
        What takes the time.
    sizes
        How many of it, ascending.
    small
        The same for a trial of a few seconds.
    seconds
        Takes a size and an empty folder, prepares the step, and returns the seconds of the processor that it takes.
    """

    of: str
    step: str
    sizes: tuple[int, ...]
    small: tuple[int, ...]
    seconds: Callable[[int, Path], float]


def _timed(call: Callable[[], object]) -> float:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            begin = _processor_seconds()
            call()
            return _processor_seconds() - begin
    finally:
        torch.set_num_threads(threads)


def _processor_seconds() -> float:
    children = getrusage(RUSAGE_CHILDREN)
    return process_time() + children.ru_utime + children.ru_stime


def _fit_mappings(samples: int, folder: Path) -> float:
    method = CFMTiny(epochs=1, centres=512, group_size=32, pixels=384)
    shown = [make_sample(seed) for seed in range(samples)]
    return _timed(lambda: method.fit(shown, seed=0, device="cpu", progress=no_progress))


def _fit_bank(samples: int, folder: Path) -> float:
    method = BTF(features="raw")
    shown = [make_sample(seed) for seed in range(samples)]
    return _timed(lambda: method.fit(shown, seed=0, device="cpu", progress=no_progress))


def _score(count: int, side: int) -> float:
    """Time metrics, metrics by defect and counts of smooth maps, of which two thirds have a defect of five kinds."""
    draw = np.random.default_rng(0)
    maps = [ndimage.gaussian_filter(draw.random((side, side), np.float32), side / 56) for _ in range(count)]
    masks = [np.zeros((side, side), np.bool_) for _ in maps]
    for index in range(0, count, 3):
        for mask in masks[index + 1 : index + 3]:
            mask[side // 4 : side // 3, side // 4 : side // 2] = True
    labels = [mask.any() for mask in masks]
    scores = [image.max() for image in maps]
    names = [f"defect {index % 5}" if label else "good" for index, label in enumerate(labels)]

    def step() -> None:
        test_set = RankedTestSet.of(maps, masks, labels, scores, names)
        evaluate_test_set(test_set)
        count_images(test_set, names)

    return _timed(step)


def _score_samples(count: int, folder: Path) -> float:
    return _score(count, 224)


def _score_side(side: int, folder: Path) -> float:
    return _score(_MAPS, side)


def _clean(side: int, folder: Path) -> float:
    cloud = make_sample(0, height=side, width=side, radius=0.35 * side).xyz
    return _timed(lambda: clean_masks(cloud))


def _run_categories(count: int, folder: Path) -> float:
    data = write_tiny_mvtec(folder / "data", DATASETS["mvtec3d"].categories[:count])
    command = [sys.executable, "-P", "-m", "harness", "run", "--methods", f"{_PLUGIN}:ColourDistance", "--shots", "5"]
    command += ["--dataset", "mvtec3d", "--data", str(data), "--preset", "quick", "--results", str(folder / "results")]
    environment = os.environ | {"HARNESS_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    return _timed(lambda: subprocess.run(command, check=True, capture_output=True, env=environment))


def _read(records: int, folder: Path) -> float:
    return _timed(write_records(folder / "results", records).all)


def _tables(records: int, folder: Path) -> float:
    read, published = write_records(folder / "results", records).all(), read_published()
    return _timed(lambda: measured_grids(read, published, TableRequest()))


GROWTHS = (
    Growth("training samples", "one epoch of cfm-t", (5, 10, 25, 50, 100, 361), (1, 2), _fit_mappings),
    Growth("training samples", "bank of btf, raw depth", (5, 10, 25, 50, 100, 200, 361), (1, 2), _fit_bank),
    Growth("test samples", "metrics and counts", (10, 30, 100, 300, 1000), (5, 10), _score_samples),
    Growth("side of images", f"metrics and counts of {_MAPS}", (56, 112, 224, 448, 896), (16, 32), _score_side),
    Growth("side of images", "cleaning of a cloud", (100, 200, 400, 800), (50, 100), _clean),
    Growth("categories", "harness run, a cell each", (1, 2, 5, 10), (1, 2), _run_categories),
    Growth("records", "reading", (100, 1000, 10_000, 100_000), (10, 20), _read),
    Growth("records", "tables", (100, 1000, 10_000, 100_000), (10, 20), _tables),
)
"""What docs/performance.md shows; the method of the cells of a run is of one line and takes next to no time."""
