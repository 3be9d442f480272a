"""The GPUs of this machine by nvidia-smi; torch is not imported."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Collection, Sequence

from harness.store.environment import Gpu

__all__ = ["compute_processes", "count_others", "list_gpus", "parse_compute_processes"]


def list_gpus() -> tuple[tuple[Gpu, ...], str]:
    """Return every GPU, and the reason where there is none."""
    answer, reason = _query("--query-gpu=name,memory.total,driver_version")
    return tuple(Gpu(*row[:3]) for row in _rows(answer)), reason


def compute_processes() -> dict[str, list[int | None]]:
    """Return the present processes as :func:`parse_compute_processes`; empty where nvidia-smi fails."""
    return parse_compute_processes(_query("--query-compute-apps=gpu_uuid,pid")[0])


def parse_compute_processes(text: str) -> dict[str, list[int | None]]:
    """Read lines of ``<uuid of a GPU>, <process id>``.

    Returns
    -------
    dict
        Process ids by UUID without its ``GPU-``; None for a process whose id is withheld.
    """
    processes: dict[str, list[int | None]] = {}
    for uuid, pid, *_ in (row for row in _rows(text) if len(row) > 1):
        processes.setdefault(uuid.removeprefix("GPU-"), []).append(int(pid) if pid.isdecimal() else None)
    return processes


def count_others(listed: Sequence[int | None], own: Collection[int]) -> int | None:
    """Return how many processes on a GPU belong to others; None where no process at all is listed.

    Parameters
    ----------
    listed
        Of :func:`compute_processes`, for a GPU that this process uses.
    own
        Ids of this process and its descendants. In a container nvidia-smi may list them under ids of the host: where
        none of them is listed, one of the listed processes is taken for this process.
    """
    if not listed:
        return None
    others = [pid for pid in listed if pid not in own]
    return len(others) - (len(others) == len(listed))


def _rows(text: str) -> list[list[str]]:
    return [[part.strip() for part in line.split(",")] for line in text.splitlines() if line.strip()]


def _query(query: str) -> tuple[str, str]:
    """Return the output of nvidia-smi, or the reason why there is none."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return "", "nvidia-smi is not installed"
    command = [tool, query, "--format=csv,noheader"]
    try:
        return subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=30, check=True
        ).stdout, ""
    except (OSError, subprocess.SubprocessError) as error:
        return "", f"nvidia-smi fails: {error}"
