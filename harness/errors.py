"""Errors that a user can correct, each with the exit code of the ``harness`` command."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["DataError", "ExitCode", "HarnessError", "PrerequisiteError", "UsageError"]


class ExitCode(IntEnum):
    """Exit codes of the command line."""

    OK = 0
    BUG = 1
    USAGE = 2
    CELL_NOT_OK = 3
    REGRESSION = 4
    PREREQUISITE = 5
    NOTHING_MEASURED = 6
    ANOMALY_FOUND = 7
    INTERRUPTED = 130


class HarnessError(Exception):
    """An error whose message says in one sentence what is wrong, why, and which command or edit corrects it.

    The command line prints ``str(error)`` without a traceback and exits with ``error.exit_code``.
    """

    exit_code: ExitCode = ExitCode.BUG


class UsageError(HarnessError):
    """The request itself is wrong: an unknown name, a value out of range, a folder that is not a dataset."""

    exit_code = ExitCode.USAGE


class PrerequisiteError(HarnessError):
    """Something outside the request is missing: weights, a dataset, a package, the network."""

    exit_code = ExitCode.PREREQUISITE


class DataError(HarnessError):
    """A file of a dataset can't be used: it is truncated, of the wrong size, or has no valid point."""

    exit_code = ExitCode.PREREQUISITE
