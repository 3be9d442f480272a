"""Who holds a claim: told to others, lost with the process, and never two at a time."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mutations import mutated_bytes
from report_records import make_cell, make_record
from slurm_runs import held

from harness.report.status import read_states
from harness.store.claims import Claim, ClaimLostError, Holder, holders, is_running, lost_holders, require_claim
from harness.store.pending import drop_finished, save_pending
from harness.store.store import Store

CELL = make_cell("cfm", "bagel")
JOB = {"SLURM_JOB_ID": "124", "SLURM_ARRAY_JOB_ID": "123", "SLURM_ARRAY_TASK_ID": "4", "SLURM_RESTART_COUNT": "2"}


@pytest.mark.parametrize(
    ("variables", "name", "restart"),
    [
        (JOB, "123_4", 2),
        ({"SLURM_JOB_ID": "124"}, "124", 0),
        ({"SLURM_JOB_ID": "124", "SLURM_RESTART_COUNT": "often"}, "124", 0),
        ({}, "", 0),
    ],
)
def test_a_claim_says_who_holds_it(tmp_path: Path, monkeypatch, variables, name, restart) -> None:
    for variable in JOB:
        monkeypatch.delenv(variable, raising=False)
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    with Claim(tmp_path, CELL) as claim:
        assert claim.take()
        (holder,) = holders(tmp_path).values()
        assert holder == claim.holder
        assert (holder.host, holder.pid) == (socket.gethostname(), os.getpid())
        assert (holder.job_name, holder.restart) == (name, restart)
        assert str(holder) == f"{holder.host}, {f'job {name}' if name else f'process {os.getpid()}'}"
        require_claim(tmp_path, CELL, holder.token)
        assert not Claim(tmp_path, CELL).take()
    assert not list((tmp_path / "locks").iterdir())
    with Claim(tmp_path, CELL) as again:
        assert again.take()
        assert again.holder.token != holder.token


def test_a_claim_that_was_just_taken_does_not_name_its_holder_yet(tmp_path: Path) -> None:
    """A signal to process 0 would go to the whole process group of the caller."""
    with Claim(tmp_path, CELL) as claim:
        assert claim.take()
        claim.path.with_suffix(".json").unlink()
        assert str(holders(tmp_path)[CELL.stem]) == "unknown machine, unknown process"
        assert held(tmp_path) == {}


def test_a_claim_that_another_has_taken_is_lost_and_its_files_are_left_alone(tmp_path: Path) -> None:
    first, second = Claim(tmp_path, CELL), Claim(tmp_path, CELL)
    assert first.take()
    first.path.unlink()  # the server of a network file system has dropped the lock
    assert second.take()
    assert (first.is_held, second.is_held) == (False, True)
    with pytest.raises(ClaimLostError, match=f"process {os.getpid()} has claimed it meanwhile"):
        require_claim(tmp_path, CELL, first.holder.token)
    first.release()
    holder = second.holder
    assert holders(tmp_path) == {CELL.stem: holder}
    second.release()
    for token in (holder.token, ""):
        with pytest.raises(ClaimLostError, match="its claim is gone"):
            require_claim(tmp_path, CELL, token)
    require_claim(None, CELL, "")


def test_a_cell_has_one_claim_whatever_machine_its_record_will_be_of(tmp_path: Path) -> None:
    Store(tmp_path).write(make_record("cfm", "bagel"))
    place = Store(tmp_path).on("another machine").folder
    with Claim(place, CELL) as claim:
        assert claim.take()
        assert not Claim(tmp_path, CELL).take()
        assert is_running(place, CELL)
        assert holders(tmp_path) == {CELL.stem: claim.holder}
        require_claim(place, CELL, claim.holder.token)
    assert not is_running(tmp_path, CELL)


def test_a_claim_without_a_holder_is_lost_until_the_cell_has_a_record(tmp_path: Path) -> None:
    save_pending(tmp_path, [CELL])
    claim = Claim(tmp_path, CELL)
    assert claim.take()
    gone = claim.holder
    claim.let_go()
    drop_finished(tmp_path)
    assert lost_holders(tmp_path) == {CELL.stem: gone}
    (state,) = read_states(Store(tmp_path))
    assert (state.state, state.reason, state.went_wrong, state.holder) == ("lost", f"{gone} is gone", False, gone)
    with Claim(tmp_path, CELL) as again:
        assert again.take()
        assert lost_holders(tmp_path) == {}
        (state,) = read_states(Store(tmp_path))
        assert (state.state, state.holder) == ("running", again.holder)
        again.let_go()
    Store(tmp_path).write(make_record("cfm", "bagel"))
    drop_finished(tmp_path)
    assert lost_holders(tmp_path) == {}
    assert not list((tmp_path / "locks").iterdir())


def content() -> bytes:
    with TemporaryDirectory() as name, Claim(Path(name), CELL) as claim:
        assert claim.take()
        return claim.path.with_suffix(".json").read_bytes()


@settings(max_examples=300, derandomize=True, deadline=None, database=None)
@given(
    mutated_bytes(content()) | st.sampled_from([b"[" * 100_000, b"x" * 20_000, b'{"host": "\\u001b[2J", "token": "1"}'])
)
def test_whatever_lies_beside_a_lock_is_a_holder_that_can_be_printed(odd: bytes) -> None:
    with TemporaryDirectory() as name, Claim(Path(name), CELL) as claim:
        assert claim.take()
        claim.path.with_suffix(".json").write_bytes(odd)
        (holder,) = holders(Path(name)).values()
        assert isinstance(holder, Holder)
        assert str(holder).isprintable()
        assert claim.is_held == (holder.token == claim.holder.token)
