import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report.grid import Column, Grid, Row, Value, missing, rank_columns


def row(*texts, group="all"):
    values = tuple(missing("why") if text == "-" else Value(text, float(text)) for text in texts)
    return Row((Value("name"),), values, {}, rank_group=group)


def places(rows, *, lowest=False):
    columns = [Column("c", {}, lowest) for _ in rows[0].values]
    return [[value.place for value in found.values] for found in rank_columns(rows, columns)]


def test_best_and_runner_up():
    assert places([row("0.1"), row("0.3"), row("0.2")]) == [[0], [1], [2]]
    assert places([row("0.1"), row("0.3"), row("0.2")], lowest=True) == [[1], [0], [2]]


def test_ties_share_a_place_and_the_next_value_is_the_runner_up():
    assert places([row("0.30"), row("0.30"), row("0.20"), row("0.20"), row("0.10")]) == [[1], [1], [2], [2], [0]]


def test_a_column_of_equal_numbers_has_no_best():
    assert places([row("0.5"), row("0.5")]) == [[0], [0]]
    assert places([row("0.5")]) == [[0]]


def test_dashes_do_not_compete():
    assert places([row("-"), row("0.1"), row("0.2")]) == [[0], [2], [1]]
    assert places([row("-"), row("0.1")]) == [[0], [0]]


def test_only_rows_of_one_group_compete():
    rows = [row("0.9", group="ten"), row("0.8", group="ten"), row("0.99", group="three"), row("1.0", group="")]
    assert places(rows) == [[1], [2], [0], [0]]


@given(st.lists(st.integers(0, 20), min_size=2, max_size=8), st.booleans())
def test_the_best_is_what_sorting_says(numbers, lowest):
    rows = [row(f"{number / 100:.2f}") for number in numbers]
    found = [place for (place,) in places(rows, lowest=lowest)]
    ordered = sorted(set(numbers), reverse=not lowest)
    expected = [ordered.index(n) + 1 if len(ordered) > 1 and ordered.index(n) < 2 else 0 for n in numbers]
    assert found == expected


def test_notes_are_numbered_in_reading_order_without_repetitions():
    rows = (
        Row((Value("a", note="of a"),), (Value("1", 1.0), missing("none")), {}),
        Row((Value("b"),), (missing("none"), Value("2", 2.0, note="of two")), {}),
    )
    grid = Grid("t", ("method",), (Column("x", {}), Column("y", {})), rows)
    assert grid.notes == ("of a", "none", "of two")


def test_a_dash_has_a_reason():
    assert missing("not run") == Value("-", None, "not run", 0)
    with pytest.raises(TypeError):
        missing()
