import os
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_records import make_cell, make_record

from harness.report.status import CellState, advice, count_states, counts_text, group_states, read_states
from harness.store.claims import Claim
from harness.store.pending import save_pending
from harness.store.query import RecordQuery
from harness.store.store import Store

WRONG = ("failed", "oom", "timeout", "killed", "unsupported")


def states_of(folder):
    return {(state.cell.label, state.cell.category): state.state for state in read_states(Store(folder))}


def test_a_cell_is_what_its_record_says(tmp_path):
    store = Store(tmp_path)
    store.write(make_record())
    for status, category in zip(WRONG, ("carrot", "cookie", "dowel", "foam", "tire"), strict=True):
        store.write(make_record(category=category, status=status, reason=f"it was {status}"))
    found = {state.cell.category: state for state in read_states(store)}
    assert (found["bagel"].state, found["bagel"].went_wrong) == ("ok", False)
    assert [found[name].state for name in ("carrot", "cookie", "dowel", "foam", "tire")] == list(WRONG)
    assert all(state.went_wrong for name, state in found.items() if name != "bagel")
    assert found["tire"].reason == "it was unsupported"
    assert found["tire"].created == "2026-01-01T00:00:00+00:00"


def test_a_planned_cell_is_planned_until_it_runs_or_has_a_record(tmp_path):
    cells = [make_cell(category=name) for name in ("bagel", "carrot", "foam")]
    save_pending(tmp_path, cells)
    Store(tmp_path).write(make_record(category="foam"))
    claim = Claim(tmp_path, cells[0])
    with claim:
        assert claim.take()
        assert states_of(tmp_path) == {
            ("cfm", "bagel"): "running",
            ("cfm", "carrot"): "planned",
            ("cfm", "foam"): "ok",
        }
    assert states_of(tmp_path)["cfm", "bagel"] == "planned"


def test_a_cell_that_runs_again_is_running_whatever_its_old_record_says(tmp_path):
    record = make_record(status="oom", reason="out of memory")
    Store(tmp_path).write(record)
    claim = Claim(tmp_path, record.cell)
    with claim:
        assert claim.take()
        (state,) = read_states(Store(tmp_path))
        assert (state.state, state.went_wrong, state.reason, state.created) == ("running", False, "", "")
    assert states_of(tmp_path) == {("cfm", "bagel"): "oom"}


def test_a_folder_that_is_not_there_holds_nothing(tmp_path):
    assert read_states(Store(tmp_path / "nowhere")) == []
    assert group_states([]) == ()


def test_groups_are_those_of_tables_and_rows_have_a_place_for_every_category():
    states = [
        CellState(make_cell("cfm", "foam"), "ok", created="2026-01-01T00:00:00+00:00"),
        CellState(make_cell("cfm", "bagel"), "planned"),
        CellState(make_cell("cfm[aggregate=2d]", "foam"), "running"),
        CellState(make_cell("cfm", "foam", shots=5), "failed", "x", "2026-01-01T00:00:00+00:00"),
        CellState(make_cell("cfm", "bump", dataset="toy", preset="quick"), "planned"),
    ]
    toy, few, full = group_states(states)
    assert toy.title == "Toy (embedded), all training samples, preset quick, pretrained weights"
    assert toy.categories == ("bump", "ridge")
    assert few.title.startswith("MVTec 3D-AD, 5 training samples (split first)")
    assert list(full.methods) == ["cfm", "cfm[aggregate=2d]"]
    assert {name: state.state for name, state in full.methods["cfm"].items()} == {"foam": "ok", "bagel": "planned"}
    assert len(full.categories) == 10
    assert [len(group.states) for group in (toy, few, full)] == [1, 1, 3]


def test_of_two_cells_of_a_category_the_newer_counts_and_what_is_to_come_is_newest():
    old = CellState(make_cell(data_digest="before"), "ok", created="2026-01-01T00:00:00+00:00")
    new = CellState(make_cell(), "oom", "x", created="2026-02-01T00:00:00+00:00")
    planned = CellState(make_cell(data_digest="after"), "planned")
    for states, state in (([old, new], "oom"), ([new, old], "oom"), ([planned, new, old], "planned")):
        (group,) = group_states(states)
        assert [found.state for found in group.states] == [state]
        assert group.replaced == 1


@given(st.lists(st.sampled_from(["ok", *WRONG, "running", "planned"]), min_size=1, max_size=30))
def test_counts_add_up_and_name_what_occurs(names):
    counts = count_states([CellState(make_cell(), name) for name in names])
    assert sum(counts.values()) == len(names)
    assert set(counts) == set(names)
    told = counts_text(counts)
    assert told.startswith(f"{names.count('ok')} of {len(names)} ok")
    assert all((f"{names.count(name)} {name}" in told) == (name in names) for name in set(names) - {"ok"})


def test_counts_in_words():
    names = ["ok"] * 12 + ["planned"] * 2 + ["failed", "running"]
    told = counts_text(count_states([CellState(make_cell(), name) for name in names]))
    assert told == "12 of 16 ok, 1 failed, 1 running, 2 planned"


@pytest.mark.parametrize(
    ("names", "said", "unsaid"),
    [
        (["ok", "ok"], ["harness tables"], ["--failed", "again", "at work"]),
        (["ok", "oom"], ["harness tables", "--failed", "same 'harness run' command again"], ["at work"]),
        (["planned"], ["same 'harness run' command again"], ["harness tables", "--failed"]),
        (["planned", "running"], ["A run is at work"], ["again", "harness tables"]),
    ],
)
def test_what_to_do_next(names, said, unsaid):
    told = " ".join(advice([CellState(make_cell(), name) for name in names]))
    assert all(part in told for part in said)
    assert not any(part in told for part in unsaid)


def test_the_log_is_that_of_the_cell_and_may_be_missing(tmp_path):
    store = Store(tmp_path)
    record = make_record(status="failed", reason="x")
    store.write(record)
    (state,) = read_states(store)
    assert state.log is None
    assert state.to_json()["log"] is None
    (tmp_path / "logs").mkdir()
    path = tmp_path / "logs" / f"{record.cell.stem}.log"
    path.touch()
    (state,) = read_states(store)
    assert state.log == path
    assert state.to_json()["log"] == os.fspath(path)


def test_a_query_chooses_states_and_one_without_a_record_has_no_status_and_no_device():
    measured, planned = make_record(), CellState(make_cell(category="foam"), "planned")
    ok = CellState(measured.cell, "ok", record=measured)
    chosen = {
        query: [state.state for state in (ok, planned) if state.is_meant(query)]
        for query in (RecordQuery(), RecordQuery(statuses=("ok",)), RecordQuery(device="cpu"), RecordQuery("toy"))
    }
    assert list(chosen.values()) == [["ok", "planned"], ["ok"], ["ok"], []]


def test_a_state_as_json_tells_a_cell_from_every_other():
    cell = make_cell("cfm[aggregate=2d]", shots=10, split="3", preset="quick", weights="random")
    plain = CellState(cell, "planned").to_json()
    assert plain["method"] == "cfm[aggregate=2d]"
    assert (plain["shots"], plain["split"], plain["preset"], plain["weights"]) == (10, "3", "quick", "random")
    assert (plain["id"], plain["created"]) == (cell.id, None)
    assert CellState(replace(cell, category="foam"), "planned").to_json()["id"] != cell.id
