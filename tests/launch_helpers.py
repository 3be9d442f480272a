"""Looking at processes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something is so; fail where it takes too long."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def alive(pids: list[int]) -> list[int]:
    """Return those process ids that are running, zombies left out."""
    states = {pid: _state(pid) for pid in pids}
    return [pid for pid, state in states.items() if state not in ("", "Z")]


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def workers_of(folder: Path, module: bytes = b"harness.running") -> list[int]:
    """Return the process ids of workers started in a folder, or of their guards by the name of that module."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            if (process / "cwd").readlink() == folder and module in words:
                found.append(int(process.name))
        except OSError:
            continue
    return alive(found)
