"""Paths as users write them: on the command line, in settings, in environment variables, in Python."""

from __future__ import annotations

from pathlib import Path

from harness.errors import UsageError

__all__ = ["user_path"]


def user_path(text: str | Path) -> Path:
    """Return a path with ``~`` and ``~name`` expanded, as a shell does where it sees them.

    Raises
    ------
    UsageError
        Where no such home folder is known, and for what can be no path.
    """
    if "\0" in str(text):
        raise UsageError(f"{str(text)!r} is not a valid path: leave out the NUL.")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise UsageError(f"{text} begins with a home folder that is not known: write the whole path.") from error
