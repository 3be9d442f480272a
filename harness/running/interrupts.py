"""Signals that end a command: each is a KeyboardInterrupt, which is never lost, one sentence and one exit code.

Python drops a KeyboardInterrupt that is raised inside a callback, such as imports use; here it is remembered.
"""

from __future__ import annotations

import signal
import sys
from contextlib import suppress

from harness.errors import ExitCode

TYPE_CHECKING = False  # as in harness/__init__.py
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType
    from typing import NoReturn

__all__ = ["SIGNALS", "end_with_signals", "exit_interrupted", "raise_if_interrupted", "was_interrupted", "watch"]

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What ends a command as Ctrl-C does."""

_GO_ON = "every finished cell is kept, run the same command again to go on."

_received: list[int] = []


def watch(signals: Iterable[signal.Signals]) -> None:
    """Let signals raise KeyboardInterrupt here, and remember them; an ignored signal stays ignored.

    Parameters
    ----------
    signals
        For example SIGINT, and SIGTERM and SIGHUP where they shall end a program as Ctrl-C does.
    """
    sys.unraisablehook = _report
    for sign in signals:
        if signal.getsignal(sign) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(sign, _interrupt)


def end_with_signals() -> None:
    """Let SIGTERM and SIGHUP end a run as Ctrl-C does, where this is the thread that can."""
    import threading

    if threading.current_thread() is threading.main_thread():
        watch((signal.SIGTERM, signal.SIGHUP))


def raise_if_interrupted() -> None:
    """Raise KeyboardInterrupt where a watched signal was received, in case Python dropped the first."""
    if _received:
        raise KeyboardInterrupt


def was_interrupted() -> bool:
    """Return whether a watched signal was received."""
    return bool(_received)


def exit_interrupted() -> NoReturn:
    """End this process as an interrupted command ends; further signals change nothing."""
    for sign in SIGNALS:
        signal.signal(sign, signal.SIG_IGN)
    exec("")  # an interrupt inside an exec of a text, as imports do, makes Python end by SIGINT: the next one undoes it
    with suppress(OSError):  # nobody reads any more
        print(f"harness: interrupted; {_GO_ON}", file=sys.stderr, flush=True)
    sys.exit(ExitCode.INTERRUPTED)


def _report(dropped: sys.UnraisableHookArgs) -> None:
    """Report what Python can't raise, except an interrupt, which is remembered."""
    if not issubclass(dropped.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(dropped)


def _interrupt(sign: int, frame: FrameType | None) -> None:
    _received.append(sign)
    raise KeyboardInterrupt
