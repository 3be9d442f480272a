"""Whether locks hold on a folder, asked of two processes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.files.lock_test import lock_problem


def test_locks_hold_here_and_nothing_is_left(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "locks"
    assert lock_problem(folder) == ""
    assert lock_problem(folder, ("env", "PYTHONSAFEPATH=1")) == ""
    assert list(folder.iterdir()) == []


def exits(code: int) -> tuple[str, ...]:
    return (sys.executable, "-c", f"import sys; print('no such node', file=sys.stderr); sys.exit({code})")


@pytest.mark.parametrize(
    ("launch", "said"),
    [
        (exits(11), "a process of another machine got a lock that was held"),
        (exits(10), "a process of another machine was refused a lock that was free"),
        (exits(12), "no such node"),
        (exits(1), "no such node"),
        (("no-such-command",), "No such file or directory"),
    ],
)
def test_what_does_not_hold_is_one_sentence(tmp_path: Path, launch: tuple[str, ...], said: str) -> None:
    """The second process is another one, that behaves as it would on such a file system."""
    problem = lock_problem(tmp_path, launch)
    assert problem.startswith(f"Locks don't hold on {tmp_path} ({said}")
    assert problem.count(". ") == 0
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_can_not_be_written_is_one_sentence() -> None:
    assert lock_problem(Path("/proc/x")).startswith("Locks don't hold on /proc/x (")
