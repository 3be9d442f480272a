"""A check: one demand of the contract, with the function that tests it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Check", "check"]

_Subject = TypeVar("_Subject")


@dataclass(frozen=True, slots=True)
class Check(Generic[_Subject]):
    """One demand of the contract.

    Parameters
    ----------
    name
        Short, with hyphens.
    demand
        What the contract demands, in one sentence.
    function
        Tests a method or a reader; raises :class:`harness.conformance.outcome.CheckFailedError` or
        ``CheckSkippedError``.
    after
        Names of checks that must pass first.
    """

    name: str
    demand: str
    function: Callable[[_Subject], None]
    after: tuple[str, ...] = ()


def check(name: str, demand: str, *after: str) -> Callable[[Callable[[_Subject], None]], Check[_Subject]]:
    """Turn a function into a :class:`Check`."""
    return lambda function: Check(name, demand, function, after)
