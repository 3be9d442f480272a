"""Ctrl-C that can't get lost: Python swallows a KeyboardInterrupt raised inside a callback, as imports have them."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterable
from types import FrameType

__all__ = ["raise_if_interrupted", "watch"]

_asked: list[int] = []


def watch(signals: Iterable[signal.Signals]) -> None:
    """Let signals raise KeyboardInterrupt here, and remember them; one that is ignored stays ignored.

    Parameters
    ----------
    signals
        For example SIGINT, and SIGTERM and SIGHUP where they are to end a program as Ctrl-C does.
    """
    sys.unraisablehook = _report
    for sign in signals:
        if signal.getsignal(sign) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(sign, _interrupt)


def raise_if_interrupted() -> None:
    """Raise the KeyboardInterrupt again that one of the watched signals raised, in case it was swallowed."""
    if _asked:
        raise KeyboardInterrupt


def _report(lost: sys.UnraisableHookArgs) -> None:
    """Report what Python can't raise, except an interrupt: that one is remembered."""
    if not issubclass(lost.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(lost)


def _interrupt(sign: int, frame: FrameType | None) -> None:
    _asked.append(sign)
    raise KeyboardInterrupt
