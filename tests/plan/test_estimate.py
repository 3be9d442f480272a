"""Times of a plan, told by the past."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_records import make_cell, make_record

from harness.plan.estimate import CellTime, Estimate, duration_text, estimate
from harness.plan.job import Job
from harness.plan.planning import Plan, PlannedCell

STAGES = {"start": 2.0, "fit": 100.0, "score": 60.0, "latency": 8.0, "method": 150.0, "overhead": 5.0}
WHOLE = 170.0
SAMPLES = {"train": 10, "test": 20}


def cell_of(method="cfm", category="bagel", *, train=10, test=20, action="run", **changes) -> PlannedCell:
    job = Job(make_cell(method, category, **changes), None, tuple(map(str, range(train))), {})
    return PlannedCell(job, action, "", test)


def record_of(method="cfm", category="bagel", *, factor=1.0, **changes):
    seconds = {stage: time * factor for stage, time in STAGES.items()}
    return make_record(method, category, **{"seconds": seconds, "samples": SAMPLES, **changes})


def told(planned, *records, devices=("cpu",)) -> CellTime:
    (cell,) = estimate(Plan((planned,), ()), records, devices).cells
    return cell


def test_a_cell_takes_what_the_same_cell_took() -> None:
    same, other = record_of(), record_of(category="foam", factor=9)
    assert told(cell_of(), other, same).seconds == pytest.approx(WHOLE)
    assert told(cell_of(), other, same).basis == "category"


def test_a_cell_that_is_unsupported_takes_no_time() -> None:
    planned = cell_of()
    plan = Plan((planned, replace(planned, job=replace(planned.job, unsupported="too few samples"))), ())
    assert estimate(plan, [record_of()], ["cpu"]).seconds == pytest.approx(WHOLE)


@pytest.mark.parametrize(
    ("record", "basis"),
    [
        (record_of(category="foam"), "dataset"),
        (record_of(dataset="eyecandies", category="Confetto"), "method"),
        (record_of("cfm[aggregate=sum]"), "parameters"),
        (record_of("cfm[centres=512]"), "parameters"),
    ],
)
def test_without_the_same_cell_the_nearest_one_counts(record, basis) -> None:
    found = told(cell_of(), record)
    assert (found.basis, found.seconds) == (basis, pytest.approx(WHOLE))


def test_nearer_records_win_in_the_order_of_the_documentation() -> None:
    ladder = [
        record_of("cfm[aggregate=sum]", factor=2),
        record_of("cfm[epochs=500]", factor=7),
        record_of(dataset="eyecandies", category="Confetto", factor=3),
        record_of(category="foam", samples={"train": 11, "test": 20}, factor=4),
        record_of(category="foam", factor=5),
        record_of(factor=6),
    ]
    expected = [2, None, 3, None, 5, 6]
    for count, factor in enumerate(expected, start=1):
        seconds = told(cell_of(), *ladder[:count]).seconds
        if factor is not None:
            assert seconds == pytest.approx(WHOLE * factor)


def test_fitting_grows_with_training_samples_and_scoring_with_test_samples() -> None:
    assert told(cell_of(train=50), record_of()).seconds == pytest.approx(WHOLE + 4 * STAGES["fit"])
    assert told(cell_of(test=40), record_of()).seconds == pytest.approx(WHOLE + STAGES["score"])
    released = {"checkpoint": "0123", "samples": {"train": 0, "test": 20}}
    assert told(cell_of(train=200, checkpoint="0123"), record_of(**released)).seconds == pytest.approx(WHOLE)


@pytest.mark.parametrize(("test", "predicted", "ahead"), [(20, 4, 16), (220, 204, 16), (10, 0, 10)])
def test_scoring_leaves_out_what_the_latency_pass_predicts(test: int, predicted: int, ahead: int) -> None:
    """Half a second to predict a sample, a quarter to judge its map."""
    seconds = {"fit": 100.0, "latency": 50.0, "score": 4 * 0.5 + 20 * 0.25, "metrics": 1.0}
    record = record_of(seconds=seconds, latency={"end_to_end": {"median_ms": 500.0, "calls": 100}})
    assert predicted + ahead == test
    assert told(cell_of(test=test), record).seconds == pytest.approx(151 + 0.5 * predicted + 0.25 * test)


def test_scoring_grows_from_a_test_set_that_the_latency_pass_predicted_whole() -> None:
    seconds = {"latency": 50.0, "score": 6 * 0.25}
    latency = {"end_to_end": {"median_ms": 500.0, "calls": 100}}
    record = record_of(seconds=seconds, latency=latency, samples={"train": 10, "test": 6})
    assert told(cell_of(test=30), record).seconds == pytest.approx(50 + 14 * 0.5 + 30 * 0.25)


@given(ours=st.integers(1, 1000), theirs=st.integers(1, 1000))
def test_fitting_grows_with_the_epochs(ours, theirs) -> None:
    found = told(cell_of(f"cfm[epochs={ours}]"), record_of(f"cfm[epochs={theirs}]"))
    assert found.seconds == pytest.approx(WHOLE + STAGES["fit"] * (ours / theirs - 1))
    assert found.basis == ("category" if ours == theirs else "epochs")


def test_a_record_with_other_epochs_alone_is_nearer_than_one_with_other_parameters() -> None:
    near = record_of("cfm[epochs=500]", dataset="eyecandies", category="Confetto")
    found = told(cell_of(), record_of("cfm[aggregate=sum]", factor=9), near)
    assert (found.basis, found.seconds) == ("epochs", pytest.approx(WHOLE - STAGES["fit"] / 2))


def test_epochs_are_scaled_beside_parameters_that_are_not() -> None:
    found = told(cell_of("cfm[aggregate=2d,epochs=50,mapping=intra]"), record_of())
    assert (found.basis, found.seconds) == ("parameters", pytest.approx(WHOLE - 0.8 * STAGES["fit"]))


def test_a_method_without_epochs_and_released_weights_are_not_scaled_by_them() -> None:
    strange = {"epochs": 0}
    found = told(cell_of(), record_of(parameters=strange))
    assert (found.basis, found.seconds) == ("parameters", pytest.approx(WHOLE))
    released = {"checkpoint": "0123", "samples": {"train": 0, "test": 20}}
    found = told(cell_of("cfm[epochs=50]", checkpoint="0123"), record_of(**released))
    assert found.seconds == pytest.approx(WHOLE)


def test_equally_near_records_count_by_their_median() -> None:
    records = [record_of(category=name, factor=f) for name, f in (("foam", 1), ("rope", 2), ("tire", 90))]
    assert told(cell_of(), *records).seconds == pytest.approx(2 * WHOLE)


@pytest.mark.parametrize(
    "record",
    [
        record_of("btf"),
        record_of("cfm-m"),
        record_of(preset="quick"),
        record_of(environment={"device": "cuda:0"}),
        record_of(environment={}),
        record_of(seconds={}),
        record_of(checkpoint="0123"),
        make_record(status="timeout", reason="too slow", seconds=STAGES),
    ],
    ids=["method", "variant", "preset", "device", "no device", "no times", "checkpoint", "timeout"],
)
def test_records_that_say_nothing_are_not_used(record) -> None:
    found = told(cell_of(), record)
    assert (found.seconds, found.basis) == (None, "")


def test_the_kind_of_device_counts_not_its_number() -> None:
    record = record_of(environment={"device": "cuda:0"})
    assert told(cell_of(), record, devices=("cuda:3",)).seconds == pytest.approx(WHOLE)


def test_sums_by_method_name_their_basis_and_skipped_cells_take_no_time() -> None:
    cells = (cell_of(), cell_of(category="foam"), cell_of("btf"), cell_of(category="rope", action="skip"))
    time = estimate(Plan(cells, ()), [record_of()], ("cpu",))
    cfm, btf = time.by_method
    assert (cfm.label, cfm.cells, cfm.unknown, cfm.basis) == ("cfm", 2, 0, {"category": 1, "dataset": 1})
    assert cfm.seconds == time.seconds == pytest.approx(2 * WHOLE)
    assert (btf.label, btf.unknown, btf.seconds) == ("btf", 1, 0.0)
    assert time.unknown == 1
    assert time.to_json()["by_method"][1]["basis"] == {"none": 1}


@given(st.lists(st.none() | st.floats(0, 1e5), min_size=1, max_size=20), st.integers(1, 5))
def test_devices_share_the_time(seconds, count) -> None:
    planned = cell_of()
    cells = tuple(CellTime(planned, one, "category" if one is not None else "") for one in seconds)
    one, several = Estimate(cells, ("cpu",)), Estimate(cells, tuple(f"cuda:{i}" for i in range(count)))
    known = [time or 0.0 for time in seconds]
    assert one.elapsed_seconds == pytest.approx(one.seconds)
    lowest = max(max(known), sum(known) / count)
    assert lowest - 1e-6 <= several.elapsed_seconds <= sum(known) / count + max(known) + 1e-6


def test_two_equal_cells_on_two_devices_take_half_the_time() -> None:
    cells = tuple(replace(cell, seconds=50.0) for cell in (CellTime(cell_of(), None, ""),) * 4)
    assert Estimate(cells, ("cuda:0", "cuda:1")).elapsed_seconds == pytest.approx(100)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (99, "99 s"),
        (100, "2 min"),
        (3599, "1 h"),
        (12000, "3 h 20 min"),
        (86399, "1 d"),
        (187200, "2 d 4 h"),
    ],
)
def test_times_are_told_in_their_two_largest_units(seconds, text) -> None:
    assert duration_text(seconds) == text
