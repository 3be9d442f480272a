"""Settings of a project: ``[tool.harness]`` in pyproject.toml, or harness.toml, in the current folder."""

from __future__ import annotations

import tomllib
from pathlib import Path

from harness.errors import UsageError
from harness.files.reading import read_regular

__all__ = ["SETTINGS", "read_settings", "read_slurm_table"]

SETTINGS = ("data", "results", "weights_dir", "device", "preset", "weights", "timeout")
"""Options that a project may set, with underscores or dashes."""
_SLURM = "slurm"

_LARGEST = 1_000_000
"""Bytes of a file of settings."""


def read_settings() -> dict[str, str]:
    """Return the values of options that a project sets, by option; harness.toml wins over pyproject.toml.

    Raises
    ------
    UsageError
        For a file that is not TOML, an unknown key, and a value that is neither text nor number.
    """
    table, path = _project()
    values = {key.replace("-", "_"): value for key, value in table.items() if key != _SLURM}
    for key, value in values.items():
        if key not in SETTINGS:
            from harness.registry import nearest_names

            raise UsageError(f"{path.absolute()} sets '{key}', which is not a setting: {nearest_names(key, SETTINGS)}")
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            raise UsageError(f"{path.absolute()} sets '{key}' to neither a text nor a number: correct the value.")
    return {key: str(value) for key, value in values.items()}


def read_slurm_table() -> dict[str, object]:
    """Return what a project says of Slurm, ``[tool.harness.slurm]`` or ``[slurm]`` in harness.toml, as it is.

    Raises
    ------
    UsageError
        For a file that is not TOML, and where this is not a table.
    """
    table, path = _project()
    return _table(table, _SLURM, path)


def _project() -> tuple[dict[str, object], Path]:
    """Return the settings of a project and the file that holds them; no setting where there is none."""
    path = Path("harness.toml")
    if table := _load(path):
        return table, path
    path = Path("pyproject.toml")
    return _table(_table(_load(path), "tool", path), "harness", path), path


def _table(table: dict[str, object], key: str, path: Path) -> dict[str, object]:
    """Return a table inside a table, an empty one where there is none."""
    inner = table.get(key, {})
    if not isinstance(inner, dict):
        raise UsageError(
            f"'{key}' in {path.absolute()} is not a table: write [tool.harness] once, with settings below it."
        )
    return inner


def _load(path: Path) -> dict[str, object]:
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(read_regular(path, _LARGEST).decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path.absolute()} can't be read ({error}): correct or remove it.") from error
