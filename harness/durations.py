"""Times as people write them: ``90s``, ``30m``, ``2h``, ``30d``."""

from __future__ import annotations

import re

__all__ = ["seconds_in"]

_FORM = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)", re.ASCII)
_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds_in(text: str, *, with_unit: bool = False) -> float | None:
    """Return the seconds that a text says, None where it says none.

    Parameters
    ----------
    text
        A number and its unit; without one it is in seconds.
    with_unit
        Whether a number without a unit says none.
    """
    match = _FORM.fullmatch(text)
    if match is None or (with_unit and not match[2]):
        return None
    return float(match[1]) * _SECONDS[match[2]]
