"""Tables of stages: on the screen, and in a block of docs/performance.md or of another page.

``HARNESS_BENCH_TABLE`` names the page: one that is there must hold the block, which is filled anew; another is made.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest
import torch
from rich.console import Console

from harness.files.atomic import write_atomically
from harness.measure.environment import describe, describe_torch
from harness.measure.load import LoadWatch
from harness.measure.torch_state import configure
from harness.report.grid import Grid
from harness.report.render.text import as_markdown, as_rich

__all__ = ["as_in_a_cell", "collected", "decimals", "measured_on", "shown"]

PAGE = os.environ.get("HARNESS_BENCH_TABLE")
MAKE = Path(__file__).resolve().parents[2] / "docs" / "make.py"


@contextmanager
def as_in_a_cell(device: str) -> Iterator[None]:
    """Compute as a cell of a run does."""
    configure(device, 0)
    yield
    torch.use_deterministic_algorithms(False)


@contextmanager
def collected(name: str, legend: str) -> Iterator[list[str]]:
    """Collect the tables of a block, and fill it at the end, with a legend below them."""
    parts: list[str] = []
    yield parts
    if parts:
        write_block(name, [*parts, legend])


def decimals(number: float) -> str:
    """Return a number with so many decimals that at least two digits show."""
    return f"{number:,.{0 if number >= 100 else 1 if number >= 10 else 2 if number >= 0.1 else 3}f}"


def measured_on(watch: LoadWatch, device: str, module: str) -> str:
    """Say when, on what and by which module's command a table was measured."""
    machine = describe_torch(describe(device=device), device).hardware
    load = watch.finish().sentence
    command = f"pytest tests/bench/{module} --benchmark-enable -o addopts="
    sentence = f"Measured on {date.today()}, {machine}, torch {torch.__version__}, random weights, by `{command}`"
    return f"{sentence}; {load}." if load else f"{sentence}."


def shown(grid: Grid, measured: str) -> str:
    """Print a table and how it was measured, and return both in Markdown."""
    console = Console(width=120, highlight=False)
    console.print(as_rich(grid))
    console.print(measured)
    return re.sub("^### (.*)", r"**\1**", f"{as_markdown([grid])}\n\n{measured}")


def write_block(name: str, parts: Sequence[str]) -> None:
    """Fill the block of a page that is there, or make a page that holds it alone; nothing without a page."""
    if PAGE is None:
        return
    path, marker = Path(PAGE), f"<!-- made: {name} -->"
    if not path.exists():
        path.write_text(f"{marker}\n<!-- end -->\n", encoding="utf-8")
    if marker not in path.read_text(encoding="utf-8"):
        pytest.fail(f"{path} has no block '{marker}' to be filled: add one, or name a file that is not there")
    spec = importlib.util.spec_from_file_location("docs_make", MAKE)
    assert spec is not None
    assert spec.loader is not None
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    write_atomically(path, make.replaced(path, name, "\n\n".join(parts)).encode())
