"""Plans that are done are dropped, also by a run that finds nothing left to do."""

from __future__ import annotations

import json
from pathlib import Path

from harness.store.pending import save_pending, unfinished
from harness.store.store import Store

METHOD = "colour-distance"


def test_a_run_with_nothing_to_do_drops_what_an_interrupted_one_left(finish, tmp_path: Path) -> None:
    """As after a Ctrl-C between the last record of a run and the end of that run."""
    folder = tmp_path / "results"
    assert finish(METHOD, "--categories", "bagel", "--results", folder)[0] == 0
    (record,) = Store(folder).all()
    save_pending(folder, [record.cell])
    code, said = finish(METHOD, "--categories", "bagel", "--results", folder)
    assert code == 0
    assert "Nothing to do" in said
    assert not list((folder / "plans").iterdir())


def test_a_plan_with_an_unmeasured_cell_is_kept(finish, tmp_path: Path) -> None:
    folder = tmp_path / "results"
    assert finish(METHOD, "--categories", "bagel", "--results", folder)[0] == 0
    (record,) = Store(folder).all()
    other = type(record.cell).from_json(record.cell.to_json() | {"category": "peach"})
    save_pending(folder, [record.cell, other])
    assert finish(METHOD, "--categories", "bagel", "--results", folder)[0] == 0
    (plan,) = (folder / "plans").iterdir()
    assert len(json.loads(plan.read_text())) == 2
    assert [cell.category for cell in unfinished(folder)] == ["peach"]
