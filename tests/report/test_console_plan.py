"""What ``harness run --dry-run`` prints."""

from __future__ import annotations

import io

import pytest
from report_records import make_cell, make_record

from harness.data.registry import DATASETS
from harness.plan.estimate import estimate
from harness.plan.job import Job
from harness.plan.planning import Plan, PlannedCell
from harness.report import console


def planned(method="cfm", category="bagel", action="run", why="no record yet", **changes) -> PlannedCell:
    return PlannedCell(Job(make_cell(method, category, **changes), None, ("a",), {}), action, why, 2)


def whole(method: str, **changes) -> list[PlannedCell]:
    return [planned(method, category, **changes) for category in DATASETS["mvtec3d"].categories]


@pytest.fixture
def show(monkeypatch):
    def run(cells, records=(), devices=("cpu",), width=120) -> str:
        buffer = io.StringIO()
        monkeypatch.setattr(console, "stdout", console.SafeConsole(file=buffer, width=width))
        plan = Plan(tuple(cells), ())
        console.print_plan(plan, estimate(plan, records, devices))
        return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines())

    return run


def record(method="cfm", seconds=600.0):
    return make_record(method, seconds={"fit": seconds}, samples={"train": 1, "test": 2})


def test_categories_of_a_method_are_one_line(show) -> None:
    cells = [*whole("cfm"), *whole("btf", action="skip", why="measured on 2026-01-01")]
    shown = show(cells)
    assert shown.startswith("10 of 20 cells to run on mvtec3d (preset paper, pretrained weights, split first)")
    assert [line.split()[:3] for line in shown.splitlines() if "all 10" in line] == [
        ["cfm", "all", "10"],
        ["btf", "all", "10"],
    ]
    assert "bagel" not in shown


def test_a_part_of_the_categories_is_named(show) -> None:
    cells = whole("cfm")
    cells[1] = planned("cfm", "cable_gland", action="skip", why="measured on 2026-01-01")
    shown = show(cells)
    skipped = next(line.split() for line in shown.splitlines() if "skip" in line)
    assert skipped[:3] == ["cfm", "cable_gland", "full"]
    assert "bagel, carrot, cookie" in shown
    assert "all" not in shown.split()


def test_what_differs_between_cells_has_a_column(show) -> None:
    shown = show(
        [planned(split="0", shots=5), planned(split="1", shots=5), planned(dataset="eyecandies", category="Confetto")]
    )
    assert "cells to run on mvtec3d and eyecandies (preset paper, pretrained weights)" in shown
    heading = next(line.split() for line in shown.splitlines() if line.lstrip().startswith("method"))
    assert heading == ["method", "dataset", "category", "shots", "split", "action", "why"]


def test_times_are_told_by_method_and_in_all(show) -> None:
    cells = [*whole("cfm"), *whole("cfm-m"), planned("btf")]
    shown = show(cells, [record(), record("cfm-m", 300.0)], devices=("cpu", "cpu:1"))
    lines = {
        line.split()[0]: " ".join(line.split()) for line in shown.splitlines() if " min" in line or "not known" in line
    }
    assert lines["cfm"] == "cfm 10 about 1 h 40 min the same category (1); the same dataset (9)"
    assert lines["cfm-m"] == "cfm-m 10 about 50 min the same category (1); the same dataset (9)"
    assert lines["btf"] == "btf 1 not known none (1)"
    assert lines["all"] == "all 21 at least 2 h 30 min"
    assert shown.endswith("at least 1 h 15 min; 1 of 21 cells have no record to go by.")


def test_what_is_scaled_and_what_is_not_is_told(show) -> None:
    shown = show([*whole("cfm[epochs=50]"), *whole("cfm[aggregate=sum]")], [record()])
    lines = {line.split()[0]: " ".join(line.split()) for line in shown.splitlines() if " min" in line}
    assert lines["cfm[epochs=50]"] == "cfm[epochs=50] 10 about 20 min other epochs, scaled (10)"
    assert lines["cfm[aggregate=sum]"] == "cfm[aggregate=sum] 10 about 1 h 40 min other parameters, not scaled (10)"


def test_without_a_past_the_time_is_not_known(show) -> None:
    assert show([planned()]).endswith(
        "Time: not known, as there is no record of these methods with this preset on cpu."
    )
    assert "Time" not in show([planned(action="skip")])


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_wider_than_the_terminal(show, width) -> None:
    cells = [planned("cfm[mapping=intra,epochs=50,aggregate=2d]", name) for name in DATASETS["mvtec3d"].categories]
    shown = show(cells, [record()], width=width)
    assert max(map(len, shown.splitlines())) <= width
