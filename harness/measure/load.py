"""Other load on the machine and on the device while something is measured."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter, process_time

from harness.measure.gpus import compute_processes, count_others, gpu_state
from harness.store.environment import GpuState

__all__ = ["CpuTimes", "LoadWatch", "OtherLoad", "beside_on_gpu", "cpu_times", "other_load"]

_LIMIT = 0.10
"""Share of the cores that other processes may use: a method on all cores is slowed by about as much."""

_LIMIT_BESIDE_GPU = 0.50
"""The same for a CUDA device, which needs a single core of the host."""

_LEAST_SECONDS = 0.25
"""Below this the kernel's ticks of 10 ms are too coarse to detect a tenth of a core."""


@dataclass(frozen=True, slots=True)
class OtherLoad:
    """What else ran during a measurement.

    Parameters
    ----------
    contended
        Whether it was enough to disturb times; False where unknown.
    sentence
        Why, or why it is unknown; empty where nothing disturbed.
    cores
        Cores that other processes kept busy on average; None where unknown.
    gpu
        The CUDA device at the end; None on a CPU and where that is unknown.
    """

    contended: bool
    sentence: str
    cores: float | None
    gpu: GpuState | None = None


@dataclass(frozen=True, slots=True)
class CpuTimes:
    """Processor time up to a moment, in seconds over all cores that this process may use.

    Parameters
    ----------
    wall
        Wall time of the moment.
    busy
        Time during which these cores ran any process, and time the hypervisor gave to other machines (steal).
    own
        Time used by this process and its descendants.
    cores
        Number of these cores.
    """

    wall: float
    busy: float
    own: float
    cores: int


class LoadWatch:
    """Watches other load from construction to :meth:`finish`.

    Parameters
    ----------
    device
        Torch device name that the measurement runs on; it has been used before.
    """

    def __init__(self, device: str) -> None:
        self._device = device if device.startswith("cuda") else None
        self._beside = self._others_on_gpu()
        self._cores = _allowed_cores()
        self._begin = cpu_times(self._cores)

    def finish(self) -> OtherLoad:
        """Return what else ran since construction."""
        end = cpu_times(self._cores)
        if self._device is None:
            return other_load(self._begin, end, _LIMIT)
        state = gpu_state(self._uuid())
        load = other_load(self._begin, end, _LIMIT_BESIDE_GPU)
        return replace(beside_on_gpu(load, [self._beside, self._others_on_gpu()]), gpu=state)

    def _uuid(self) -> str:
        import torch

        return str(getattr(torch.cuda.get_device_properties(self._device), "uuid", ""))

    def _others_on_gpu(self) -> int | None:
        if self._device is None:
            return None
        listed = compute_processes().get(self._uuid().removeprefix("GPU-"), [])
        return count_others(listed, {os.getpid(), *dict(_descendants())})


def other_load(begin: CpuTimes | None, end: CpuTimes | None, limit: float) -> OtherLoad:
    """Return the load by other processes between two moments.

    Parameters
    ----------
    begin, end
        Times of the same cores; None where unknown.
    limit
        Share of the cores above which times are disturbed.
    """
    if begin is None or end is None:
        return OtherLoad(False, "other load is unknown: this system has no /proc/stat", None)
    seconds = end.wall - begin.wall
    if seconds < _LEAST_SECONDS:
        return OtherLoad(False, f"other load is unknown: {seconds:.2f} s are too short to tell", None)
    others = max(0.0, (end.busy - begin.busy) - (end.own - begin.own)) / seconds
    contended = others > limit * end.cores
    sentence = f"other processes used {others:.2f} of {end.cores} cores on average, more than {limit:.0%}"
    return OtherLoad(contended, sentence if contended else "", round(others, 3))


def beside_on_gpu(load: OtherLoad, others: Sequence[int | None]) -> OtherLoad:
    """Add the numbers of other processes on the GPU at several moments to the load; None for an unknown number."""
    most = max((count for count in others if count is not None), default=0)
    on_gpu = ""
    if most:
        on_gpu = f"{most} other process{'es' if most > 1 else ''} used the GPU"
    elif None in others:
        on_gpu = "other processes on the GPU are unknown: the driver does not list even this one"
    return OtherLoad(load.contended or most > 0, "; ".join(filter(None, (on_gpu, load.sentence))), load.cores)


def cpu_times(cores: Collection[int]) -> CpuTimes | None:
    """Return the processor time up to now of some cores, by number; None where the system keeps no count."""
    try:
        lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    times = os.times()
    own = process_time() + times.children_user + times.children_system + sum(dict(_descendants()).values())
    names = {f"cpu{core}" for core in cores}
    rows = [row for row in map(str.split, lines) if row and row[0] in names]
    return CpuTimes(perf_counter(), sum(map(_busy_seconds, rows)), own, len(rows)) if rows else None


def _busy_seconds(row: Sequence[str]) -> float:
    """Return user, nice, system and steal of a line ``cpuN user nice system idle iowait irq softirq steal ...``."""
    ticks = sum(int(row[column]) for column in (1, 2, 3, 8))
    return ticks / os.sysconf("SC_CLK_TCK")


def _allowed_cores() -> frozenset[int]:
    """Return the cores that any thread of this process may use: a pool may have bound each thread to a core."""
    try:
        threads = [int(path.name) for path in Path("/proc/self/task").iterdir()]
        return frozenset().union(*(os.sched_getaffinity(thread) for thread in threads))
    except (OSError, AttributeError):
        return frozenset(range(os.cpu_count() or 1))


def _descendants() -> Iterator[tuple[int, float]]:
    """Yield id and processor time, in seconds, of every descendant, with that of the children it waited for."""
    children: dict[int, list[tuple[int, float]]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        seconds = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
        children.setdefault(int(fields[1]), []).append((int(path.parent.name), seconds))
    waiting = list(children.get(os.getpid(), ()))
    while waiting:
        process = waiting.pop()
        yield process
        waiting.extend(children.get(process[0], ()))
