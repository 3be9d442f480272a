"""Times that were measured on a busy machine: left out with what to do about it, or shown on request and marked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from count_records import keep_details
from report_records import cells, full_record, group_of, make_record, notes, typed

import harness
from harness.report.figures.latency_data import measured_latencies
from harness.report.figures.speed_data import measured_speeds
from harness.report.groups import Group, group_records
from harness.report.own_tables import cost_grid
from harness.store.environment import Environment
from harness.store.means import busy_reason, is_time, mean_over
from harness.store.quantities import QUANTITIES
from harness.store.query import RecordQuery
from harness.store.record import Record
from harness.store.store import Store

QUIET = {"device": "cpu", "device_name": "Test CPU", "threads": 2}
BUSY = {**QUIET, "contended": True, "contention": "others used 2.0 cores"}
MARK = "measured on a busy machine"
TIMES = [one for one in QUANTITIES.values() if is_time(one)]


def full(number: int, method: str = "cfm", category: str = "bagel", *, busy: bool = False) -> Record:
    environment = typed(BUSY if busy else QUIET, Environment)
    return replace(full_record(number, method, category), environment=environment)


def asked(*records: Record) -> Group:
    """Return the group of records as ``--contended`` asks for it."""
    (group,) = group_records(records, RecordQuery(contended=True))
    return group


@pytest.fixture
def busy_store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "results")
    for number, (method, busy) in enumerate([("cfm", False), ("btf", True)]):
        record = full(number, method, busy=busy)
        raw = {name: [40.0 + number, 41.0] for name in ("device", "end_to_end")}
        store.write(keep_details(store, record, raw_ms=raw))
    return store


def test_every_time_has_a_mean_on_request_and_nothing_else_changes() -> None:
    records = {"bagel": full(1), "foam": full(2, category="foam", busy=True)}
    assert TIMES
    for one in QUANTITIES.values():
        default, wanted = mean_over(one, records), mean_over(one, records, contended=True)
        if is_time(one) and wanted[0] is not None:
            assert default[0] is None
            assert "--contended" in default[1]
            assert "close what runs" in default[1]
        elif not is_time(one):
            assert default == wanted
    assert busy_reason(records) == "foam: others used 2.0 cores"


def test_shown_times_are_marked_and_do_not_compete() -> None:
    records = [make_record(environment=QUIET), make_record("btf", environment=BUSY)]
    left_out, shown = cost_grid(group_of(*records), None), cost_grid(asked(*records), None)
    for metric in ("device_median_ms", "end_to_end_median_ms", "fps"):
        assert cells(left_out)["btf", "measured", metric] == "-"
        assert "--contended" in notes(left_out)["btf", "measured", metric]
        assert cells(shown)["btf", "measured", metric] == cells(shown)["cfm", "measured", metric] != "-"
        assert MARK in notes(shown)["btf", "measured", metric]
        assert MARK not in notes(shown)["cfm", "measured", metric]
    for row in shown.rows:
        times = [value for value, column in zip(row.values, shown.columns, strict=True) if "mb" not in column.heading]
        assert row.keys["method"] == "cfm" or all(not (value.place or value.tied) for value in times)


@pytest.mark.parametrize("form", ["rich", "markdown", "latex", "csv", "json", "html"])
def test_every_format_has_the_mark(call, busy_store: Store, form: str) -> None:
    arguments = ("tables", "--table", "costs", "--source", "measured", "--format", form)
    assert MARK not in call(*arguments).out
    outcome = call(*arguments, "--contended")
    assert outcome.code == 0
    assert MARK in " ".join(outcome.out.split())


def test_figures_name_the_busy_machine(busy_store: Store) -> None:
    records = busy_store.all()
    for data in (
        measured_speeds(asked(*records), None, "i_auroc"),
        measured_latencies(asked(*records), busy_store),
    ):
        words = repr(data.parts)
        assert words.count(MARK) == 1
        assert "btf" in words
        assert not data.notes
    left_out = measured_speeds(group_of(*records), None, "i_auroc")
    assert "--contended" in " ".join(left_out.notes)


@pytest.mark.parametrize("kind", ["speed", "latency"])
def test_a_figure_of_busy_times_alone_is_drawn_on_request_only(call, tmp_path: Path, kind: str) -> None:
    store = Store(tmp_path / "results")
    raw = {name: [40.0, 41.0] for name in ("device", "end_to_end")}
    store.write(keep_details(store, full(1, busy=True), raw_ms=raw))
    outcome = call("plot", kind, "--to", "mine.svg")
    assert (outcome.code, outcome.out) == (6, "")
    assert "--contended" in outcome.err
    assert not Path("mine.svg").exists()
    assert call("plot", kind, "--to", "mine.svg", "--contended").code == 0
    assert MARK.replace(" ", "_") in Path("mine.svg").read_text() or MARK in Path("mine.svg").read_text()


def test_the_report_marks_them(call, busy_store: Store) -> None:
    assert call("report", "--to", "without", "--open", "no").code == 0
    assert call("report", "--to", "with", "--open", "no", "--contended").code == 0
    assert MARK not in Path("without/index.html").read_text()
    assert MARK in Path("with/index.html").read_text()


def test_from_python(busy_store: Store) -> None:
    folder = busy_store.folder
    assert cells(harness.table("costs", folder, source="measured"))["btf", "measured", "fps"] == "-"
    assert cells(harness.table("costs", folder, source="measured", contended=True))["btf", "measured", "fps"] != "-"
