"""Whether what this package needs is what Python finds: an older library may lie before it on the search path."""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, requires, version

from harness.distribution import DISTRIBUTION

__all__ = ["unmet_requirement"]

_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9_.-]+)\s*>=\s*(?P<least>[0-9.]+)$")


def unmet_requirement() -> str:
    """Return a sentence about the first package that is missing or too old; empty where there is none.

    It is asked for where something has failed in a way that nobody foresaw, since looking takes time.
    """
    try:
        needed = requires(DISTRIBUTION) or []
    except PackageNotFoundError:  # a checkout that is not installed
        return ""
    for match in filter(None, map(_REQUIREMENT.match, needed)):
        name, least = match["name"], match["least"]
        installed = _found(name)
        if installed is None:
            return f"The package {name} is not installed: install it with 'pip install \"{name}>={least}\"'."
        if _numbers(installed) < _numbers(least):
            file = getattr(sys.modules.get(name), "__file__", None)
            place = f" in {file}" if file else ""
            return (
                f"Python finds {name} {installed}{place}, and harness needs {least} or later: install that, or take "
                "the older one off PYTHONPATH."
            )
    return ""


def _found(name: str) -> str | None:
    """Return the version of what is imported, else of what is installed; None where neither is there."""
    imported = getattr(sys.modules.get(name), "__version__", None)
    if isinstance(imported, str):
        return imported
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", text)[:3]))
