"""Options that several verbs share, and option types of this project."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import click

from harness.cli.completion import complete
from harness.durations import seconds_in
from harness.errors import UsageError
from harness.files.paths import user_path
from harness.registry import split_list

__all__ = [
    "FILE",
    "FOLDER",
    "Duration",
    "NameList",
    "UserPath",
    "choice_option",
    "data_option",
    "device_option",
    "devices_option",
    "json_option",
    "names_argument",
    "names_option",
    "results_option",
    "source_option",
    "unverified_option",
    "variable_option",
    "was_typed",
    "weights_dir_option",
]

_Decorator = Callable[[Any], Any]

if TYPE_CHECKING:
    _Names = click.ParamType[tuple[str, ...]]
    _Number = click.ParamType[float]
else:  # generic only in recent versions of click
    _Names = _Number = click.ParamType


class UserPath(click.Path):
    """A path, in which ``~`` is the home folder also where no shell has expanded it."""

    def __init__(self, *, file_okay: bool = True, dir_okay: bool = True) -> None:
        super().__init__(file_okay=file_okay, dir_okay=dir_okay, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path; raise UsageError where it can't be one."""
        return super().convert(user_path(value), param, ctx)


FILE = UserPath(dir_okay=False)
FOLDER = UserPath(file_okay=False)


class NameList(_Names):
    """Names between commas; commas inside brackets belong to a name."""

    name = "names"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Split a text; pass a tuple on. A list without a name is refused: it would choose nothing, or everything."""
        if isinstance(value, tuple):
            return value
        names = tuple(split_list(str(value)))
        if not names:
            self.fail(f"'{value}' names nothing: give at least one name, or leave it out.", param, ctx)
        return names

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Return how help shows the value."""
        return "NAME[,NAME...]"


class Duration(_Number):
    """A time in seconds: ``90``, ``90s``, ``30m``, ``2h``, ``30d``."""

    name = "time"
    _LONGEST: ClassVar[float] = 1e9  # thirty years: what waits takes no longer time

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Parse a text; pass a number on."""
        seconds = seconds_in(str(value).strip()) or 0.0
        if not 0 < seconds <= self._LONGEST:
            self.fail(f"'{value}' is not a valid time: write 90s, 30m, 2h or 30d.", param, ctx)
        return seconds


def _join(ctx: click.Context, param: click.Parameter, lists: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    """Flatten a repeated list of names, without repetitions."""
    return tuple(dict.fromkeys(name for names in lists for name in names))


def names_option(*declarations: str, help: str, default: str | None = None) -> _Decorator:
    """Return an option with names between commas that may be repeated; the function gets one tuple of names."""
    lists = None if default is None else [(default,)]
    return click.option(
        *declarations, type=NameList(), multiple=True, callback=_join, default=lists, shell_complete=complete, help=help
    )


def names_argument() -> _Decorator:
    """Return the argument ``NAMES``: names between commas or spaces; the function gets one tuple of names."""
    return click.argument("names", type=NameList(), nargs=-1, callback=_join, shell_complete=complete)


def variable_option(*declarations: str, variable: str, default: object = None, **attributes: Any) -> _Decorator:
    """Return an option that an environment variable sets, too; help shows both the variable and the default."""
    shown = {"show_envvar": True, "show_default": default is not None, **attributes}
    return click.option(*declarations, envvar=variable, default=default, **shown)


def choice_option(*declarations: str, choices: Sequence[str], help: str) -> _Decorator:
    """Return an option with several choices, of which the first is the default."""
    return click.option(*declarations, type=click.Choice(choices), default=choices[0], show_default=True, help=help)


def was_typed(ctx: click.Context, name: str) -> bool:
    """Return whether a parameter is from the command line itself, not from a variable or a file of settings."""
    return ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE


def _one_folder(ctx: click.Context, param: click.Parameter, folder: Path) -> Path:
    """Refuse a variable that names several folders, which verbs that read take: only one can be written to."""
    from_variable = ctx.get_parameter_source(param.name or "") is click.core.ParameterSource.ENVIRONMENT
    if from_variable and os.pathsep in str(folder):
        raise UsageError(
            f"{param.envvar} names several folders ({folder}), and records are written to one: name it with --results."
        )
    return folder


data_option = variable_option(
    "--data",
    type=UserPath(),
    variable="HARNESS_DATA",
    help="Folder of the dataset, or its parent folder.",
)
results_option = variable_option(
    "--results",
    type=FOLDER,
    variable="HARNESS_RESULTS",
    default=Path("results"),
    callback=_one_folder,
    help="Folder of records.",
)
weights_dir_option = variable_option(
    "--weights-dir",
    type=FOLDER,
    variable="HARNESS_WEIGHTS_DIR",
    help="Folder of pretrained weight files; the cache by default.",
)
unverified_option = click.option(
    "--unverified", is_flag=True, help="Accept weight files that differ from the published ones."
)
device_option = variable_option(
    "--device",
    variable="HARNESS_DEVICE",
    default="auto",
    help="cpu, cuda:0, ..., or auto: the first CUDA device, else the CPU.",
)
devices_option = variable_option(
    "--devices",
    "--device",
    "device",
    type=NameList(),
    variable="HARNESS_DEVICE",
    default="auto",
    help="cpu, cuda:0, ...; all: every CUDA device; auto: the first one, else the CPU. One cell at a time on each.",
)
source_option = choice_option("--source", choices=("both", "measured", "published"), help="Which numbers to show.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")
