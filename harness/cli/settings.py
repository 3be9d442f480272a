"""Settings of a project: ``[tool.harness]`` in pyproject.toml, or harness.toml, in the current folder."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.errors import UsageError

__all__ = ["KEYS", "read_settings"]

KEYS = ("data", "results", "weights_dir", "device", "preset", "weights", "timeout")
"""Options that a project may set, with underscores or dashes."""


def read_settings(verbs: Sequence[str], folder: Path | None = None) -> dict[str, dict[str, Any]]:
    """Return default values of options for each verb.

    harness.toml wins over pyproject.toml. Values are what the options take.

    Parameters
    ----------
    verbs
        Names of the verbs; a key counts for every verb that has the option.
    folder
        Where to look; the current folder if None.

    Raises
    ------
    UsageError
        For a file that is no TOML, and for an unknown key.
    """
    folder = folder or Path.cwd()
    own = _load(folder / "harness.toml")
    project = _load(folder / "pyproject.toml").get("tool", {}).get("harness", {})
    where = folder / ("harness.toml" if own else "pyproject.toml")
    values = {key.replace("-", "_"): value for key, value in (own or project).items()}
    for key in values:
        if key not in KEYS:
            from harness.registry import nearest_names

            raise UsageError(f"{where} sets '{key}', which is no setting: {nearest_names(key, KEYS)}")
    return {verb: {key: str(value) for key, value in values.items()} for verb in verbs}


def _load(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} can't be read ({error}): mend or remove it.") from error
