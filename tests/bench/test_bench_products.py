"""An inference of CFM beside its matrix products alone, at published sizes.

The products are timed in the same run by PyTorch's BLAS and by oneDNN, whichever of them the method calls.
``HARNESS_TEST_DATA`` adds a sample of CandyCane to one of the toy dataset.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from products import floor_of
from stage_page import as_in_a_cell

from harness.data.open import open_dataset
from methods.cfm import CFM, CFMTiny

DATA = os.environ.get("HARNESS_TEST_DATA")
ON_REAL_DATA = pytest.mark.skipif(not DATA, reason="HARNESS_TEST_DATA is not set")
SOURCES = {"toy": ("toy", None, "bump"), "candycane": ("eyecandies", Path(DATA) if DATA else None, "CandyCane")}
LIMITS = [
    ("cfm", CFM, "toy", 1.25),
    ("cfm", CFM, "candycane", 1.10),
    ("cfm-t", CFMTiny, "toy", 1.35),
    ("cfm-t", CFMTiny, "candycane", 1.35),
]
"""The most that an inference takes, in times of its products by PyTorch's BLAS."""


@pytest.fixture(scope="module", autouse=True)
def _as_in_a_cell() -> Iterator[None]:
    with as_in_a_cell("cpu"):
        yield


@pytest.mark.parametrize(
    ("name", "method", "source", "limit"),
    [pytest.param(*case, marks=ON_REAL_DATA if case[2] == "candycane" else ()) for case in LIMITS],
)
def test_an_inference_takes_little_beside_its_products(name, method, source, limit, benchmark, capsys):
    infer = inference(method, source)
    floor = floor_of(infer)
    benchmark.extra_info.update({"torch": floor.torch, "onednn": floor.onednn})
    benchmark.pedantic(infer, rounds=1)
    with capsys.disabled():
        print(
            f"\n{name} on {source}: {floor.whole:.3f} s; its products alone {floor.torch:.3f} s by PyTorch's BLAS "
            f"({floor.whole / floor.torch:.2f} times), {floor.onednn:.3f} s by oneDNN "
            f"({floor.whole / floor.onednn:.2f} times)"
        )
    assert floor.whole / floor.torch <= limit


def inference(kind: Callable[[], CFM], source: str) -> Callable[[], object]:
    """Return an inference of a method with random weights, untrained."""
    name, folder, category = SOURCES[source]
    dataset = open_dataset(name, folder)
    method = kind()
    method._make_ready(*method._build(0, "cpu"))
    inputs = method.prepare(dataset.load(dataset.refs(category, "test")[0]).blind())
    return lambda: method.infer(inputs)
