from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_records import complete, group_of, make_record

from harness.data.registry import DATASETS
from harness.report.rank import Ranking, critical_difference, rank_grid, rank_methods

MVTEC = DATASETS["mvtec3d"].categories


def shown(grid, column=0):
    return {row.labels[0].text: row.values[column] for row in grid.rows}


@pytest.mark.parametrize(("methods", "quantile"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (10, 3.164)])
def test_the_critical_difference_has_the_quantiles_of_demsars_table_5(methods, quantile):
    for categories in (10, 14):
        expected = quantile * np.sqrt(methods * (methods + 1) / (6 * categories))
        assert critical_difference(methods, categories) == pytest.approx(expected, rel=4e-4)


@given(st.lists(st.lists(st.integers(0, 5), min_size=4, max_size=4), min_size=3, max_size=6))
def test_mean_ranks_are_counts_of_better_methods(values):
    table = np.array(values, dtype=np.float64)
    expected = [
        np.mean(
            [1 + (table[:, j] > table[i, j]).sum() + ((table[:, j] == table[i, j]).sum() - 1) / 2 for j in range(4)]
        )
        for i in range(len(table))
    ]
    ranking = rank_methods(table)
    assert ranking.means == pytest.approx(expected)
    assert sum(ranking.means) == pytest.approx(len(table) * (len(table) + 1) / 2)
    assert ranking.tied(int(np.argmin(ranking.means)))


def test_methods_that_are_always_in_one_order_are_told_apart_as_far_as_categories_allow():
    values = np.arange(5.0)[:, None] + np.zeros(30)
    ranking = rank_methods(values)
    assert ranking.means == (5.0, 4.0, 3.0, 2.0, 1.0)
    assert ranking.p_value < 1e-20
    assert [ranking.tied(index) for index in range(5)] == [False, False, False, True, True]


def test_equal_methods_are_all_tied():
    ranking = rank_methods(np.full((4, 10), 0.5))
    assert ranking.p_value == 1
    assert all(ranking.tied(index) for index in range(4))


@pytest.mark.parametrize(("p_value", "tied"), [(0.049, False), (0.051, True), (1.0, True)])
def test_where_the_friedman_test_decides_nothing_no_distance_does(p_value, tied):
    ranking = Ranking((1.0, 3.0), p_value, difference=0.5)
    assert ranking.decides is not tied
    assert [ranking.tied(index) for index in range(2)] == [True, tied]


def test_the_table_ranks_and_marks_the_best():
    methods = ("cfm", "btf", "ast")
    records = [record for place, name in enumerate(methods) for record in complete(name, shift=-0.1 * place)]
    grid = rank_grid(group_of(*records))
    found = shown(grid)
    assert {name: found[name].text for name in methods} == {"cfm": "1.00", "btf": "2.00", "ast": "3.00"}
    assert [(found[name].place, found[name].tied) for name in methods] == [(0, True), (0, True), (0, False)]
    assert grid.caption.startswith("3 methods ranked in 10 categories, 1 is best; mean ranks differ at the 5% level")
    assert "more than 1.05 apart" in grid.caption
    assert grid.keys["kind"] == "rank"


def test_two_methods_that_always_differ():
    grid = rank_grid(group_of(*complete("cfm"), *complete("btf", shift=-0.1)))
    assert [shown(grid)[name].place for name in ("cfm", "btf")] == [1, 2]
    assert "exact sign test" in grid.caption
    assert "Nemenyi" not in grid.caption


@pytest.mark.parametrize("categories", [2, 4, 5, 6, 8, 10, 14])
def test_two_equal_methods_are_told_apart_in_at_most_one_of_twenty_cases(categories):
    """Every outcome of the categories, each as likely as the other."""
    wrong = 0
    for outcome in product((0.0, 1.0), repeat=categories):
        ranking = rank_methods(np.array([outcome, [1 - value for value in outcome]]))
        wrong += not all(ranking.tied(method) for method in range(2))
    assert wrong / 2**categories <= 0.05
    assert (wrong > 0) is (categories >= 6), "and are told apart where they can be"


def test_equal_numbers_of_two_methods_are_no_evidence():
    ahead = np.zeros((2, 10))
    ahead[0, :5] = 1
    assert rank_methods(ahead).tied(1)
    ahead[0, 5] = 1
    assert not rank_methods(ahead).tied(1)


def test_too_few_categories_tell_nothing_and_say_so():
    records = [
        make_record(m, c, dataset="toy", shift=s) for m, s in (("cfm", 0), ("btf", -0.1)) for c in ("bump", "ridge")
    ]
    grid = rank_grid(group_of(*records))
    assert "too few categories: the exact sign test" in grid.caption
    assert [(value.place, value.tied) for value in shown(grid).values()] == [(0, True), (0, True)]


def test_a_method_that_lacks_a_category_is_not_ranked():
    records = [*complete("cfm"), *complete("btf", shift=-0.1), make_record("ast", "foam")]
    found = shown(rank_grid(group_of(*records)))
    assert (found["ast"].text, found["cfm"].text) == ("-", "1.00")
    assert found["ast"].note.startswith("not ranked without bagel (not run)")


def test_nothing_to_rank_is_no_table():
    assert rank_grid(group_of(*complete())) is None
    assert rank_grid(group_of(make_record("cfm"), make_record("btf"))) is None
    assert rank_grid(group_of(*complete(), *complete("btf")), ["fps"]) is None


def test_an_undefined_metric_is_not_ranked():
    broken = [make_record("btf", c, metrics={"i_auroc": 0.5, "p_auroc": None}) for c in MVTEC]
    grid = rank_grid(group_of(*complete(), *broken), ["p_auroc", "i_auroc"])
    assert [shown(grid, column)["cfm"].text for column in (0, 1)] == ["1.00", "-"]
