"""Ctrl-C is never lost: Python drops a KeyboardInterrupt that is raised inside a callback, such as imports use."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterable
from types import FrameType

__all__ = ["raise_if_interrupted", "watch"]

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


def raise_if_interrupted() -> None:
    """Raise KeyboardInterrupt where a watched signal was received, in case Python dropped the first."""
    if _received:
        raise KeyboardInterrupt


def _report(dropped: sys.UnraisableHookArgs) -> None:
    """Report what Python can't raise, except an interrupt, which is remembered."""
    if not issubclass(dropped.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(dropped)


def _interrupt(sign: int, frame: FrameType | None) -> None:
    _received.append(sign)
    raise KeyboardInterrupt
