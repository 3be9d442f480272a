"""Options that several verbs share, and option types of this project."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import click

from harness.registry import split_list

__all__ = [
    "Duration",
    "NameList",
    "data_option",
    "device_option",
    "devices_option",
    "join",
    "json_option",
    "results_option",
    "weights_dir_option",
]

_Function = Callable[..., Any]


if TYPE_CHECKING:
    _Names = click.ParamType[tuple[str, ...]]
    _Number = click.ParamType[float]
else:  # generic only in recent versions of click
    _Names = _Number = click.ParamType


class NameList(_Names):
    """Names between commas; commas inside brackets belong to a name. Options of this type may be repeated."""

    name = "names"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Split a text; pass a tuple on."""
        return value if isinstance(value, tuple) else tuple(split_list(str(value)))

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Return how help shows the value."""
        return "NAME[,NAME...]"


def join(values: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Flatten a repeated :class:`NameList` option, without repetitions."""
    return tuple(dict.fromkeys(name for part in values for name in part))


def data_option(function: _Function) -> _Function:
    """Add ``--data``."""
    return click.option(
        "--data",
        type=click.Path(path_type=Path),
        envvar="HARNESS_DATA",
        show_envvar=True,
        help="Folder of the dataset, or one that holds it.",
    )(function)


def results_option(function: _Function) -> _Function:
    """Add ``--results``."""
    return click.option(
        "--results",
        type=click.Path(path_type=Path, file_okay=False),
        envvar="HARNESS_RESULTS",
        show_envvar=True,
        default=Path("results"),
        show_default=True,
        help="Folder of records.",
    )(function)


def weights_dir_option(function: _Function) -> _Function:
    """Add ``--weights-dir``."""
    return click.option(
        "--weights-dir",
        type=click.Path(path_type=Path, file_okay=False),
        envvar="HARNESS_WEIGHTS_DIR",
        show_envvar=True,
        help="Folder of pretrained weight files; the cache by default.",
    )(function)


def device_option(function: _Function) -> _Function:
    """Add ``--device``."""
    return click.option(
        "--device",
        envvar="HARNESS_DEVICE",
        show_envvar=True,
        default="auto",
        show_default=True,
        help="cpu, cuda:0, ..., or auto: the first CUDA device, else the CPU.",
    )(function)


def devices_option(function: _Function) -> _Function:
    """Add ``--devices``."""
    return click.option(
        "--devices",
        "--device",
        "device",
        type=NameList(),
        envvar="HARNESS_DEVICE",
        show_envvar=True,
        default="auto",
        show_default=True,
        help="cpu, cuda:0, ...; all: every CUDA device; auto: the first one, else the CPU. One cell at a time on each.",
    )(function)


class Duration(_Number):
    """A time in seconds: ``90``, ``90s``, ``30m``, ``2h``, ``30d``."""

    name = "time"
    _UNITS: ClassVar[dict[str, float]] = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Parse a text; pass a number on."""
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", str(value).strip())
        if match is None or float(match[1]) <= 0:
            self.fail(f"'{value}' is no time: write 90s, 30m, 2h or 30d.", param, ctx)
        return float(match[1]) * self._UNITS[match[2]]


def json_option(function: _Function) -> _Function:
    """Add ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")(function)
