"""What thresholds decide, in records: counts per defect, round trips, and numbers that contradict each other."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from report_records import full_record, make_record

from harness.metrics.decisions import RATES
from harness.store.decisions import Decisions, Part, rate_key
from harness.store.nominal import NominalScores
from harness.store.quantities import DECISIONS, quantity
from harness.store.record import ImageScore, decode_record, encode_record

NOMINAL = NominalScores(tuple(map(str, range(39))), tuple(np.linspace(0, 1, 39).tolist()), "validation samples")
IMAGES = (
    ImageScore("a", "good", 0, 0.2),
    ImageScore("b", "good", 0, 0.99),
    ImageScore("c", "crack", 1, 0.5),
    ImageScore("d", "crack", 1, 2.0, ("hole",)),
    ImageScore("e", "hole", 1, 0.99),
)


@pytest.fixture(scope="module")
def decisions() -> Decisions:
    return Decisions.of(NOMINAL, IMAGES, 0)


def test_each_rate_has_a_point(decisions):
    assert list(decisions.points) == [rate_key(rate) for rate in RATES] == ["0", "1", "5"]
    strict, _, loose = decisions.points.values()
    assert (strict.threshold, strict.attainable) == (1.0, pytest.approx(1 / 40))
    assert (loose.threshold, loose.attainable) == (pytest.approx(37 / 38), pytest.approx(0.05))
    assert (strict.false_alarms, strict.missed) == (Part(0, 2, 0.0), Part(2, 3, 2 / 3))
    assert (loose.false_alarms, loose.missed) == (Part(1, 2, 0.5), Part(1, 3, 1 / 3))
    assert strict.missed_by_defect == {"crack": Part(1, 2, 0.5), "hole": Part(1, 2, 0.5)}
    assert (strict.f1, loose.f1) == (pytest.approx(0.5), pytest.approx(2 / 3))
    assert decisions.best_f1 == pytest.approx(6 / 7)
    assert strict.tail.reason
    assert loose.tail.low < loose.tail.value < loose.tail.high


def test_a_record_keeps_them_and_quantities_find_them(decisions):
    record = replace(make_record("cfm"), decisions=decisions)
    assert decode_record(encode_record(record)).decisions == decisions
    assert quantity("missed_0").number(record) == pytest.approx(2 / 3)
    assert quantity("best_f1").number(record) == decisions.best_f1
    assert all(one.number(record) is not None for one in DECISIONS)


def test_a_record_without_them_says_why():
    old = make_record("cfm")
    assert old.decisions == Decisions()
    assert quantity("f1_1").why_missing(old) == "its record has none"
    without = replace(old, decisions=Decisions(reason="All training samples are fitted."))
    assert quantity("f1_1").why_missing(without) == "All training samples are fitted."


@pytest.mark.parametrize("part", [{"count": 3, "of": 2, "share": 1.0}, {"count": 1, "of": 2, "share": 0.1}])
def test_a_part_that_contradicts_itself_is_refused(part):
    content = full_record(0).to_json()
    content["decisions"]["points"]["1"]["missed"] = part
    with pytest.raises(ValueError, match="is not the share"):
        decode_record(json.dumps(content).encode())
