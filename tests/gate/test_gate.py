"""The gate: each rule at its limit, and all of them against an oracle in whole numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from gate_records import ENVIRONMENT, toy_record, window
from hypothesis import given, settings
from hypothesis import strategies as st
from report_records import METRICS

from harness.data.registry import DATASETS
from harness.gate.compare import compare
from harness.gate.leaderboard import latest
from harness.gate.rows import METRIC_IDS, BoardRow, CellKey
from harness.gate.tolerances import DEFAULTS, Tolerance, Tolerances
from harness.store.record import Record

LIMITS = Tolerances()


def judged(old: Record, new: Record, tolerances: Tolerances = LIMITS):
    return compare(latest([old]).rows, latest([new]).records, tolerances)


def moved(old: Record, new: Record, outcome: str = "worse") -> list[str]:
    return [verdict.what for verdict in judged(old, new).with_outcome(outcome)]


def reasons(old: Record, new: Record) -> dict[tuple[str, str], int]:
    return dict(judged(old, new).skipped)


@pytest.mark.parametrize("metric", METRIC_IDS)
def test_a_metric_may_fall_by_its_tolerance_and_no_further(metric) -> None:
    tolerance = 0.005 if metric in ("aupro_1", "aupro_1_official") else 0.002
    old = toy_record()
    at, below = (toy_record(metrics={metric: METRICS[metric] - tolerance - more}) for more in (0, 1e-6))
    assert (moved(old, at), moved(old, below)) == ([], [metric])
    up, above = (toy_record(metrics={metric: min(METRICS[metric] + tolerance + more, 1.0)}) for more in (0, 1e-6))
    assert (moved(old, up, "better"), moved(old, above, "better")) == ([], [metric])
    assert not judged(old, above).regressed


def test_a_tolerance_of_the_file_holds_and_its_origin_is_told() -> None:
    wide = Tolerances({"i_auroc": Tolerance(0.05, 0.02, "two machines")})
    assert not judged(toy_record(), toy_record(metrics={"i_auroc": 0.9}), wide).regressed
    (verdict,) = judged(toy_record(), toy_record(metrics={"i_auroc": 0.89}), wide).with_outcome("worse")
    assert (verdict.limit, verdict.note) == ("0.05", "measured spread 0.02: two machines")


def test_a_metric_that_became_undefined_is_worse_and_says_why() -> None:
    new = toy_record(metrics={"p_auroc": None}, undefined={"p_auroc": "no anomalous pixel"})
    (verdict,) = judged(toy_record(), new).with_outcome("worse")
    assert (verdict.what, verdict.old, verdict.new) == ("p_auroc", 0.99, None)
    assert verdict.note == "undefined: no anomalous pixel"
    assert moved(new, toy_record(), "better") == ["p_auroc"]
    assert reasons(new, new)["metric", "undefined"] == 1


def timed(median: float | None, spread: float | None = 0.5, **changes) -> Record:
    return toy_record(latency={"device": window(median, spread)}, **changes)


@pytest.mark.parametrize(
    ("old", "new", "worse"),
    [
        (timed(40.0), timed(48.0), False),
        (timed(40.0), timed(48.001), True),
        (timed(2.0, 0.1), timed(3.0, 0.1), False),
        (timed(2.0, 0.1), timed(3.001, 0.1), True),
        (timed(40.0, 5.0), timed(50.0, 5.0), False),
        (timed(40.0, 5.0), timed(50.0, 4.99), True),
    ],
    ids=["ratio", "above ratio", "floor", "above floor", "touching intervals", "disjoint intervals"],
)
def test_a_speed_needs_ratio_floor_and_disjoint_intervals(old, new, worse) -> None:
    assert moved(old, new) == ["device_median_ms"] * worse
    assert moved(new, old, "better") == ["device_median_ms"] * worse


@pytest.mark.parametrize("slower", [1.1, 1.3])
def test_speeds_in_default_math_are_compared_where_there_are_any(slower) -> None:
    old, new = (
        toy_record(latency={"device_default": window(20.0 * factor), "end_to_end_default": window(30.0)})
        for factor in (1.0, slower)
    )
    assert moved(old, new) == ["device_default_median_ms"] * (slower > 1.2)
    assert reasons(old, toy_record()) == {("speed", "not measured"): 2}
    assert reasons(toy_record(), toy_record()) == {}


OTHER = [{"cpu": "Other CPU"}, {"cores": 8}, {"threads": 1}, {"device": "cuda:0", "device_name": "H200"}]


@pytest.mark.parametrize("change", OTHER, ids=str)
def test_other_hardware_never_compares_speed_or_peak(change) -> None:
    slow = timed(1000.0, environment=change, peak_mb=9000.0)
    assert moved(timed(40.0), slow) == moved(slow, timed(40.0)) == []
    assert reasons(timed(40.0), slow) == {("speed", "other hardware"): 2, ("memory", "other hardware"): 1}


def test_unknown_hardware_is_not_even_equal_to_itself() -> None:
    unknown = timed(40.0, environment={"device": ""})
    assert reasons(unknown, timed(1000.0, environment={"device": ""})) == {
        ("speed", "unknown hardware"): 2,
        ("memory", "unknown hardware"): 1,
    }


@pytest.mark.parametrize("busy", ["old", "new"])
def test_a_contended_speed_is_not_compared_but_memory_is(busy) -> None:
    contended = {"contended": True}
    old = timed(40.0, environment=contended if busy == "old" else {})
    new = timed(1000.0, environment=contended if busy == "new" else {}, peak_mb=9000.0)
    assert moved(old, new) == ["peak_inference_mb"]
    assert reasons(old, new) == {("speed", "contended"): 2}


def test_a_median_on_the_leaderboard_without_interval_is_not_compared() -> None:
    assert reasons(timed(40.0, None), timed(1000.0)) == {("speed", "too few calls"): 1}
    assert reasons(timed(None), timed(1000.0)) == {("speed", "not measured"): 1}
    assert not judged(timed(40.0, None), timed(1000.0)).regressed


@pytest.mark.parametrize("end", ["low_ms", "high_ms"])
def test_half_an_interval_is_none(end: str) -> None:
    half = toy_record(latency={"device": {**window(40.0, 0.5), end: None}})
    assert reasons(half, timed(1000.0)) == {("speed", "too few calls"): 1}
    assert not judged(timed(40.0), half).regressed


def test_a_cell_so_slow_that_its_calls_are_too_few_must_exceed_the_old_interval_by_the_ratio() -> None:
    assert judged(timed(150.0), timed(600.0, None)).regressed
    assert not judged(timed(150.0, 10.0), timed(191.0, None)).regressed
    assert not judged(timed(150.0, 10.0), timed(192.0, None)).regressed
    assert judged(timed(150.0, 10.0), timed(193.0, None)).regressed
    faster = judged(timed(150.0, 10.0), timed(15.0, None)).verdicts
    assert not [verdict for verdict in faster if verdict.outcome == "better"]


@pytest.mark.parametrize(
    ("old", "new", "worse"),
    [
        (1000.0, 1100.0, False),
        (1000.0, 1100.001, True),
        (100.0, 119.999, False),
        (100.0, 120.0, True),
        (None, 9e3, False),
    ],
)
def test_a_peak_needs_ratio_and_floor(old, new, worse) -> None:
    assert moved(toy_record(peak_mb=old), toy_record(peak_mb=new)) == ["peak_inference_mb"] * worse


@pytest.mark.parametrize(
    ("old", "new", "worse"),
    [
        (100.0, 101.0, False),
        (100.0, 101.000001, True),
        (0.0001, 0.000102, True),
        (0.0, 0.000001, True),
        (0.0, 0.0, False),
    ],
)
def test_parameters_and_bank_may_not_grow_on_any_hardware(old, new, worse) -> None:
    elsewhere = {"environment": {"cpu": "Other CPU"}}
    verdicts = moved(toy_record(memory={"paper_mb": old}), toy_record(memory={"paper_mb": new}, **elsewhere))
    assert verdicts == ["memory_mb"] * worse


def test_a_cell_that_is_missing_or_not_ok_is_worse_and_a_new_one_is_not() -> None:
    rows = latest([toy_record(), toy_record(category="ridge")]).rows
    broken = toy_record(category="ridge", status="timeout", reason="longer than 60 s")
    found = compare(rows, latest([broken, toy_record("cfm-t")]).records, LIMITS)
    assert [(verdict.key.category, verdict.note) for verdict in found.with_outcome("worse")] == [
        ("bump", "missing: the results have no record of it"),
        ("ridge", "timeout: longer than 60 s"),
    ]
    assert {(key.method, status) for key, status in found.new.items()} == {("cfm-t", "ok")}
    assert found.compared("metric") == 0


def test_a_cell_of_other_settings_is_compared_and_marked() -> None:
    old = toy_record()
    parameters = toy_record(parameters={**old.cell.parameters, "epochs": 3}, metrics={"i_auroc": 0.5})
    found = judged(old, parameters)
    assert [verdict.what for verdict in found.with_outcome("worse")] == ["i_auroc"]
    assert list(found.settings.values()) == ["other parameters, data, samples or weight files than on the leaderboard"]
    protocol = replace(old.cell.protocol, eval_size=256)
    other = judged(old, replace(old, cell=replace(old.cell, protocol=protocol)))
    assert list(other.settings.values()) == ["another protocol than on the leaderboard"]
    assert judged(old, old).settings == {}


CATEGORIES = DATASETS["toy"].categories


@given(st.lists(st.integers(-6000, 6000), min_size=2, max_size=2), st.sampled_from(METRIC_IDS))
def test_a_mean_may_fall_by_the_tolerance_over_the_root_of_the_number_of_categories(falls, metric) -> None:
    """Whole numbers count millionths; a sum above tolerance times root is compared by its square."""
    old = [toy_record(category=name, metrics={metric: 0.5}) for name in CATEGORIES]
    new = [
        toy_record(category=name, metrics={metric: 0.5 - fall * 1e-6})
        for name, fall in zip(CATEGORIES, falls, strict=True)
    ]
    found = compare(latest(old).rows, latest(new).records, LIMITS)
    (verdict,) = [verdict for verdict in found.verdicts if (verdict.kind, verdict.what) == ("mean", metric)]
    moved_far = sum(falls) ** 2 > 2 * TOLERATED[metric] ** 2
    assert verdict.outcome == ("same" if not moved_far else "worse" if sum(falls) > 0 else "better")
    assert (verdict.key.category, verdict.key.method) == ("mean", "cfm")


def test_a_fall_just_inside_the_tolerance_of_every_category_is_worse() -> None:
    old = [toy_record(category=name) for name in CATEGORIES]
    new = [toy_record(category=name, metrics={"aupro_1": METRICS["aupro_1"] - 0.0049}) for name in CATEGORIES]
    found = compare(latest(old).rows, latest(new).records, LIMITS)
    assert [(verdict.kind, verdict.what) for verdict in found.with_outcome("worse")] == [("mean", "aupro_1")]
    assert not compare(latest(old[:1]).rows, latest(new[:1]).records, LIMITS).regressed, "one category is no mean"


def test_every_limit_has_a_use() -> None:
    ratios = {"speed_ratio", "speed_floor_ms", "peak_ratio", "peak_floor_mb", "memory_ratio"}
    assert set(DEFAULTS) == {*METRIC_IDS, *ratios}


# Whole numbers count the last decimal that the leaderboard keeps: 1e-6 of a metric, 1e-4 ms, 1e-3 MB, 1e-6 MB of state.
TOLERATED = {metric: 5000 if "_1" in metric else 2000 for metric in METRIC_IDS}


@dataclass(frozen=True)
class Whole:
    """A cell's numbers as whole numbers; None where undefined or not measured."""

    metrics: tuple[int | None, ...]
    windows: tuple[tuple[int, int | None] | None, ...]
    peak: int | None
    paper: int
    cores: int | None
    contended: bool
    status: str = "ok"

    def record(self, category: str) -> Record:
        if self.status != "ok":
            return toy_record(category=category, status=self.status, reason="broken")
        metrics = {name: _times(value, 1e-6) for name, value in zip(METRIC_IDS, self.metrics, strict=True)}
        latency = {
            name: window(_times(found and found[0], 1e-4), _times(found and found[1], 1e-4))
            for name, found in zip(("device", "end_to_end"), self.windows, strict=True)
        }
        environment = {"cores": 4, "contended": self.contended} | ({} if self.cores else {"device": ""})
        return toy_record(
            category=category,
            metrics=metrics,
            latency=latency,
            memory={"peak_inference": {"mb": _times(self.peak, 1e-3)}, "paper_mb": self.paper * 1e-6},
            environment=environment | ({"cores": self.cores} if self.cores else {}),
        )


def _times(value: int | None, unit: float) -> float | None:
    return None if value is None else value * unit


def violated(old: Whole, new: Whole | None) -> bool:
    """Follow the rules once more, in whole numbers and without the product's code."""
    if new is None or new.status != "ok":
        return True
    for name, before, after in zip(METRIC_IDS, old.metrics, new.metrics, strict=True):
        if before is not None and (after is None or before - after > TOLERATED[name]):
            return True
    if 100 * new.paper > 101 * old.paper:
        return True
    if old.cores is None or old.cores != new.cores:
        return False
    if (
        old.peak is not None
        and new.peak is not None
        and new.peak - old.peak >= 20_000
        and 10 * new.peak > 11 * old.peak
    ):
        return True
    if old.contended or new.contended:
        return False
    return any(_is_slower(*pair) for pair in zip(old.windows, new.windows, strict=True))


def _is_slower(old: tuple[int, int | None] | None, new: tuple[int, int | None] | None) -> bool:
    if old is None or new is None or old[1] is None:
        return False
    disjoint = 5 * new[0] > 6 * (old[0] + old[1]) if new[1] is None else new[0] - new[1] > old[0] + old[1]
    return disjoint and 5 * new[0] > 6 * old[0] and new[0] - old[0] > 10_000


near = st.sampled_from([-5001, -5000, -2001, -2000, -1, 0, 0, 0, 1, 2000, 2001, 5001])
metric_values = st.none() | st.integers(10_000, 990_000)
spreads = st.sampled_from([None, 0, 0, 0, 1_000, 2_000, 10_000])
timings = st.tuples(st.integers(20_000, 900_000), spreads)
latencies = st.one_of(st.none(), timings, timings, timings)
wholes = st.builds(
    Whole,
    metrics=st.tuples(*[metric_values] * len(METRIC_IDS)),
    windows=st.tuples(latencies, latencies),
    peak=st.none() | st.integers(0, 3_000_000),
    paper=st.integers(0, 500_000_000),
    cores=st.sampled_from([4] * 6 + [8, None]),
    contended=st.sampled_from([False] * 6 + [True]),
)


@st.composite
def perturbed(draw, old: Whole) -> Whole | None:
    """A later measurement: most numbers at the edge of a rule, some far from it, a few gone."""
    fate = draw(st.sampled_from(["ok"] * 12 + ["oom", "missing"]))
    if fate != "ok":
        return None if fate == "missing" else replace(old, status=fate)

    def metric(value: int | None) -> int | None:
        return draw(metric_values) if value is None or draw(st.integers(0, 30)) == 0 else value + draw(near)

    def latency(found: tuple[int, int | None] | None) -> tuple[int, int | None] | None:
        if found is None or draw(st.integers(0, 10)) == 0:
            return draw(latencies)
        edges = [found[0], 6 * found[0] // 5, 6 * found[0] // 5 + 1, found[0] + 10_000, found[0] + 10_001, 2 * found[0]]
        return draw(st.sampled_from(edges)), draw(spreads)

    peaks = [] if old.peak is None else [old.peak, old.peak + 19_999, old.peak + 20_000, 11 * old.peak // 10 + 1]
    papers = [old.paper, old.paper, 101 * old.paper // 100, 101 * old.paper // 100 + 1]
    return replace(
        old,
        metrics=tuple(map(metric, old.metrics)) if draw(st.booleans()) else old.metrics,
        windows=tuple(map(latency, old.windows)),
        peak=draw(st.sampled_from([None, *peaks])),
        paper=draw(st.sampled_from(papers)),
        cores=draw(st.sampled_from([old.cores] * 6 + [4, 8])),
        contended=draw(st.sampled_from([old.contended] * 6 + [True])),
    )


@settings(max_examples=300)
@given(wholes.flatmap(lambda old: st.tuples(st.just(old), perturbed(old))))
def test_something_is_worse_exactly_where_a_rule_is_violated(pair) -> None:
    old, new = pair
    records = [] if new is None else [new.record("bump")]
    found = compare(latest([old.record("bump")]).rows, latest(records).records, LIMITS)
    assert found.regressed == violated(old, new)


@settings(max_examples=50)
@given(st.lists(wholes, min_size=1, max_size=2))
def test_what_is_compared_with_itself_has_not_moved(cells) -> None:
    records = [whole.record(category) for whole, category in zip(cells, ("bump", "ridge"), strict=False)]
    newest = latest(records)
    found = compare(newest.rows, newest.records, LIMITS)
    assert {verdict.outcome for verdict in found.verdicts} <= {"same", "skipped"}
    assert (found.settings, found.new) == ({}, {})
    assert found.compared("cell") == len(records)


def test_a_number_beyond_the_last_decimal_does_not_matter() -> None:
    exact = BoardRow.of(toy_record(metrics={"i_auroc": 0.95}))
    rough = toy_record(metrics={"i_auroc": 0.948 - 4e-7})
    assert not compare([exact], {CellKey.of(rough.cell): rough}, LIMITS).regressed
    assert ENVIRONMENT["cpu"] in exact.hardware
