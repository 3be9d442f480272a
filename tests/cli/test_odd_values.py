"""Odd values of every option and argument: a documented exit code and a sentence, never a traceback or a hang."""

from __future__ import annotations

import os
import random
import stat
from pathlib import Path

import click
import pytest
from count_records import counted_record
from test_empty_values import COMMANDS

from harness.errors import ExitCode
from harness.store.store import Store

ODD = (
    "no-such-name",
    "no/such/path",
    "../outside",
    "/proc/no/such",
    "/dev/null",
    "folder",
    "file.txt",
    "unreadable",
    "fifo",
    "~nobody-of-that-name/x",
    "-1",
    "0",
    "1e400",
    "nan",
    "99999999999999999999",
    "0x10",
    "[/red]",
    "cfm[epochs=",
    "cfm[epochs=1,epochs=2]",
    "cfm]",
    "*",
    "x" * 5000,
    "\x1b[31mred\x1b[0m",
    "a\nb",
    "\udcff",
    "孔—≈",
    ",,a,,",
    "=",
    "./no.py:Class",
    "json",
    "all",
)
ALWAYS = {
    ("run",): ("--methods", "cfm", "--dry-run", "--shots", "5"),
    ("verify",): ("no-such-method",),
    ("weights", "fetch"): ("no-such-method",),
    ("data", "fetch"): ("no-such-dataset",),
}
"""What keeps a verb from work that takes minutes or needs the network."""

OPTIONS = [
    (path, option.opts[-1])
    for path, command in COMMANDS
    for option in command.params
    if isinstance(option, click.Option) and not option.is_flag and not isinstance(command, click.Group)
]
ARGUMENTS = [path for path, command in COMMANDS if any(isinstance(each, click.Argument) for each in command.params)]
CODES = {code.value for code in ExitCode} - {ExitCode.BUG, ExitCode.INTERRUPTED}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with results and with files of odd kinds."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    store = Store(folder / "results")
    store.write(counted_record(store, "cfm", "bump", 0, dataset="toy", shots=10, preset="quick", weights="random"))
    (folder / "folder").mkdir()
    (folder / "file.txt").write_text("\x00\xff")
    (folder / "unreadable").write_text("x")
    (folder / "unreadable").chmod(0)
    os.mkfifo(folder / "fifo")
    return folder


def _check(call, words: tuple[str, ...]) -> None:
    outcome = call(*words)
    assert outcome.code in CODES, (words, outcome)
    assert outcome.code == 0 or outcome.err.strip(), (words, "without a word")
    assert "Traceback" not in outcome.err + outcome.out, words
    assert "\x1b[31m" not in outcome.err + outcome.out, words


@pytest.mark.parametrize("part", range(6))
def test_odd_values_of_options(call, place: Path, part: int) -> None:
    pairs = [(path, option, value) for path, option in OPTIONS for value in ODD]
    chosen = random.Random(0).sample(pairs, 300)
    for path, option, value in chosen[part::6]:
        _check(call, (*path, *ALWAYS.get(path, ()), f"{option}={value}" if option.startswith("--") else value))
    assert stat.S_ISFIFO((place / "fifo").stat().st_mode)
    assert (place / "file.txt").read_text() == "\x00\xff"


def test_odd_arguments(call, place: Path) -> None:
    for path in ARGUMENTS:
        for value in random.Random(str(path)).sample([value for value in ODD if value not in ("all", "*")], 10):
            if path != ("run",) and not value.startswith("-"):
                _check(call, (*path, value))
