"""What the cells of a class of methods need of a node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal

from harness import registry
from harness.plan.job import Job
from harness.slurm.settings import SlurmSettings
from harness.store.record import Record

__all__ = ["Needs", "NodeClass", "classes_of", "devices_of", "needs_of", "options_of"]

NodeClass = Literal["gpu", "cpu", "any"]
"""Nodes with a GPU; nodes whose GPUs, if any, stay free; nodes that may have one or not."""

_GPU_OPTIONS = (
    *("gpus", "gpus-per-node", "gpus-per-socket", "gpus-per-task", "ntasks-per-gpu", "cpus-per-gpu", "mem-per-gpu"),
    *("gpu-bind", "gpu-freq"),
)
_CORES = ("cpus-per-task", "cpus-per-gpu")
_MEMORY = ("mem", "mem-per-cpu", "mem-per-gpu")
_BASE_MB = 3000
"""Memory of a puller beside what records count: the interpreter, the libraries, samples."""
_MARGIN = 1.5
"""Peaks of another category may be higher."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What the cells of a class need.

    Parameters
    ----------
    cores
        Those that one of them can use.
    memory_mb
        Host memory in MB (1e6 bytes), by the peaks of earlier records; None where there is none.
    """

    cores: int
    memory_mb: int | None = None


def classes_of(jobs: Sequence[Job], devices: Sequence[str], settings: SlurmSettings) -> dict[NodeClass, list[Job]]:
    """Sort the cells of a plan by the nodes that they go to.

    Parameters
    ----------
    jobs
        Cells that are to run.
    devices
        As typed. ``auto`` means nodes with a GPU where the settings ask Slurm for one.
    settings
        Which say so.
    """
    if all(name == "cpu" for name in devices):
        return {"cpu": list(jobs)} if jobs else {}
    if all(name == "auto" for name in devices) and not _asks_for_gpu(settings.options):
        return {"any": list(jobs)} if jobs else {}
    classes: dict[NodeClass, list[Job]] = {}
    for job in jobs:
        uses_gpu = registry.load(job.cell.method).meta.uses_gpu
        classes.setdefault("gpu" if uses_gpu else "cpu", []).append(job)
    return classes


def devices_of(node_class: NodeClass, devices: Sequence[str]) -> tuple[str, ...]:
    """Return the names of devices that pullers resolve on nodes of a class.

    Where Slurm lends a GPU, ``auto`` means that GPU: a node that can't use it is an error, not slow numbers.
    """
    if node_class == "cpu":
        return ("cpu",)
    return tuple("cuda" if node_class == "gpu" and name == "auto" else name for name in devices)


def needs_of(jobs: Iterable[Job], records: Iterable[Record]) -> Needs:
    """Return what the cells of a class need, of which there is at least one.

    Parameters
    ----------
    jobs
        Its cells.
    records
        Earlier ones; those of the same methods on a CPU tell how much memory a cell takes.
    """
    methods = {job.cell.method for job in jobs}
    peaks = [
        peak.mb
        for record in records
        if record.cell.method in methods and record.status == "ok" and record.environment.device == "cpu"
        for peak in (record.memory.peak_fit, record.memory.peak_inference)
        if peak is not None and peak.mb is not None
    ]
    memory = ceil(_BASE_MB + _MARGIN * max(peaks)) if peaks else None
    return Needs(max(registry.load(method).meta.cores for method in methods), memory)


def options_of(node_class: NodeClass, needs: Needs, settings: SlurmSettings) -> dict[str, str]:
    """Return the options of ``sbatch`` for the cells of a class; those that a user gave win.

    A cell measures time, so its puller shares no node (``exclusive``) unless the user says ``exclusive=no``.
    """
    options = {"exclusive": "", "cpus-per-task": str(needs.cores)}
    if needs.memory_mb is not None and node_class == "cpu":
        options["mem"] = f"{needs.memory_mb}M"
    if node_class == "gpu" and not _asks_for_gpu(settings.options):
        options["gres"] = "gpu:1"
    given = dict(settings.options)
    if node_class == "cpu":
        given = {key: value for key, value in given.items() if not _is_gpu_option(key, value)}
        given |= settings.cpu_options
    for replaced in (_CORES, _MEMORY):
        if any(key in given for key in replaced):
            options = {key: value for key, value in options.items() if key not in replaced}
    return {key: value for key, value in (options | given).items() if value != "no"}


def _asks_for_gpu(options: Mapping[str, str]) -> bool:
    return any(_is_gpu_option(key, value) for key, value in options.items())


def _is_gpu_option(key: str, value: str) -> bool:
    return key in _GPU_OPTIONS or (key == "gres" and value.startswith(("gpu", "shard", "mps")))
