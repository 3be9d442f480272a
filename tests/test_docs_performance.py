"""The command that measures docs/performance.md, with small sizes."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

COMMAND = Path(__file__).resolve().parents[1] / "docs" / "performance.py"


@pytest.fixture
def performance(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import the command, whose folders are on the path for this test alone."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    spec = importlib.util.spec_from_file_location("docs_performance", COMMAND)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "docs_performance", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "REPETITIONS", 1)
    return module


def test_the_block_and_the_picture_are_made(performance: ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("above\n<!-- made: growth -->\nold\n<!-- end -->\nbelow\n")
    performance.main(["--only", "growth", "--small", "--to", str(page)])
    text = page.read_text()
    assert "old" not in text
    assert (text.startswith("above\n"), text.endswith("below\n")) == (True, True)
    for growth in performance.GROWTHS:
        (row,) = [line for line in text.splitlines() if line.startswith(f"| {growth.of} | {growth.step} |")]
        assert all(f"{size}: " in row for size in growth.small)
        float(row.split("|")[-2])
    assert (tmp_path / "growth.png").stat().st_size > 1000


def test_the_exponent_of_a_power_is_found(performance: ModuleType) -> None:
    assert performance.exponent([1, 10, 1000], [3, 300, 3_000_000]) == pytest.approx(2)


def test_a_size_that_would_take_too_long_is_left_out(performance: ModuleType, tmp_path: Path) -> None:
    growth = performance.Growth("things", "step", (1, 2, 4, 8), (1,), lambda size, folder: size**4 / 2)
    found = performance.measure(growth, growth.sizes, tmp_path)
    assert found.sizes == (1, 2, 4)
    assert found.exponent == pytest.approx(4)
    assert "not measured: 8" in performance.table([found])


def test_the_page_has_every_block(performance: ModuleType) -> None:
    text = COMMAND.with_suffix(".md").read_text(encoding="utf-8")
    assert all(text.count(f"<!-- made: {name} -->") == 1 for name in performance.BLOCKS)
    assert performance.PICTURE in text
