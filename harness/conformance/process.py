"""The suite in a separate process, so that a method which crashes or hangs is a failed check."""

from __future__ import annotations

import json
import signal
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic

from harness import registry
from harness.conformance.outcome import Outcome, Verdict
from harness.conformance.suite import CHECKS
from harness.data.toy import ensure_toy
from harness.running.events import Event
from harness.running.post_mortem import last_lines
from harness.running.process import WorkerProcess

__all__ = ["Request", "read_request", "verify_method"]

OnEvent = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Request:
    """What the process is asked to do.

    Parameters
    ----------
    method
        As on the command line, with parameters.
    device
        Torch device name.
    outcomes
        File that a line of JSON is appended to for each check.
    reference
        Where a method that is not installed is imported from; empty for an installed one.
    """

    method: str
    device: str
    outcomes: Path
    reference: str = ""


def read_request(path: Path) -> Request:
    """Read a request's file."""
    value = json.loads(path.read_text(encoding="utf-8"))
    return Request(value["method"], value["device"], Path(value["outcomes"]), value["reference"])


def verify_method(
    method: str, *, device: str, timeout: float | None = None, on_event: OnEvent = lambda event: None
) -> Verdict:
    """Run all checks of a method on the toy dataset in a separate process.

    Parameters
    ----------
    method
        One name of a method, with parameters in brackets.
    device
        Torch device name.
    timeout
        Seconds after which the process is ended; None for no limit.
    on_event
        Called, from a thread, with each check as it begins (a stage) and the steps of fitting.

    Raises
    ------
    PrerequisiteError
        Where the toy dataset can't be made.
    """
    ensure_toy()
    started = monotonic()
    with tempfile.TemporaryDirectory(prefix="harness-verify-") as folder:
        reference = registry.reference_of(registry.base_name(method))
        request = Request(method, device, Path(folder) / "outcomes.jsonl", reference)
        path, log = Path(folder) / "request.json", Path(folder) / "log"
        path.write_text(json.dumps({**asdict(request), "outcomes": str(request.outcomes)}), encoding="utf-8")
        code = _run(path, log, timeout, on_event)
        outcomes = _read(request.outcomes)
        if len(outcomes) < len(CHECKS):
            outcomes = _completed(outcomes, _how_it_ended(code, timeout), last_lines(log))
    return Verdict(method, device, tuple(outcomes), monotonic() - started)


def _run(request: Path, log: Path, timeout: float | None, on_event: OnEvent) -> int | None:
    """Run the process and return its exit code; None where it ran out of time."""
    with closing(WorkerProcess("harness.conformance", request, log, on_event)) as process:
        return process.wait(timeout)


def _read(path: Path) -> list[Outcome]:
    if not path.exists():
        return []
    return [Outcome(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def _how_it_ended(code: int | None, timeout: float | None) -> str:
    if code is None:
        return f"The time limit of {timeout:g} s was reached in this check: give more with --timeout"
    if code < 0:
        return f"The process was ended by signal {-code} ({signal.strsignal(-code)}) in this check"
    return f"The process ended with exit code {code} in this check"


def _completed(outcomes: Sequence[Outcome], ending: str, last: Sequence[str]) -> list[Outcome]:
    """Return all outcomes of a process that ended early: the check it was in fails, those after it are skipped."""
    current, *later = CHECKS[len(outcomes) :]
    output = f"; its last output was: {' '.join(last[-1].split())}" if last else ""
    failed = Outcome(current.name, "fail", f"{ending}{output}.")
    return [
        *outcomes,
        failed,
        *(Outcome(check.name, "skip", f"Not checked: '{current.name}' did not end.") for check in later),
    ]
