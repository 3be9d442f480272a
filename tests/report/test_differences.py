"""The table of differences to the best method, from real counts."""

from __future__ import annotations

import csv
import io
import re

import numpy as np
import pytest
from count_records import keep_counts

from harness.report.differences import BEST, difference_grid
from harness.report.groups import group_records
from harness.report.render.data import as_csv
from harness.report.render.latex import as_latex
from harness.report.tables import TableRequest, measured_grids
from harness.report.uncertainty import Uncertainty
from harness.store.store import Store

CATEGORIES = ("bump", "ridge")
LABELS = np.arange(24) % 2 == 1
PRINTED = re.compile(r"[+-]?\d\.\d{3} \[[+-]?\d\.\d{3}, [+-]?\d\.\d{3}\]")


@pytest.fixture
def store(tmp_path, monkeypatch) -> Store:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return Store(tmp_path / "results")


def measured(store, method, strength, category="bump", prefix="test"):
    """Write the counts of noise with a square that is brighter by ``strength``; return the record."""
    draw = np.random.default_rng(len(category))
    masks = np.zeros((24, 32, 32), dtype=bool)
    masks[LABELS, 8:20, 8:20] = True
    own = np.random.default_rng(sum(map(ord, method))).random(masks.shape)
    maps = draw.random(masks.shape) + 0.3 * own + strength * masks
    scores = np.sort(maps.reshape(24, -1))[:, -50:].mean(axis=1)
    ids = [f"{prefix}/{index:03d}" for index in range(24)]
    return keep_counts(store, maps, masks, scores, method, category, ids=ids, dataset="toy", shots=10, by_defect={})


def table(store, records, *metrics):
    (group,) = group_records(records)
    return difference_grid(group, Uncertainty(store, 200), metrics)


def cells(grid, column=0):
    return {row.keys["method"]: row.values[column] for row in grid.rows}


def test_the_drawing_of_all_cells_is_told_as_it_goes_on(store):
    records = [measured(store, name, 0.5, part) for name in ("cfm", "btf") for part in CATEGORIES]
    (group,) = group_records(records)
    told = []
    difference_grid(group, Uncertainty(store, 50, progress=lambda done, total: told.append((done, total))))
    assert told == [(done, 4) for done in range(1, 5)]


def test_each_method_stands_against_the_best_with_its_interval(store):
    strengths = {"cfm": 0.5, "cfm-t": 0.45, "btf": 0.05}
    records = [measured(store, name, value, part) for name, value in strengths.items() for part in CATEGORIES]
    grid = table(store, records, "p_auroc", "aupro_30")
    assert [column.keys["metric"] for column in grid.columns] == ["p_auroc", "aupro_30"]
    for place, metric in enumerate(("p_auroc", "aupro_30")):
        found = cells(grid, place)
        means = {
            name: np.mean([record.metrics[metric] for record in records if record.cell.method == name])
            for name in strengths
        }
        best = max(means, key=lambda name: means[name])
        assert best != "btf"
        assert found[best].text == BEST
        for name in strengths.keys() - {best}:
            value = found[name]
            assert value.number == pytest.approx(means[name] - means[best])
            assert value.low <= value.number <= value.high
            assert PRINTED.fullmatch(value.text)
        assert found["btf"].high < 0, "so much weaker that the interval leaves 0 out"


def test_data_formats_and_latex_show_the_ends(store):
    grid = table(store, [measured(store, "cfm", 0.5), measured(store, "btf", 0.05)], "p_auroc")
    of_btf = cells(grid)["btf"]
    (line,) = [line for line in csv.DictReader(io.StringIO(as_csv([grid]))) if line["method"] == "btf"]
    assert line["kind"] == "differences"
    assert [float(line[name]) for name in ("value", "low", "high")] == pytest.approx(
        [of_btf.number, of_btf.low, of_btf.high], abs=1e-6
    )
    assert re.search(r"\$-0\.\d{3}\$ \{\[\}\$-0\.\d{3}\$, \$-0\.\d{3}\$\{\]\}", as_latex([grid]))


def test_a_dash_says_why_there_is_no_interval(store):
    records = [measured(store, "cfm", 0.5), measured(store, "btf", 0.05), measured(store, "cfm-t", 0.2, prefix="other")]
    store.counts_path(records[1].cell).unlink()
    found = cells(table(store, records, "p_auroc"))
    assert found["cfm"].text == BEST
    assert found["btf"].text == found["cfm-t"].text == "-"
    assert "no counts of the test images are stored with the records of btf" in found["btf"].note
    assert "'--rerun btf'" in found["btf"].note
    assert found["cfm-t"].note == "not tested on the same images as cfm, the best one"


def test_a_method_of_other_categories_is_not_compared(store):
    complete = [
        measured(store, name, value, part) for name, value in (("cfm", 0.3), ("btf", 0.1)) for part in CATEGORIES
    ]
    found = cells(table(store, [*complete, measured(store, "cfm-t", 0.9)], "p_auroc"))
    assert found["cfm"].text == BEST
    assert found["cfm-t"].note == "other categories than cfm, the best one"
    assert table(store, [measured(store, "cfm", 0.5)]) is None, "one method has nothing to differ from"


def test_the_table_is_made_on_request_and_means_carry_intervals(store):
    records = [measured(store, "cfm", 0.5), measured(store, "btf", 0.05)]
    intervals = Uncertainty(store, 100)
    request = TableRequest(tables=("accuracy", "differences"))
    grids = measured_grids(records, None, request, intervals)
    assert [grid.keys["kind"] for grid in grids] == ["accuracy", "differences"]
    for value in cells(grids[0]).values():
        assert value.low <= value.number <= value.high
    assert "differences" not in {grid.keys["kind"] for grid in measured_grids(records, None, TableRequest(), intervals)}
    assert measured_grids(records, None, TableRequest(tables=("differences",))) == []
