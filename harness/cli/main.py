"""The command line that :mod:`harness.__main__` starts. A verb's module is imported when the verb is called."""

from __future__ import annotations

import io
import logging
import os
import sys
import traceback
from contextlib import suppress
from importlib import import_module
from typing import Any

import click

from harness.cli.output import WarningLines, echo, echo_notes
from harness.cli.requirements import unmet_requirement
from harness.cli.settings import read_settings
from harness.distribution import DISTRIBUTION, VERSION
from harness.errors import ExitCode, HarnessError
from harness.files.names import capped

__all__ = ["cli", "main"]

_VERBS = {
    "run": "Run methods on a dataset; ends with a table.",
    "status": "Show which cells are measured, missing or failed.",
    "cancel": "End the pullers that were submitted to a cluster.",
    "compare": "Say which method is best, by how much, at what cost.",
    "tables": "Print measured numbers next to published ones.",
    "plot": "Draw figures for a paper.",
    "show": "Draw anomaly maps next to image, cloud and ground truth.",
    "report": "Write all results as HTML pages.",
    "merge": "Merge results folders into one.",
    "methods": "List methods and their parameters.",
    "quantities": "List every number of a record: unit, direction, meaning.",
    "datasets": "List datasets: where they are, what is missing.",
    "splits": "List or store few-shot splits.",
    "data": "Download, describe, show or check a dataset.",
    "weights": "List or download pretrained weights.",
    "cache": "Show or clear what can be made again.",
    "verify": "Check that methods and dataset readers keep the contract.",
    "predict": "Decide with a fitted method which new samples are anomalies.",
    "export": "Write the networks of a fitted method as ONNX.",
    "leaderboard": "Show, update, submit to or verify the leaderboard.",
    "check": "Compare measured cells with the leaderboard; exit 4 if one is worse.",
    "env": "Print versions and hardware.",
}


class _Verbs(click.Group):
    """Commands that are imported on first use, so that ``harness --help`` stays fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _VERBS:
            return None
        command = import_module(f"harness.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _VERBS and not args[0].startswith("-") and not ctx.resilient_parsing:
            from harness.registry import nearest_names

            raise click.UsageError(f"There is no verb '{args[0]}': {nearest_names(args[0], _VERBS)}", ctx)
        if not ctx.resilient_parsing:  # a line that is being completed is not whole yet
            _refuse_empty(args, ctx)
        return super().resolve_command(ctx, args)

    def make_context(self, *arguments: Any, **settings: Any) -> click.Context:
        """Read the command line, and print help where it asks for that; a closed pipe ends it as it ends a verb."""
        try:
            return super().make_context(*arguments, **settings)
        except BrokenPipeError:
            raise click.exceptions.Exit(ExitCode.OK) from None

    def invoke(self, ctx: click.Context) -> Any:
        """Run a verb; that the reader of a pipe has seen enough ends it and is not an error, as it is to click."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            return ExitCode.OK

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl(list(_VERBS.items()))


def _refuse_empty(args: list[str], ctx: click.Context) -> None:
    """Raise a usage error for an empty value, as an unset variable of a shell gives: nothing is named by it."""
    for before, argument in zip(["", *args], args, strict=False):
        name, equals, value = argument.partition("=")
        if equals and name.startswith("--"):
            before, argument = name, value
        if not argument.strip():
            subject = f"Option '{before}'" if before.startswith("-") else "An argument"
            raise click.UsageError(f"{subject} has an empty value: give one, or leave it out.", ctx)


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(VERSION, message=f"%(prog)s %(version)s (distribution {DISTRIBUTION})")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Compare multimodal (RGB + 3D) anomaly detectors under one protocol.

    \b
    harness run --methods cfm,cfm-t --shots 10      the embedded toy dataset, minutes on a CPU
    harness tables                                  measured next to published

    Settings: an option wins over a HARNESS_* variable, that over [tool.harness] in pyproject.toml or harness.toml.
    Exit codes: 0 ok, 1 bug, 2 usage, 3 some cell or sample not ok, 4 regression, 5 prerequisite missing,
    6 nothing measured, 7 anomaly found (predict --fail-on-anomaly), 130 interrupted.
    Completion in bash, also for zsh and fish: eval "$(_HARNESS_COMPLETE=bash_source harness)"
    """
    settings = read_settings()
    ctx.default_map = {verb: dict(settings) for verb in _VERBS}


def main() -> None:
    """Run the command line and exit with its code; an error that a user can correct is one sentence.

    Raises
    ------
    KeyboardInterrupt
        Where it was interrupted.
    """
    logging.lastResort = WarningLines(logging.WARNING)
    code = _run()
    _drop_unwritten_output()
    sys.exit(code)


def _run() -> int:
    try:
        result = cli.main(prog_name="harness", standalone_mode=False)
        return result if isinstance(result, int) else ExitCode.OK
    except HarnessError as error:
        return _say(error, error.exit_code)
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        echo(shown.getvalue().rstrip("\n"), err=True)
        return error.exit_code
    except click.Abort:  # what click makes of a KeyboardInterrupt
        raise KeyboardInterrupt from None
    except OSError as error:
        what = error.filename or "what the command prints"
        return _say(
            f"{what} can't be read or written ({error.strerror or error}): correct that, and run it again.",
            ExitCode.PREREQUISITE,
        )
    except Exception:
        if reason := unmet_requirement():
            return _say(reason, ExitCode.PREREQUISITE)
        with suppress(OSError):
            echo(capped(traceback.format_exc().rstrip()), err=True)
        return ExitCode.BUG


def _say(sentence: object, code: int) -> int:
    """Print a sentence where standard error can take it; return the code."""
    with suppress(OSError):
        echo_notes([sentence])
    return code


def _drop_unwritten_output() -> None:
    """Let nothing be written at exit that could not be written before: Python would end with another code."""
    for stream in filter(None, (sys.stdout, sys.stderr)):  # None where it was closed from the start
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
