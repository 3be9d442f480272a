"""The batch script of an array of pullers, each of which takes cells of a plan until none is left."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["PLAN", "PullerScript", "passed_environment"]

PLAN = "plan.json"
"""Name of the plan's file in the folder of a script."""

_PASSED = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "CONDA_PREFIX", "LANG", "LC_ALL")
_PREFIXES = ("HARNESS_", "OMP_", "MKL_", "OPENBLAS_", "TORCH_", "PYTORCH_", "CUBLAS_", "NVIDIA_TF32_")
_NOT_PASSED = ("HARNESS_CACHE", "HARNESS_RESULTS", "HARNESS_DEVICE", "HARNESS_TIMEOUT", "HARNESS_WORKER_TOKEN")
"""Set by the script or the plan."""

_END_TIME = """
# The end of the job, so that a puller takes no cell that it can't finish; older versions of Slurm don't set it.
if [ -z "${SLURM_JOB_END_TIME:-}" ]; then
    end=$(squeue --noheader --jobs="$SLURM_JOB_ID" --format=%e 2>/dev/null)
    if [ -n "$end" ] && end=$(date -d "$end" +%s 2>/dev/null); then export SLURM_JOB_END_TIME=$end; fi
fi
"""


@dataclass(frozen=True, slots=True)
class PullerScript:
    """A batch script.

    Parameters
    ----------
    name
        Of the job.
    folder
        Where the plan lies, and where what pullers print goes.
    tasks
        Size of the array.
    options
        Of ``sbatch``, by long name.
    setup
        Lines of shell that run first.
    environment
        Variables that the pullers get; they get no other of this process.
    current
        Folder that they run in.
    """

    name: str
    folder: Path
    tasks: int
    options: Mapping[str, str]
    setup: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    current: Path = field(default_factory=Path.cwd)

    def text(self) -> str:
        """Return the script."""
        ours = {
            "job-name": self.name,
            "array": f"0-{self.tasks - 1}",
            "output": f"{_literal(self.folder)}/puller-%A_%a.log",
            "chdir": str(self.current),
            "nodes": "1",
            "ntasks": "1",
            "export": "NIL",  # the environment is that of the script alone
            "no-requeue": "",  # a node that is taken for dead may go on writing: what is lost is submitted again
            "signal": "B:TERM@60",
        }
        header = [
            f"#SBATCH --{key}{f'={_quoted(value)}' if value else ''}" for key, value in {**ours, **self.options}.items()
        ]
        exports = [f"export {name}={shlex.quote(value)}" for name, value in self.environment.items()]
        python = [sys.executable, "-P", "-m"]
        plan = self.folder / PLAN
        probe = shlex.join([*python, "harness.slurm.lock_probe", str(self.folder)])
        puller = shlex.join([*python, "harness", "run", "--plan", str(plan)])
        cache = 'export HARNESS_CACHE="${SLURM_TMPDIR:-${TMPDIR:-/tmp}}/harness-$(id -u)"'
        lines = ["#!/bin/bash -l", *header, "", *exports, cache, *self.setup, _END_TIME.strip(), f"{probe} || exit"]
        return "\n".join([*lines, f"exec {puller}", ""])


def passed_environment() -> dict[str, str]:
    """Return the variables of this process that pullers get: where modules lie, and what changes numbers."""
    passed = {name: value for name, value in os.environ.items() if name in _PASSED or name.startswith(_PREFIXES)}
    return {name: passed[name] for name in sorted(passed) if name not in _NOT_PASSED}


def _literal(path: Path) -> str:
    """Return a path in which Slurm replaces nothing."""
    return str(path).replace("%", "%%")


def _quoted(value: str) -> str:
    return f'"{value}"' if " " in value else value
