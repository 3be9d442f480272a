"""What a user tells Slurm: ``--slurm key=value,...`` over ``[tool.harness.slurm]``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from harness.durations import seconds_in
from harness.errors import UsageError
from harness.registry import split_list

__all__ = ["SlurmSettings", "read_slurm_settings"]

_OURS = (
    *("array", "chdir", "error", "export", "export-file", "get-user-env", "input", "job-name", "no-requeue", "nodes"),
    *("ntasks", "open-mode", "output", "parsable", "requeue", "signal", "test-only", "wait", "wrap"),
)
"""Options of ``sbatch`` that the harness sets itself."""

_YES, _NO = ("", "yes", "true"), ("no", "false")
_LONGEST_WAIT_SECONDS = 86400.0
_CPU = "cpu"
_FORM = "write --slurm partition=gpu,gres=gpu:1,time=8h"


@dataclass(frozen=True, slots=True)
class SlurmSettings:
    """What a user tells Slurm.

    Parameters
    ----------
    options
        Long options of ``sbatch``, without dashes, and their values: empty for an option that takes none, ``no`` for
        one that shall not be set although it is by default.
    cpu_options
        The same for cells of methods that use no GPU; they replace those of ``options``.
    setup
        Lines of shell that run before each puller.
    pullers
        Number of pullers; None where it is not set.
    poll_seconds
        Time between two questions to the controller.
    look_again_seconds
        Time that a job may be gone before its cell is taken for lost: a shared folder may show a file late.
    """

    options: Mapping[str, str] = field(default_factory=dict)
    cpu_options: Mapping[str, str] = field(default_factory=dict)
    setup: tuple[str, ...] = ()
    pullers: int | None = None
    poll_seconds: float = 15.0
    look_again_seconds: float = 60.0


def read_slurm_settings(
    table: Mapping[str, object], given: Iterable[str] = (), setup: Sequence[str] = (), pullers: int | None = None
) -> SlurmSettings:
    """Join the settings of a project and of a command line, which wins.

    Parameters
    ----------
    table
        ``[tool.harness.slurm]``: options of ``sbatch``, ``setup``, ``workers``, ``poll``, ``look-again``, and a table
        ``cpu`` with options for cells of methods that use no GPU.
    given
        Texts ``key=value`` or ``key`` between commas; ``cpu.key=value`` stands for a key of the table ``cpu``.
    setup
        Lines of shell; where there are any, they replace those of the project.
    pullers
        As given; None where it is not.

    Raises
    ------
    UsageError
        For a key that is not an option or that the harness sets itself, and for a value of a wrong kind.
    """
    options: dict[str, str] = {}
    cpu_options: dict[str, str] = {}
    settings: dict[str, object] = {}
    for name, value in table.items():
        key = name.replace("_", "-")
        if key in ("setup", "workers"):
            settings[key] = value
        elif key == _CPU:
            if not isinstance(value, Mapping):
                raise UsageError("[tool.harness.slurm] sets 'cpu', which is a table: write [tool.harness.slurm.cpu].")
            cpu_options |= {_key(inner): _text(inner, text) for inner, text in value.items()}
        else:
            options[_key(name)] = _text(name, value)
    for part in (part for text in given for part in split_list(text)):
        name, _, value = part.partition("=")
        name, is_cpu = name.strip().removeprefix(f"{_CPU}."), name.strip().startswith(f"{_CPU}.")
        (cpu_options if is_cpu else options)[_key(name)] = value.strip()
    poll, look_again = options.pop("poll", "15s"), options.pop("look-again", "60s")
    return SlurmSettings(
        options=_checked(options),
        cpu_options=_checked(cpu_options),
        setup=tuple(setup) or _lines(settings.get("setup", ())),
        pullers=pullers if pullers is not None else _pullers(settings.get("workers")),
        poll_seconds=_wait("poll", poll),
        look_again_seconds=_wait("look-again", look_again),
    )


def _key(name: str) -> str:
    key = name.removeprefix("--").replace("_", "-")
    if key in _OURS:
        raise UsageError(f"'{key}' is an option of sbatch that harness sets itself: leave it out.")
    if not re.fullmatch(r"[a-z][a-z0-9-]*", key):
        raise UsageError(f"'{name}' is not a long option of sbatch: {_FORM}.")
    return key


def _text(key: str, value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str | int | float):
        return str(value)
    raise UsageError(f"[tool.harness.slurm] sets '{key}' to neither a text nor a number: correct the value.")


def _checked(options: Mapping[str, str]) -> dict[str, str]:
    """Return options with values as ``sbatch`` takes them: times in minutes, nothing for ``yes``."""
    checked = {}
    for key, value in options.items():
        if not value.isprintable() or '"' in value or "#" in value:
            raise UsageError(f"{value!r} is not a valid value of an option of sbatch ('{key}'): {_FORM}.")
        seconds = seconds_in(value, with_unit=True) if key in ("time", "time-min") else None
        if seconds is not None:
            value = str(max(1, int(-(-seconds // 60))))
        checked[key] = "" if value in _YES else "no" if value in _NO else value
    return checked


def _wait(key: str, text: str) -> float:
    seconds = seconds_in(text, with_unit=True) or 0.0
    if not 0 < seconds <= _LONGEST_WAIT_SECONDS:
        raise UsageError(f"'{key}={text}' is not a valid time of at most a day: write {key}=30s.")
    return seconds


def _lines(value: object) -> tuple[str, ...]:
    lines = [value] if isinstance(value, str) else value
    if not isinstance(lines, list | tuple) or not all(isinstance(line, str) for line in lines):
        raise UsageError("[tool.harness.slurm] sets 'setup' to no text: write setup = [\"module load cuda\"].")
    return tuple(lines)


def _pullers(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UsageError(f"[tool.harness.slurm] sets 'workers' to {value!r}: give a number of 1 or more.")
    return value
