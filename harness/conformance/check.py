"""A check: one demand of the contract, with the function that tests it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.conformance.subject import Subject

__all__ = ["Check", "check"]

_Function = Callable[[Subject], None]


@dataclass(frozen=True, slots=True)
class Check:
    """One demand of the contract.

    Parameters
    ----------
    name
        Short, with hyphens.
    demand
        What the contract demands, in one sentence.
    function
        Tests it; raises :class:`harness.conformance.outcome.CheckFailedError` or ``CheckSkippedError``.
    after
        Names of checks that must pass first.
    """

    name: str
    demand: str
    function: _Function
    after: tuple[str, ...] = ()


def check(name: str, demand: str, *after: str) -> Callable[[_Function], Check]:
    """Turn a function into a :class:`Check`."""
    return lambda function: Check(name, demand, function, after)
