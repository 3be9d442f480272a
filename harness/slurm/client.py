"""The commands of Slurm: submit, ask, cancel. Nothing is asked of ``sacct``, which many clusters lack."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import PrerequisiteError

__all__ = ["ControllerAwayError", "Task", "cancel", "cluster_value", "queued_tasks", "submit"]

_SECONDS = 60.0
"""A call that takes longer is as good as no answer; a controller that is away makes it take 9 s."""
_TRIES = 4
_PAUSE_SECONDS = 2.0
"""Before the second try to submit; doubled before each further one."""

_FIELDS = "%F|%K|%T|%N|%r"
_UNKNOWN = "Invalid job id"
_AWAY = ("Unable to contact", "Socket timed out", "Connection refused", "Zero Bytes", "Communication", "temporarily")

_QUEUED = ("PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD")
_RUNNING = ("RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING")


class ControllerAwayError(Exception):
    """The controller does not answer; the message is that of Slurm's command."""


class _RefusedError(PrerequisiteError):
    """A command has failed although the controller has answered."""


@dataclass(frozen=True, slots=True)
class Task:
    """A task of an array as ``squeue`` shows it.

    Parameters
    ----------
    job
        Id of the array.
    index
        Of the task.
    state
        In Slurm's words: ``PENDING``, ``RUNNING``, ``TIMEOUT``, ...
    host
        Node that it runs on; empty where it has none.
    reason
        Why it waits, in Slurm's words.
    """

    job: int
    index: int
    state: str
    host: str = ""
    reason: str = ""

    @property
    def name(self) -> str:
        """The task as ``scancel`` takes it: ``17_3``."""
        return f"{self.job}_{self.index}"

    @property
    def is_queued(self) -> bool:
        """Whether it waits for a node."""
        return self.state in _QUEUED

    @property
    def is_running(self) -> bool:
        """Whether a node may still work for it."""
        return self.state in _RUNNING

    @property
    def is_live(self) -> bool:
        """Whether it may still measure something."""
        return self.is_queued or self.is_running


def submit(script: Path) -> int:
    """Submit a batch script and return the id of its job.

    A controller that does not answer is asked again for some seconds. Where it took the job all the same and only its
    answer was lost, the job finds no cell that is free.

    Raises
    ------
    PrerequisiteError
        Where there is no ``sbatch``, where the controller stays away, and where Slurm refuses the job.
    """
    pause = _PAUSE_SECONDS
    for left in reversed(range(_TRIES)):
        try:
            printed = _call("sbatch", "--parsable", str(script))
        except ControllerAwayError as error:
            if not left:
                raise PrerequisiteError(
                    f"Slurm's controller does not answer ({error}): run the same command again when it does."
                ) from error
            time.sleep(pause)
            pause *= 2
            continue
        match = re.match(r"(\d+)(;|$)", printed.strip().splitlines()[-1] if printed.strip() else "")
        if match is None:
            raise PrerequisiteError(f"sbatch printed no job id but '{printed.strip()}': see {script}.")
        return int(match[1])
    raise AssertionError("unreachable")


def queued_tasks(name: str, jobs: Iterable[int]) -> tuple[Task, ...]:
    """Return the tasks of arrays that Slurm knows, also those that ended a short time ago; what is gone is left out.

    Parameters
    ----------
    name
        Of the jobs: ids may be those of other jobs by now.
    jobs
        Ids of the arrays.

    Raises
    ------
    ControllerAwayError
        Where the controller does not answer, or with nothing but an error: nothing is known of the tasks then.
    PrerequisiteError
        Where there is no ``squeue``.
    """
    ids = ",".join(map(str, jobs))
    if not ids:
        return ()
    chosen = (f"--jobs={ids}", f"--name={name}")
    try:
        printed = _call("squeue", "--noheader", "--array", "--states=all", *chosen, f"--format={_FIELDS}")
    except _RefusedError as error:
        if _UNKNOWN in str(error):
            return ()
        raise ControllerAwayError(str(error)) from error
    return tuple(task for line in printed.splitlines() if (task := _task(line)) is not None)


def cancel(name: str, jobs: Sequence[int]) -> None:
    """End jobs of a name; those that are gone already are passed over.

    Raises
    ------
    PrerequisiteError
        Where there is no ``scancel``, where the controller does not answer, and where a job is not this user's.
    """
    for job in jobs:
        try:
            _call("scancel", f"--name={name}", str(job))
        except ControllerAwayError as error:
            raise PrerequisiteError(
                f"Slurm's controller does not answer ({error}), so the jobs go on: try again when it does."
            ) from error
        except _RefusedError as error:
            if _UNKNOWN not in str(error):
                raise


def cluster_value(name: str) -> str:
    """Return a setting of the cluster, such as ``MaxArraySize``; empty where it has none of this name.

    Raises
    ------
    PrerequisiteError
        Where there is no ``scontrol``, and where the controller does not answer.
    """
    try:
        printed = _call("scontrol", "show", "config")
    except ControllerAwayError as error:
        raise PrerequisiteError(f"Slurm's controller does not answer ({error}): try again when it does.") from error
    match = re.search(rf"^{re.escape(name)}\s*=\s*(.*?)\s*$", printed, re.MULTILINE)
    return match[1] if match else ""


def _call(*command: str) -> str:
    """Run a command and return what it prints.

    Raises
    ------
    ControllerAwayError
        Where the controller does not answer.
    PrerequisiteError
        Where the command is missing; :class:`_RefusedError` where it fails for another reason.
    """
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_SECONDS,
            check=False,
            env=_environment(),
            start_new_session=True,  # Ctrl-C ends the following, not a call that is under way
        )
    except FileNotFoundError as error:
        raise PrerequisiteError(
            f"There is no command '{command[0]}' here: run on a login node of a Slurm cluster, "
            "or leave out '--launcher slurm' to measure on this machine."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise ControllerAwayError(f"{command[0]} gave no answer within {_SECONDS:g} s") from error
    except OSError as error:
        raise PrerequisiteError(f"{command[0]} can't be started ({error.strerror}): see your PATH.") from error
    if done.returncode == 0:
        return done.stdout
    said = " ".join((done.stderr or done.stdout).split()) or f"exit code {done.returncode}"
    if any(phrase in said for phrase in _AWAY):
        raise ControllerAwayError(said)
    raise _RefusedError(f"{command[0]} failed: {said}.")


def _environment() -> dict[str, str]:
    """Return the environment without variables that change what these commands do or print."""
    prefixes = ("SBATCH_", "SQUEUE_", "SCANCEL_", "SLURM_TIME_FORMAT")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
    return {**kept, "LC_ALL": "C"}


def _task(line: str) -> Task | None:
    """Read a line of ``squeue``; None where it is none."""
    parts = line.split("|")
    if len(parts) != 5:
        return None
    array, index, state, host, reason = (part.strip() for part in parts)
    if not (array.isdecimal() and state):
        return None
    position = int(index) if index.isdecimal() else 0
    return Task(int(array), position, state, "" if host in ("", "n/a") else host, "" if reason == "None" else reason)
