"""Where the time of an inference of BTF, M3DM and AST goes, at published sizes and with banks of published sizes.

The banks are those of 244 training samples at a tenth of their patches, filled with random vectors: a search takes the
same products whatever they hold. ``HARNESS_TEST_DATA`` names the folder of CandyCane; without it nothing is measured.
``HARNESS_BENCH_TABLE`` names a page with the block ``<!-- made: stages-methods -->``, which is filled anew.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from statistics import median
from time import perf_counter
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from products import floor_of
from stage_page import as_in_a_cell, collected, decimals, measured_on, shown

from harness.contract import Sample
from harness.data.open import open_dataset
from harness.measure.load import LoadWatch
from harness.report.grid import Column, Grid, Row, Value
from methods.ast import AST
from methods.btf import BTF
from methods.m3dm import M3DM

DATA = os.environ.get("HARNESS_TEST_DATA")
ROUNDS = int(os.environ.get("HARNESS_BENCH_ROUNDS", "3"))
XYZ_VECTORS, RGB_VECTORS = 76_518, 19_130
BLOCK = "stages-methods"
LEGEND = (
    "A stage's time is without that of stages inside it. The last row is the time of all matrix products and "
    "convolutions of an inference alone, by oneDNN, in the same run; the caption has the time of PyTorch's BLAS."
)

pytestmark = pytest.mark.skipif(not DATA, reason="HARNESS_TEST_DATA is not set")


def ast(samples: list[Sample]) -> tuple[AST, dict[str, tuple[object, str]]]:
    method = AST(epochs=1)
    method.fit(samples, seed=0, device="cpu", progress=lambda *step, **losses: None)
    extractor, pair = method._fitted()
    return method, {"EfficientNet": (extractor, "features"), "teacher": (pair, "teach"), "student": (pair, "imitate")}


def btf(samples: list[Sample]) -> tuple[BTF, dict[str, tuple[object, str]]]:
    method = BTF()
    extractor = method._build(0, "cpu")
    patches = extractor.patches(extractor.prepare(samples[0]))
    method.restore({"bank": random_bank(RGB_VECTORS, patches.shape[1], patches.numpy().dtype)}, seed=0, device="cpu")
    extractor = method._fitted()[0]
    return method, {
        "WideResNet": (extractor, "_wide_resnet"),
        "FPFH": (extractor, "_fpfh"),
        "bank search": (import_module("methods.parts.patch_bank"), "distances_and_score"),
        "blur": (import_module("methods.parts.patch_maps"), "pil_blur"),
    }


def m3dm(samples: list[Sample]) -> tuple[M3DM, dict[str, tuple[object, str]]]:
    method = M3DM()
    state: dict[str, np.ndarray] = {
        "bank.xyz": random_bank(XYZ_VECTORS, 1152),
        "bank.rgb": random_bank(RGB_VECTORS, 768),
        "decision.image": np.ones(2, np.float32),
        "decision.pixel": np.ones(2, np.float32),
    }
    state |= {f"affine.{kind}": np.array([0.0, 1.0]) for kind in ("xyz", "rgb")}
    method.restore(state, seed=0, device="cpu")
    patches, scores = (import_module(f"methods.parts.m3dm.{name}") for name in ("patches", "scores"))
    extractors = method._fitted().extractors
    frozen = extractors.networks
    networks = SimpleNamespace(image=frozen.image, groups=frozen.groups, cloud=frozen.cloud)
    extractors.networks = networks
    return method, {
        "farthest points": (extractors, "choose_centres"),
        "ViT": (networks, "image"),
        "neighbours": (patches, "group_points"),
        "point encoder": (networks, "groups"),
        "point transformer": (networks, "cloud"),
        "interpolation": (patches, "patch_rows"),
        "bank search": (scores, "patch_scores"),
        "blur": (scores, "_blurred"),
    }


def random_bank(vectors: int, length: int, dtype: Any = np.float32) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((vectors, length), np.float32).astype(dtype)


@pytest.fixture(scope="module", autouse=True)
def _as_in_a_cell() -> Iterator[None]:
    with as_in_a_cell("cpu"):
        yield


@pytest.fixture(scope="module")
def page() -> Iterator[list[str]]:
    """Collect what the page shows, and write it at the end."""
    with collected(BLOCK, LEGEND) as parts:
        yield parts


class Stopwatch:
    """Seconds of stages, each without those of stages inside it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inside = [0.0]

    def timed(self, stage: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that does the same and adds its time to a stage."""

        def clocked(*given: Any, **named: Any) -> Any:
            start = perf_counter()
            self._inside.append(0.0)
            try:
                return call(*given, **named)
            finally:
                took = perf_counter() - start
                self.seconds[stage] += took - self._inside.pop()
                self._inside[-1] += took

        return clocked


@pytest.mark.parametrize(("build", "limit"), [(btf, None), (m3dm, 1.25), (ast, 1.2)])
def test_stages_of_an_inference(build, limit, page, benchmark, capsys):
    dataset = open_dataset("eyecandies", Path(DATA or ""))
    samples = [dataset.load(ref).blind() for ref in dataset.refs("CandyCane", "train")[:2]]
    sample = dataset.load(dataset.refs("CandyCane", "test")[0]).blind()
    method, places = build(samples)
    inputs = method.prepare(sample)
    method.infer(inputs)
    watch = LoadWatch("cpu")
    rounds = [stages_of(method, sample, places) for _ in range(ROUNDS)]
    stages = {name: median(one[name] for one in rounds) for name in rounds[0]}
    floor = floor_of(lambda: method.infer(inputs), ROUNDS)
    benchmark.pedantic(lambda: method.infer(inputs), rounds=1)
    benchmark.extra_info.update(stages)
    with capsys.disabled():
        page.append(shown(table(method.meta.name, stages, floor), measured_on(watch, "cpu", Path(__file__).name)))
    assert all(seconds >= 0 for seconds in stages.values())
    if limit is not None:
        assert stages["whole infer"] / floor.torch <= limit


def stages_of(method: Any, sample: Sample, places: dict[str, tuple[object, str]]) -> dict[str, float]:
    """Return the seconds of each stage of an inference, of what is in none, and of the whole."""
    watch = Stopwatch()
    with ExitStack() as patches:
        inputs = watch.timed("prepare", method.prepare)(sample)
        for stage, (owner, name) in places.items():
            patches.enter_context(patch.object(owner, name, watch.timed(stage, getattr(owner, name))))
        start = perf_counter()
        watch.timed("all else", method.infer)(inputs)
        whole = perf_counter() - start
    order = ["prepare", *places, "all else"]
    return {stage: watch.seconds[stage] for stage in order} | {"whole infer": whole}


def table(name: str, stages: dict[str, float], floor: Any) -> Grid:
    """Return the stages as a table."""
    columns = tuple(Column(heading, {"metric": heading}) for heading in ("ms", "of infer"))
    whole = stages["whole infer"]
    rows = [
        Row(
            (Value(stage),),
            (Value(decimals(1e3 * took), 1e3 * took), Value("-" if stage == "prepare" else f"{took / whole:.0%}")),
            {"stage": stage},
            stage == "whole infer",
        )
        for stage, took in stages.items()
    ]
    rows.append(
        Row(
            (Value("its products alone"),),
            (Value(decimals(1e3 * floor.onednn), 1e3 * floor.onednn), Value(f"{floor.onednn / whole:.0%}")),
            {"stage": "products"},
        )
    )
    caption = f"Medians of {ROUNDS} rounds. PyTorch's BLAS takes {1e3 * floor.torch:,.0f} ms for the products."
    return Grid(f"{name} on one sample of CandyCane", ("stage",), columns, tuple(rows), caption)
