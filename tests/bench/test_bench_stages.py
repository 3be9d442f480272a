"""Where the time of CFM's inference goes at published sizes, and how near each stage comes to what the machine can do.

For each stage the median of ``HARNESS_BENCH_ROUNDS`` rounds, its FLOP here and on the direct path, and its share of
the fastest fp32 matrix product of the same run. ``HARNESS_BENCH_DEVICE`` names a CUDA device. Where
``HARNESS_TEST_DATA`` is set, a sample of CandyCane is measured beside one of the toy dataset. ``HARNESS_BENCH_TABLE``
names a page for the tables, in Markdown: one that is there must hold the block ``<!-- made: stages -->`` (on a GPU
``stages-cuda``), which is filled anew; another is made.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import pytest
import torch
from direct_cfm import encode
from stage_page import as_in_a_cell, collected, decimals, measured_on, shown
from stages import (
    AHEAD,
    BATCH,
    INFER,
    LEGEND,
    PIXELS,
    STAGES,
    Flop,
    clocked,
    counted,
    flop_of_inference,
    flop_of_training,
    matmul_peak,
    training_step,
    walk,
)

from harness.data.open import open_dataset
from harness.measure.load import LoadWatch
from harness.report.grid import Column, Grid, Row, Value
from methods.cfm import CFM, CFMTiny
from methods.parts.cfm.mapping import cosine_loss

METHODS = {"cfm": CFM, "cfm-t": CFMTiny}
ROUNDS = int(os.environ.get("HARNESS_BENCH_ROUNDS", "3"))
DEVICE = os.environ.get("HARNESS_BENCH_DEVICE", "cpu") if torch.cuda.is_available() else "cpu"
DATA = os.environ.get("HARNESS_TEST_DATA")
BLOCK = "stages-cuda" if DEVICE.startswith("cuda") else "stages"

TRAINING = f"training step, {BATCH} images"
SOME = 1000
"""Points or pixels, where any number does."""

MOST_RATIO = 1.5
ATTEMPTS = 3
TOLERANCE = 1e-3
"""Of counts: formulas leave out a few products of vectors."""

SAMPLES = {
    "toy": ("toy", None, "bump"),
    "candycane": ("eyecandies", Path(DATA) if DATA else None, "CandyCane"),
}
HEADINGS = ("ms", "GFLOP\ndirect", "GFLOP", "GFLOP/s", "of peak")
DASH = Value("-")


@dataclass
class Measured:
    """Of one method on one sample: seconds of every round, FLOP counted and by formula, and the best matmul."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    flop: dict[str, Flop] = field(default_factory=dict)
    peak: float = 0.0

    def ms(self, name: str) -> float:
        return 1000 * median(self.seconds[name])

    def stages_ms(self) -> float:
        return sum(map(self.ms, STAGES))


@pytest.fixture(scope="module", autouse=True)
def _as_in_a_cell() -> Iterator[None]:
    with as_in_a_cell(DEVICE):
        yield


@pytest.fixture(scope="module")
def page() -> Iterator[list[str]]:
    """Collect what the page shows, and write it at the end."""
    with collected(BLOCK, LEGEND) as parts:
        yield parts


@pytest.mark.parametrize(
    "source",
    ["toy", pytest.param("candycane", marks=pytest.mark.skipif(not DATA, reason="HARNESS_TEST_DATA is not set"))],
)
@pytest.mark.parametrize("name", METHODS)
def test_stages_of_inference(name, source, page, benchmark, capsys):
    dataset_name, folder, category = SAMPLES[source]
    dataset = open_dataset(dataset_name, folder)
    ref = dataset.refs(category, "test")[0]
    method = METHODS[name]()
    method._make_ready(*method._build(0, DEVICE))
    watch = LoadWatch(DEVICE)
    found = Measured(peak=matmul_peak(DEVICE))

    done = walk(method, dataset, ref, counted(found.counts))
    assert done.pieced == pytest.approx(done.whole, rel=1e-3, abs=1e-5)
    found.flop = flop_of_inference(method, len(done.inputs.points), len(done.inputs.reached))
    check_counts(found)

    for _ in range(ATTEMPTS):
        found.seconds.clear()
        for _ in range(ROUNDS):
            walk(method, dataset, ref, clocked(DEVICE, found.seconds))
        if near(found):
            break
    if name == "cfm":
        refs = dataset.refs(category, "train")[:BATCH]
        train_once(method, [dataset.load(one).blind() for one in refs], found)
    found.peak = max(found.peak, matmul_peak(DEVICE))
    benchmark.extra_info.update({stage: found.ms(stage) for stage in (*STAGES, INFER)})
    benchmark.extra_info["of peak"] = found.counts[INFER] / found.ms(INFER) * 1e3 / found.peak
    benchmark.pedantic(lambda: method.infer(done.inputs), rounds=1)

    sizes = f"{len(done.inputs.points):,} points, {len(done.inputs.reached):,} pixels with 3D features"
    grid = table(f"{name} on one sample of {category}", sizes, found)
    with capsys.disabled():
        page.append(shown(grid, measured_on(watch, DEVICE, Path(__file__).name)))
        print(LEGEND)
    assert near(found), f"the stages take {found.stages_ms():.0f} ms, the whole {found.ms(INFER):.0f} ms"


def near(found: Measured) -> bool:
    return 1 / MOST_RATIO <= found.ms(INFER) / found.stages_ms() <= MOST_RATIO


def check_counts(found: Measured) -> None:
    """Compare what was counted with the formulas, and the whole with its stages."""
    for stage in (*STAGES, INFER):
        expected = found.flop[stage]
        assert found.counts[stage] == pytest.approx(expected.done if expected.by_matmul else 0, rel=TOLERANCE), stage
    assert found.counts[INFER] == sum(found.counts[stage] for stage in STAGES)


def train_once(method: CFM, samples: list, found: Measured) -> None:
    """Count and time training steps of a copy of the mappings."""
    extractors, pair = method._fitted()
    trained = copy.deepcopy(pair)
    batch = [extractors.tokens(method.prepare(sample), reused=True) for sample in samples]
    found.flop[TRAINING], least = flop_of_training(method, sum(map(len, batch)))

    def step() -> None:
        training_step(extractors, trained, batch)

    counted(found.counts)(TRAINING, step)
    assert least < found.counts[TRAINING] <= found.flop[TRAINING].done
    for _ in range(ROUNDS):
        clocked(DEVICE, found.seconds)(TRAINING, step)


@pytest.mark.parametrize("name", METHODS)
def test_formulas_of_the_direct_path(name):
    """What is counted where networks run on tensors without content, which takes no time."""
    method = METHODS[name]()
    extractors, pair = method._build(0, "cpu")
    network, pair = copy.deepcopy(extractors.points).to("meta"), copy.deepcopy(pair).to("meta")
    counts: dict[str, int] = {}
    spend = counted(counts)

    def features(rows: int) -> list[torch.Tensor]:
        return [torch.empty(rows, channels, device="meta") for channels in extractors.channels]

    def step() -> None:
        real = features(SOME)
        for predicted, expected in zip(pair(*real), real, strict=True):
            cosine_loss(predicted, expected).backward()

    offsets = torch.empty(method.centres, method.group_size, 3, device="meta")
    spend("point encoder", lambda: encode(network, offsets))
    spend("mappings", lambda: pair(*features(PIXELS)))
    spend(TRAINING, step)
    flop = flop_of_inference(method, SOME, SOME)
    expected = {stage: flop[stage].direct for stage in ("point encoder", "mappings")}
    expected[TRAINING] = flop_of_training(method, SOME)[0].done
    assert counts == {stage: pytest.approx(value, rel=TOLERANCE) for stage, value in expected.items()}


def table(title: str, sizes: str, found: Measured) -> Grid:
    """Return the stages as a table."""
    names = [*AHEAD, *STAGES, *(name for name in (INFER, TRAINING) if name in found.seconds)]
    starts = {STAGES[0], INFER, TRAINING}
    caption = (
        f"{sizes}. Medians; rounds: {ROUNDS}. The stages of infer add up to {found.stages_ms():,.0f} ms. The peak is "
        f"that of the fastest of some matrix products in fp32, {found.peak / 1e9:,.0f} GFLOP/s."
    )
    columns = tuple(Column(heading, {"metric": heading}) for heading in HEADINGS)
    rows = tuple(row(name, found, name in starts) for name in names)
    return Grid(title, ("stage",), columns, rows, caption)


def row(name: str, found: Measured, starts: bool) -> Row:
    """Return the numbers of a stage."""
    ms = found.ms(name)
    flop = found.flop.get(name, Flop(None, None))
    done = found.counts[name] if flop.by_matmul else flop.done
    values = [Value(decimals(ms), ms), DASH, DASH, DASH, DASH]
    if flop.direct is not None:
        values[1] = Value(decimals(flop.direct / 1e9), flop.direct / 1e9)
    if done is not None:
        rate = done / ms * 1e3
        values[2:] = [
            Value(decimals(done / 1e9), done / 1e9),
            Value(decimals(rate / 1e9), rate / 1e9),
            Value(f"{100 * rate / found.peak:.{1 if rate < found.peak / 10 else 0}f}%", rate / found.peak),
        ]
    return Row((Value(name),), tuple(values), {"stage": name}, starts)
