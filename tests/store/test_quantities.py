"""Every number of a record has one description: where it lies, what its mean is over, why it is missing."""

from dataclasses import replace
from typing import get_args, get_type_hints

import pytest
from report_records import full_record, make_record

from harness.data.base import DATASETS
from harness.report.groups import group_records
from harness.store.quantities import ACCURACY, OLD_IDS, QUANTITIES, mean_over, quantities_of, quantity
from harness.store.record import Record

MVTEC = DATASETS["mvtec3d"].categories
I_AUROC = quantity("i_auroc")


def only_method(*records):
    (group,) = group_records(records)
    (method,) = group.methods
    return method


def kind_at(kind, name):
    """Return the type of a field of a record's part; of a mapping, that of its values."""
    (kind, *_) = [part for part in get_args(kind) if part is not type(None)] if type(None) in get_args(kind) else [kind]
    if not isinstance(kind, type):
        return get_args(kind)[1]
    field = getattr(kind, name, None)
    return get_type_hints(field.fget)["return"] if isinstance(field, property) else get_type_hints(kind)[name]


@pytest.mark.parametrize("id", QUANTITIES)
def test_the_place_of_every_quantity_is_a_number_in_the_type_of_a_record(id):
    kind = Record
    for name in quantity(id).place:
        kind = kind_at(kind, name)
    assert {float, int} & {kind, *get_args(kind)}


def test_ids_are_unique_and_old_ones_lead_to_those_of_today():
    assert [one.id for one in QUANTITIES.values()] == list(QUANTITIES)
    assert {quantity(id).id for id in OLD_IDS.values()} <= set(QUANTITIES)
    assert not OLD_IDS.keys() & QUANTITIES.keys()
    assert set(quantities_of("accuracy", "speed", "memory", "work")) == set(QUANTITIES.values())


def test_a_full_record_has_the_numbers_of_its_file():
    record = full_record(1)
    assert quantity("device_median_ms").number(record) == record.latency.device.median_ms
    assert quantity("fps").number(record) == pytest.approx(1000 / record.latency.device.median_ms)
    assert quantity("weights_mb").number(record) == 437.908
    assert quantity("train_samples").number(record) == 50
    assert quantity("peak_fit_mb").source(record) == "VmHWM"
    assert quantity("i_auroc").number(record, "crack") == record.by_defect["crack"]["i_auroc"]
    assert quantity("i_auroc").number(record, "no such defect") is None


def test_what_a_record_lacks_has_a_reason():
    record = full_record(1)
    assert quantity("device_events_median_ms").why_missing(record) == "the device is a CPU"
    assert quantity("device_p99_ms").why_missing(record) == "fewer than 299 calls"
    assert quantity("clean_median_ms").why_missing(make_record()) == "not measured"
    assert quantity("peak_fit_mb").why_missing(make_record()) == "its record has none"
    undefined = make_record(undefined={"i_auroc": "all images are nominal"})
    assert I_AUROC.why_missing(undefined) == "all images are nominal"


def test_a_mean_covers_the_categories_asked_for():
    method = only_method(*(make_record(category=name, shift=0.01 * i) for i, name in enumerate(MVTEC[:3])))
    assert mean_over(I_AUROC, method.among(MVTEC[:3]))[0] == pytest.approx(0.96)
    assert mean_over(I_AUROC, method.among(MVTEC[:1]))[0] == pytest.approx(0.95)


def test_an_undefined_number_makes_the_mean_undefined():
    record = make_record(category="foam")
    undefined = replace(record, metrics={**record.metrics, "i_auroc": None}, undefined={"i_auroc": "all are nominal"})
    method = only_method(make_record(), undefined)
    assert mean_over(I_AUROC, method.among(MVTEC)) == (None, "undefined in foam: all are nominal")


def test_nothing_measured_has_no_mean():
    method = only_method(make_record(status="failed", reason="x"))
    assert mean_over(I_AUROC, method.among(MVTEC)) == (None, "no category is measured")


def test_the_accuracy_metrics_are_those_that_are_computed():
    from harness.metrics import METRICS

    assert [metric.id for metric in ACCURACY] == list(METRICS)
