"""Checks of parameters, shared by all methods: a message names the parameter, its bound and its value."""

from __future__ import annotations

import operator
from typing import Literal, get_args, get_origin, get_type_hints

__all__ = ["require_choices", "require_multiple", "require_power_of_two", "require_range"]


def require_range(
    method: object,
    *names: str,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
) -> None:
    """Raise ValueError unless the parameters ``names`` of ``method`` lie within all bounds given; NaN never does."""
    bounds = (
        ("at least", at_least, operator.ge),
        ("above", above, operator.gt),
        ("at most", at_most, operator.le),
        ("below", below, operator.lt),
    )
    for name in names:
        value = getattr(method, name)
        for words, bound, holds in bounds:
            if bound is not None and not holds(value, bound):
                raise ValueError(f"{name} must be {words} {bound}, not {value}")


def require_multiple(method: object, name: str, *, of: int) -> None:
    """Raise ValueError unless the parameter is a positive multiple of ``of``."""
    value = getattr(method, name)
    if value < of or value % of:
        raise ValueError(f"{name} must be a positive multiple of {of}, not {value}")


def require_power_of_two(method: object, name: str, *, at_least: int) -> None:
    """Raise ValueError unless the parameter is a power of two, at least ``at_least``."""
    value = getattr(method, name)
    if value < at_least or value & (value - 1):
        raise ValueError(f"{name} must be a power of two, at least {at_least}, not {value}")


def require_choices(method: object) -> None:
    """Raise ValueError unless each parameter annotated as a ``Literal`` has one of its values."""
    for name, hint in get_type_hints(type(method).__init__).items():
        if get_origin(hint) is Literal and getattr(method, name) not in get_args(hint):
            choices = ", ".join(map(repr, get_args(hint)))
            raise ValueError(f"{name} must be one of {choices}, not {getattr(method, name)!r}")
