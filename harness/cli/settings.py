"""Settings of a project: ``[tool.harness]`` in pyproject.toml, or harness.toml, in the current folder."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from harness.errors import UsageError

__all__ = ["read_settings"]

_KEYS = ("data", "results", "weights_dir", "device", "preset", "weights", "timeout")
"""Options that a project may set, with underscores or dashes."""


def read_settings() -> dict[str, str]:
    """Return the values of options that a project sets, by option; harness.toml wins over pyproject.toml.

    Raises
    ------
    UsageError
        For a file that is no TOML, and for an unknown key.
    """
    path = Path("harness.toml")
    table = _load(path)
    if not table:
        path = Path("pyproject.toml")
        table = _load(path).get("tool", {}).get("harness", {})
    values = {key.replace("-", "_"): str(value) for key, value in table.items()}
    for key in values:
        if key not in _KEYS:
            from harness.registry import nearest_names

            raise UsageError(f"{path.absolute()} sets '{key}', which is no setting: {nearest_names(key, _KEYS)}")
    return values


def _load(path: Path) -> Any:
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path.absolute()} can't be read ({error}): correct or remove it.") from error
