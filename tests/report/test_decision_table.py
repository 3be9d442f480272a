"""What thresholds decide, as a table, on the page of a record and in the words of an answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from report_records import group_of, make_record
from scipy.stats import norm

from harness.metrics.decisions import decide, threshold_at
from harness.report.answer.make import answers
from harness.report.decision_table import decision_grid
from harness.report.grid import Grid
from harness.report.html.recordpage import record_page
from harness.report.intervals import share_interval
from harness.report.render.data import entries
from harness.report.uncertainty import Uncertainty
from harness.store.decisions import Decisions
from harness.store.nominal import NominalScores
from harness.store.query import RecordQuery
from harness.store.record import ImageScore, Record, TestImages
from harness.store.store import Store


def decided(category: str, nominal: int = 99, method: str = "cfm", shift: float = 2.5) -> Record:
    """A record whose scores are drawn from normal distributions, anomalous ones higher by ``shift``."""
    draw = np.random.default_rng(len(category))
    scores = NominalScores(
        tuple(map(str, range(nominal))), tuple(draw.normal(size=nominal).tolist()), "validation samples"
    )
    images = [ImageScore(f"g{index}", "good", 0, float(draw.normal())) for index in range(10)]
    images += [ImageScore(f"c{index}", "crack", 1, float(draw.normal(shift))) for index in range(12)]
    images += [ImageScore(f"h{index}", "hole", 1, float(draw.normal(shift))) for index in range(8)]
    record = make_record(method, category)
    return replace(record, decisions=Decisions.of(scores, images, 0), test_images=TestImages.of(images))


def numbers(grid: Grid) -> dict[tuple[str, str], dict]:
    return {(entry["method"], entry["metric"]): entry for entry in entries(grid)}


def test_intervals_of_shares_are_exact():
    interval = share_interval(3, 20)
    assert (interval.low, interval.high) == (pytest.approx(0.0321, abs=1e-4), pytest.approx(0.3789, abs=1e-4))
    assert (share_interval(0, 10).low, share_interval(10, 10).high) == (0.0, 1.0)
    assert share_interval(0, 10).high == pytest.approx(1 - 0.025**0.1)
    for count, total in ((0, 0), (3, 2), (-1, 2)):
        with pytest.raises(ValueError, match="not a share"):
            share_interval(count, total)


@pytest.mark.parametrize("count", [20, 60])
def test_intervals_hold_the_true_rates_of_known_distributions_in_95_percent_of_500_repeats(count: int) -> None:
    draw = np.random.default_rng(19)
    held = np.zeros((500, 3, 2), dtype=bool)
    for repeat in range(500):
        nominal, good, anomalous = draw.normal(size=count), draw.normal(size=40), draw.normal(2.0, 1.5, size=50)
        for place, rate in enumerate((0.0, 0.01, 0.05)):
            threshold = threshold_at(nominal, rate).value
            outcome = decide(threshold, [0] * 40 + [1] * 50, [*good, *anomalous])
            false_alarms = share_interval(outcome.false_alarms, outcome.good)
            missed = share_interval(outcome.missed, outcome.anomalous)
            held[repeat, place] = (
                false_alarms.low <= norm.sf(threshold) <= false_alarms.high,
                missed.low <= norm.cdf(threshold, 2.0, 1.5) <= missed.high,
            )
    assert (held.mean(axis=0) >= 0.95).all(), held.mean(axis=0)


def test_categories_are_counted_together():
    records = [decided("bagel"), decided("carrot")]
    grid = decision_grid(group_of(*records))
    found = numbers(grid)
    points = [record.decisions.points["5"] for record in records]
    missed = sum(point.missed.count for point in points)
    entry = found["cfm", "missed_5"]
    assert entry["text"].startswith(f"{missed} of 40 (")
    assert (entry["value"], entry["rate"]) == (missed / 40, "5")
    assert entry["low"] == share_interval(missed, 40).low
    assert found["cfm", "f1_5"]["value"] == pytest.approx(np.mean([point.f1 for point in points]))
    assert found["cfm", "best_f1"]["value"] >= found["cfm", "f1_5"]["value"]
    assert [column.heading for column in grid.columns if "best possible" in column.heading]
    assert "198" not in grid.notes[0]
    assert "99 validation samples" in grid.notes[0]


def test_a_rate_that_so_few_nominal_samples_cannot_stand_for_has_a_footnote():
    few = decision_grid(group_of(decided("bagel", nominal=20)))
    assert "4.8% false alarms are expected" in numbers(few)["cfm", "missed_1"]["note"]
    assert "too few nominal samples for 1%:" in numbers(few)["cfm", "missed_1"]["note"]
    enough = numbers(decision_grid(group_of(decided("bagel", nominal=99))))
    assert not [rate for rate in (1, 5) if "expected" in enough["cfm", f"missed_{rate}"]["note"]]


@pytest.mark.parametrize(("nominal", "expected"), [(20, "4.8%"), (99, "1.0%")])
def test_no_false_alarms_can_be_aimed_at_and_some_are_expected(nominal: int, expected: str) -> None:
    grid = decision_grid(group_of(decided("bagel", nominal=nominal)))
    note = numbers(grid)["cfm", "missed_0"]["note"]
    assert f"the largest nominal score is the threshold, and {expected} false alarms are expected" in note


def test_a_footnote_counts_the_categories_that_have_too_few_nominal_samples() -> None:
    some = [decided("bagel", nominal=20), decided("carrot", nominal=200)]
    (note, none) = (numbers(decision_grid(group_of(*some)))["cfm", f"missed_{rate}"]["note"] for rate in (1, 0))
    assert "too few nominal samples for 1% in 1 of 2 categories: there" in note
    assert "4.8% false alarms are expected" in note
    assert "0.5 to 4.8% false alarms are expected" in none
    every = decision_grid(group_of(some[0], decided("carrot", nominal=49)))
    assert "2.0 to 4.8% false alarms are expected" in numbers(every)["cfm", "missed_1"]["note"]
    assert "categories" not in numbers(every)["cfm", "missed_1"]["note"]


def test_what_has_no_thresholds_is_a_dash_with_its_reason_and_without_any_there_is_no_table():
    without = replace(make_record("btf", "bagel"), decisions=Decisions(reason="All are fitted."))
    assert decision_grid(group_of(without)) is None
    entry = numbers(decision_grid(group_of(decided("bagel"), without)))["btf", "missed_1"]
    assert (entry["text"], entry["value"]) == ("-", None)
    assert "All are fitted." in entry["note"]


def test_the_page_of_a_record_has_missed_images_by_defect():
    record = decided("bagel")
    page = record_page(record, "cfm", {})
    assert "Missed images by type of defect" in page
    point = record.decisions.points["1"].missed_by_defect["hole"]
    assert f"{point.count} of 8 (" in page
    assert "Thresholds are set on 99 validation samples." in page
    assert "Decisions" not in record_page(make_record("cfm", "bagel"), "cfm", {})


def test_an_answer_tells_what_gets_through(tmp_path):
    record = decided("bagel", nominal=20)
    (answer,) = answers([record], RecordQuery(), Uncertainty(Store(tmp_path)))
    point, text = record.decisions.points["1"], " ".join(answer.paragraphs)
    assert f"misses {point.missed.count} of 20 defective parts (" in text
    assert f"stops {point.false_alarms.count} of 10 good parts" in text
    assert "a threshold set on 20 validation samples at 1% false alarms" in text
    assert "4.8% false alarms are expected" in text
    assert answer.to_json()["methods"][0]["decided"]["missed"]["count"] == point.missed.count


def test_an_answer_says_where_the_best_method_has_no_threshold(tmp_path):
    without = replace(decided("carrot"), decisions=Decisions(reason="All are fitted."))
    (answer,) = answers([decided("bagel"), without], RecordQuery(), Uncertainty(Store(tmp_path)))
    text = " ".join(answer.paragraphs)
    assert "Missed and stopped parts of cfm are not counted" in text
    assert "no threshold for carrot (All are fitted)." in text
    (old,) = answers([make_record("cfm", "bagel")], RecordQuery(), Uncertainty(Store(tmp_path)))
    assert "not counted" not in " ".join(old.paragraphs)
