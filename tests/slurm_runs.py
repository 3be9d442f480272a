"""Runs whose pullers a cluster starts: what they print, and what they leave."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from harness.store.claims import Holder, holders

Start = Callable[..., "subprocess.Popen[str]"]
Finish = Callable[..., tuple[int, str]]

CATEGORIES = ("bagel", "carrot")
SIZES = (16, 24, 32, 40, 48, 56)
"""Of the methods of a run: with two categories, twelve cells."""


def outcome(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for the end; return exit code and all that was printed, blanks folded."""
    printed, said = process.communicate(timeout=300)
    assert "Traceback" not in said
    return process.returncode, " ".join((printed + said).split())


def fits(gates: Path) -> Counter[str]:
    """Return how often the fit of each cell went through."""
    path = gates / "fits"
    lines = path.read_text().splitlines() if path.exists() else []
    return Counter(line.rpartition(" ")[0] for line in lines)


def held(results: Path) -> dict[str, Holder]:
    """Return who measures which cell, by array task.

    A claim that was just taken does not name its holder yet. A signal to its process id, 0, would go to the whole
    process group of the caller.
    """
    return {holder.job_name: holder for holder in holders(results).values() if holder.pid}
