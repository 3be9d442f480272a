"""Quantities: where each lies in a record, what it is where it is missing, and means over categories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass, replace
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from report_records import METRICS, full_record, make_record

from harness.store.means import UNKNOWN_DEVICE, machines_of, mean_over
from harness.store.measurements import Latency
from harness.store.quantities import (
    ACCURACY,
    OLD_IDS,
    QUANTITIES,
    WINDOWS,
    Quantity,
    known_energy,
    quantities_of,
    quantity,
)
from harness.store.record import Record

EVERY = pytest.mark.parametrize("one", QUANTITIES.values(), ids=QUANTITIES.keys())


def type_at(kind: Any, name: str) -> Any:
    """Return the type of a field or of a value, without None."""
    if get_origin(kind) in (Mapping, dict):
        found = get_args(kind)[1]
    else:
        assert is_dataclass(kind), (kind, name)
        found = get_type_hints(kind).get(name) or get_type_hints(vars(kind)[name].fget)["return"]
    if get_origin(found) in (Union, UnionType):
        (found,) = (part for part in get_args(found) if part is not NoneType)
    return found


@EVERY
def test_its_place_leads_through_the_types_of_a_record_to_a_number(one: Quantity) -> None:
    kind: Any = Record
    for name in one.place:
        kind = type_at(kind, name)
    assert kind in (float, int)


def test_ids_are_unique_names() -> None:
    assert [one.id for one in QUANTITIES.values()] == list(QUANTITIES)
    assert all(id.isidentifier() and id == id.lower() for id in QUANTITIES)
    places = [(one.place, one.reciprocal_of) for one in QUANTITIES.values()]
    assert len(set(places)) == len(places)
    assert set(OLD_IDS.values()) <= set(QUANTITIES)
    assert not set(OLD_IDS) & set(QUANTITIES)
    assert {one.id for one in ACCURACY} == set(METRICS)
    assert set(get_type_hints(Latency)) == set(WINDOWS)
    with pytest.raises(KeyError):
        quantity("infer_ms")


@EVERY
def test_it_has_a_heading_and_a_sentence(one: Quantity) -> None:
    assert one.heading
    assert one.help.endswith(".")
    assert "\n" not in one.title


@EVERY
def test_its_number_is_what_the_file_holds_at_its_place(one: Quantity) -> None:
    record = full_record(3)
    value: Any = {**record.to_json(), "wall_seconds": record.wall_seconds}
    for name in one.place:
        value = None if value is None else value[name]
    expected = one.reciprocal_of / value if one.reciprocal_of and value else value
    assert one.number(record) == expected
    if value is None:
        assert one.why_missing(record)
        assert mean_over(one, {"bagel": record})[0] is None
    else:
        assert one.text(one.number(record)) == f"{expected:.{one.digits}f}"
        assert mean_over(one, {"bagel": record}) == (pytest.approx(expected), "")


@EVERY
def test_a_record_that_failed_has_no_number(one: Quantity) -> None:
    failed = make_record(status="oom", reason="full")
    assert one.number(failed) in (None, 0.0)  # no stage took any time
    assert (one.number(failed) is None) == (one.id != "wall_s")


def test_a_number_of_one_type_of_defect() -> None:
    record = make_record(by_defect={"crack": {"i_auroc": 0.7, "p_auroc": None}})
    assert quantity("i_auroc").number(record, "crack") == 0.7
    assert quantity("i_auroc").number(record) == METRICS["i_auroc"]
    assert quantity("p_auroc").number(record, "crack") is None
    assert quantity("i_auroc").number(record, "hole") is None
    assert mean_over(quantity("i_auroc"), {"bagel": record}, "crack") == (0.7, "")


def two(**changes: Any) -> dict[str, Record]:
    """Return records of two categories; changes are of the second one."""
    return {"bagel": make_record(category="bagel"), "foam": make_record(category="foam", **changes)}


def times(device: float) -> dict[str, Any]:
    return {"device": {"median_ms": device}, "end_to_end": {"median_ms": 50.0}}


def test_a_mean_is_that_of_the_categories() -> None:
    records = two(shift=0.02, latency=times(60.0))
    assert mean_over(quantity("aupro_1"), records) == (pytest.approx(0.61), "")
    assert mean_over(quantity("device_median_ms"), records) == (50.0, "")
    assert mean_over(quantity("memory_mb"), records) == (452.7, "")
    assert mean_over(quantity("memory_mb"), {}) == (None, "no category is measured")


def test_frames_a_second_are_those_of_the_mean_of_medians() -> None:
    records = two(latency=times(10.0))
    assert [quantity("fps").number(record) for record in records.values()] == [25.0, 100.0]
    assert mean_over(quantity("fps"), records) == (40.0, "")


def test_what_depends_on_the_machine_has_no_mean_over_several() -> None:
    memory = {"paper_mb": 452.7, "static": {"mb": 5.0, "source": "x"}}
    records = two(environment={"device": "cuda:0", "device_name": "GPU A"}, memory=memory)
    records["bagel"] = make_record(memory=memory)
    assert machines_of(records.values()) == ("Test CPU, 2 threads", "GPU A")
    for one in QUANTITIES.values():
        value, reason = mean_over(one, records)
        if one.of_machine:
            assert (value, "GPU A" in reason) == (None, True), one.id
    for id in ("i_auroc", "memory_mb"):
        assert mean_over(quantity(id), records)[1] == ""
    unknown = two(environment={})
    assert machines_of(unknown.values()) == ("Test CPU, 2 threads", UNKNOWN_DEVICE)
    assert mean_over(quantity("fps"), unknown)[0] is None


def test_times_of_a_busy_machine_have_no_mean_and_the_rest_has() -> None:
    records = two()
    environment = replace(records["foam"].environment, contended=True, contention="3 other processes")
    records["foam"] = replace(records["foam"], environment=environment)
    for id in ("device_median_ms", "end_to_end_median_ms", "fps"):
        value, reason = mean_over(quantity(id), records)
        assert value is None
        assert "foam" in reason
        assert "3 other processes" in reason
        assert "foam" not in mean_over(quantity(id), {"foam": records["foam"]})[1]
    for id in ("i_auroc", "memory_mb"):
        assert mean_over(quantity(id), records)[0] is not None


def test_energy_counts_as_times_do_and_by_one_counter() -> None:
    def with_energy(**changes):
        return make_record(energy={"strict": {"joules": 2.5, "source": "RAPL, 1 CPU package", **changes}})

    first, second, other = with_energy(), with_energy(joules=3.5), with_energy(source="RAPL, 2 CPU packages")
    energy = quantity("energy_j")
    assert (energy.unit, energy.lowest, energy.of_machine, energy.text(2.5)) == ("J", True, True, "2.500")
    assert mean_over(energy, {"bagel": first, "foam": second}) == (3.0, "")
    assert "RAPL, 1 CPU package, RAPL, 2 CPU packages" in mean_over(energy, {"bagel": first, "foam": other})[1]
    busy = replace(first, environment=replace(first.environment, contended=True, contention="3 other processes"))
    assert "3 other processes" in mean_over(energy, {"bagel": busy})[1]
    assert mean_over(energy, {"bagel": busy}, contended=True)[0] == 2.5
    silent = with_energy(joules=None, reason="this machine shows no RAPL counter")
    assert "shows no RAPL counter" in mean_over(energy, {"bagel": silent})[1]
    assert energy.source(silent) == ""
    assert energy.number(make_record()) is None


def test_energy_has_a_column_only_where_some_record_has_a_number() -> None:
    ids = ("fps", "energy_j", "energy_default_j", "memory_mb")
    told = make_record(energy={"strict": {"joules": 2.5}, "default": {"reason": "the counter did not move"}})
    assert known_energy(ids, [make_record()]) == known_energy(ids, []) == ("fps", "memory_mb")
    assert known_energy(ids, [make_record(), told]) == ("fps", "energy_j", "memory_mb")


def test_sizes_of_several_counters_have_no_mean() -> None:
    records = {
        name: make_record(category=name, memory={"static": {"mb": 5.0, "source": source}})
        for name, source in (("bagel", "VmRSS"), ("foam", "torch"))
    }
    value, reason = mean_over(quantity("static_mb"), records)
    assert value is None
    assert "VmRSS, torch" in reason
    assert quantity("static_mb").source(records["foam"]) == "torch"
    assert quantity("memory_mb").source(records["foam"]) == quantity("fps").source(records["foam"]) == ""


@pytest.mark.parametrize(
    ("id", "changes", "reason"),
    [
        ("p_auroc", {"metrics": {"p_auroc": None}, "undefined": {"p_auroc": "no anomalous pixel"}}, "no anomalous"),
        ("device_median_ms", {"latency": {"device": {"reason": "the clock broke"}}}, "the clock broke"),
        ("device_median_ms", {"latency": {}}, "not measured"),
        ("fps", {"latency": {}}, "not measured"),
        ("device_p95_ms", {"latency": times(40.0)}, "fewer than 59 calls"),
        ("device_low_ms", {"latency": times(40.0)}, "too few calls"),
        ("peak_fit_mb", {"memory": {"peak_fit": {"source": "cuda", "reason": "no counter"}}}, "no counter"),
        ("memory_mb", {"memory": {}}, "its record has none"),
        ("fit_s", {}, "its record has none"),
        ("device_max_ms", {"latency": times(40.0)}, "its record has none"),
    ],
)
def test_a_number_that_one_category_lacks_leaves_the_mean_undefined_with_the_reason(id, changes, reason) -> None:
    one = quantity(id)
    record = make_record(category="foam", **changes)
    assert one.number(record) is None
    assert reason in one.why_missing(record)
    value, why = mean_over(one, {"bagel": full_record(1), "foam": record})
    assert value is None
    if one.of_machine:
        value, why = mean_over(one, {"foam": record})
    assert "foam" in why
    assert reason in why


def test_many_categories_that_lack_a_number_are_counted() -> None:
    records = {name: make_record(category=name, latency={}) for name in ("bagel", "foam", "tire")}
    assert "all 3 categories" in mean_over(quantity("fps"), records)[1]


def test_kinds_cover_all() -> None:
    assert quantities_of("accuracy", "decision", "speed", "energy", "memory", "work") == tuple(QUANTITIES.values())
    assert quantities_of("accuracy") == ACCURACY
