"""What a check asks for, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from harness.conformance.subject import Subject

__all__ = ["Check", "CheckFailedError", "CheckSkippedError", "Outcome", "Status", "Verdict", "check"]

Status = Literal["pass", "fail", "skip"]

_ESSENTIAL = ("construct", "fit", "predict")

_Function = Callable[["Subject"], None]


class CheckFailedError(Exception):
    """The method breaks the contract, told in one sentence."""


class CheckSkippedError(Exception):
    """A check can't be made, told in one sentence."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that the contract asks for.

    Parameters
    ----------
    name
        Short, with hyphens.
    demand
        What is asked for, in one sentence.
    function
        Tries it; raises :class:`CheckFailedError` or :class:`CheckSkippedError`.
    after
        Names of checks without whose success this one means nothing.
    """

    name: str
    demand: str
    function: _Function
    after: tuple[str, ...] = ()


def check(name: str, demand: str, *after: str) -> Callable[[_Function], Check]:
    """Turn a function into a :class:`Check`."""

    def turn(function: _Function) -> Check:
        return Check(name, demand, function, after)

    return turn


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a check.

    Parameters
    ----------
    check
        Its name.
    status
        ``pass``, ``fail`` or ``skip``.
    sentence
        What is kept, what is broken and where, or why nothing is known.
    """

    check: str
    status: Status
    sentence: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of all checks of a method.

    Parameters
    ----------
    method
        As named by the user, with its parameters.
    device
        Torch device name.
    outcomes
        One for each check, in the suite's order.
    seconds
        Time it took.
    """

    method: str
    device: str
    outcomes: tuple[Outcome, ...]
    seconds: float

    def with_status(self, status: Status) -> tuple[Outcome, ...]:
        """Return the outcomes of one status."""
        return tuple(outcome for outcome in self.outcomes if outcome.status == status)

    @property
    def cannot_run(self) -> str:
        """Why the method can't run here at all, for want of a package or a device; empty where it can, or is wrong."""
        if self.with_status("fail"):
            return ""
        essential = (one.sentence for one in self.with_status("skip") if one.check in _ESSENTIAL)
        return next(essential, "")

    @property
    def passed(self) -> bool:
        """Whether the method runs, and no check failed."""
        return not self.with_status("fail") and not self.cannot_run

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as plain JSON values."""
        return {
            "method": self.method,
            "passed": self.passed,
            "device": self.device,
            "seconds": round(self.seconds, 1),
            "checks": [asdict(outcome) for outcome in self.outcomes],
        }
