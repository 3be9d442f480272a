import numpy as np
import pytest
from report_records import METRICS, make_record
from scipy import stats

from harness.data.registry import DATASETS
from harness.report.groups import group_records
from harness.report.seeds import seed_grids, typical_groups

MVTEC = DATASETS["mvtec3d"].categories


def of_split(split, *, method="cfm", shift=0.0, categories=MVTEC):
    return [make_record(method, name, shots=10, split=split, shift=shift) for name in categories]


def grids(*records, metrics=()):
    return seed_grids(group_records([record for found in records for record in found]), metrics)


def test_mean_and_interval_over_random_splits():
    shifts = (0.0, 0.01, 0.03)
    (grid,) = grids(*(of_split(str(i), shift=shift) for i, shift in enumerate(shifts)), of_split("first", shift=0.04))
    values = METRICS["i_auroc"] + np.array(shifts)
    low, high = stats.t.interval(0.95, len(shifts) - 1, values.mean(), stats.sem(values))
    assert high - low == pytest.approx(2 * (high - values.mean()))
    assert grid.rows[0].values[0].text == f"{values.mean():.3f} ±{(high - low) / 2:.3f}"
    assert grid.caption.startswith("splits 0, 1, 2: ")
    assert (grid.keys["shots"], grid.keys["split"], grid.keys["kind"]) == ("10", "0+1+2", "seeds")


def test_best_mean_over_splits_and_those_that_the_same_splits_cannot_tell_from_it():
    """AST is as good as CFM but for the luck of a split; BTF moves with CFM from split to split, and is worse."""
    shifts = {"cfm": (0.0, 0.03, -0.03), "btf": (-0.01, 0.02, -0.041), "ast": (0.02, -0.02, -0.01)}
    (apart,) = grids(*(of_split(str(i), method=m, shift=shifts[m][i]) for m in ("cfm", "btf") for i in range(3)))
    assert {row.labels[0].text: row.values[0].place for row in apart.rows} == {"cfm": 1, "btf": 2}
    (shared,) = grids(*(of_split(str(i), method=m, shift=shift[i]) for m, shift in shifts.items() for i in range(3)))
    found = {row.labels[0].text: row.values[0] for row in shared.rows}
    assert found["ast"].detectable > 0.04, "half the width of the interval is 0.05 already"
    assert "tied is not equal" in shared.caption
    assert {label: (value.place, value.tied) for label, value in found.items()} == {
        "cfm": (0, True),
        "ast": (0, True),
        "btf": (0, False),
    }


def test_one_random_split_is_no_table():
    assert grids(of_split("0"), of_split("first")) == []


def test_a_split_with_a_missing_category_is_left_out_and_told():
    (grid,) = grids(of_split("0"), of_split("1"), of_split("2", categories=MVTEC[:-1]), of_split("2", method="btf"))
    by_method = {row.labels[0].text: row for row in grid.rows}
    assert by_method["cfm"].labels[0].note == "without split 2: not run, or not in all categories"
    assert by_method["cfm"].values[0].text == "0.950 ±0.000"
    assert by_method["btf"].values[0].text == "-"
    assert by_method["btf"].values[0].note == "an interval takes 2 splits, and 1 is measured"


def test_metrics_of_a_request():
    (grid,) = grids(of_split("0"), of_split("1"), metrics=("aupro_1",))
    assert [column.keys["metric"] for column in grid.columns] == ["aupro_1"]


def test_one_group_of_each_size_is_typical():
    groups = group_records([*of_split("1"), *of_split("first"), *of_split("0"), make_record(shots=5, split="3")])
    assert [(group.shots, group.split) for group in typical_groups(groups)] == [(5, "3"), (10, "first")]
