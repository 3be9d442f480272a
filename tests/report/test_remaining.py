"""The time left of a run: it falls, or says why it does not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.report.remaining import Remaining


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_earlier_records_tell_from_the_first_moment_on() -> None:
    clock = Clock()
    left = Remaining(3, {"a": 100.0, "b": 200.0, "c": 300.0}, 1, clock)
    assert left.text() == "10 min left"
    left.progressed("a", "cfm bagel", 0.1)
    clock.now = 40
    assert left.seconds == 560
    left.finished("a")
    assert left.seconds == 500
    two = Remaining(3, {"a": 100.0, "b": 200.0, "c": 300.0}, 2, clock)
    assert two.seconds == 300


def test_without_records_the_finished_cells_tell() -> None:
    clock = Clock()
    left = Remaining(3, {}, 1, clock)
    left.progressed("a", "cfm bagel", 0.0)
    assert left.text() == "time left not known"
    clock.now = 50
    left.finished("a")
    assert left.seconds == 100


def test_a_cell_that_takes_longer_is_named() -> None:
    clock = Clock()
    left = Remaining(2, {"a": 100.0, "b": 100.0}, 1, clock)
    left.progressed("a", "cfm rope", 0.1)
    clock.now = 99
    assert left.text() == "2 min left"
    clock.now = 300
    left.progressed("a", "cfm rope", 0.5)
    assert left.text() == "7 min left: cfm rope takes longer than expected"
    left.finished("a")
    assert left.text() == "2 min left"


def test_cells_of_other_runs_count() -> None:
    left = Remaining(3, {}, 1, Clock())
    left.elsewhere(3)
    assert left.text() == ""


@given(
    st.lists(st.tuples(st.floats(1, 500), st.floats(1, 500)), min_size=1, max_size=8),
    st.integers(1, 3),
    st.integers(1, 7),
)
def test_what_is_shown_rises_with_a_reason_alone(cells: list[tuple[float, float]], devices: int, steps: int) -> None:
    clock = Clock()
    left = Remaining(len(cells), {str(place): expected for place, (expected, _) in enumerate(cells)}, devices, clock)
    shown = left.seconds
    for place, (_, seconds) in enumerate(cells):
        for step in range(steps):
            left.progressed(str(place), f"cell {place}", step / steps)
            clock.now += seconds / steps
            now, text = left.seconds, left.text()
            assert now is not None
            assert shown is not None
            assert now <= shown or "takes longer than expected" in text
            shown = now
        left.finished(str(place))
        now = left.seconds
        assert now is not None
        assert now <= shown or "takes longer" in left.text()
        shown = now
    assert left.text() == ""
