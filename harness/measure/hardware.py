"""What must be equal for two speeds to be compared, as readable text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["hardware_key"]


def hardware_key(environment: Mapping[str, Any]) -> str:
    """Return the machine that a record's speed and peak memory belong to.

    Versions of packages are no part of it: a slowdown by an upgrade is to be seen.

    Parameters
    ----------
    environment
        Of a record.

    Returns
    -------
    str
        ``<cpu>, <n> cores, <n> threads`` for the CPU, ``<gpu> in <cpu>`` for a CUDA device, whatever its index. Empty
        where the device or its name is unknown: such a record is comparable with none.
    """
    device = str(environment.get("device") or "")
    name = _text(environment.get("device_name"))
    cpu = _text(environment.get("cpu"))
    if device == "cpu":
        counted = [_count(environment.get(what), what) for what in ("cores", "threads")]
        return ", ".join(filter(None, (cpu or name, *counted))) if cpu or name else ""
    return " in ".join(filter(None, (name, cpu))) if device and name else ""


def _text(value: object) -> str:
    return " ".join(str(value or "").split())


def _count(number: object, what: str) -> str:
    return f"{number} {what if number != 1 else what.removesuffix('s')}" if number else ""
