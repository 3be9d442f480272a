"""The outcome of a check, and of all checks of a method."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

__all__ = ["CheckFailedError", "CheckSkippedError", "Outcome", "Status", "Verdict"]

Status = Literal["pass", "fail", "skip"]

_ESSENTIAL = ("construct", "fit", "predict", "refs", "decode")


class CheckFailedError(Exception):
    """The method or reader breaks the contract; the message says how in one sentence."""


class CheckSkippedError(Exception):
    """The check can't be made; the message says why in one sentence."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a check.

    Parameters
    ----------
    check
        Its name.
    status
        ``pass``, ``fail`` or ``skip``.
    sentence
        What is kept, what is broken and where, or why the check was not made.
    """

    check: str
    status: Status
    sentence: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcomes of all checks of a method or of a dataset's reader.

    Parameters
    ----------
    name
        As on the command line; of a method with its parameters.
    device
        Torch device name; where a reader's files lie.
    outcomes
        One for each check, in the suite's order.
    seconds
        Time it took.
    """

    name: str
    device: str
    outcomes: tuple[Outcome, ...]
    seconds: float
    kind: Literal["method", "dataset"] = "method"

    def with_status(self, status: Status) -> tuple[Outcome, ...]:
        """Return the outcomes of one status."""
        return tuple(outcome for outcome in self.outcomes if outcome.status == status)

    @property
    def cannot_run(self) -> str:
        """Why it can't run here (no package, device or usable file); empty where it can or a check failed."""
        if self.with_status("fail"):
            return ""
        essential = (skipped.sentence for skipped in self.with_status("skip") if skipped.check in _ESSENTIAL)
        return next(essential, "")

    @property
    def passed(self) -> bool:
        """Whether it runs, and no check failed."""
        return not self.with_status("fail") and not self.cannot_run

    def to_json(self) -> dict[str, object]:
        """Return the verdict as plain JSON values."""
        return {
            self.kind: self.name,
            "passed": self.passed,
            "device" if self.kind == "method" else "root": self.device,
            "seconds": round(self.seconds, 1),
            "checks": [asdict(outcome) for outcome in self.outcomes],
        }
