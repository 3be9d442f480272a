"""Progress reports of a worker to the process that started it: one JSON object a line."""

from __future__ import annotations

from contextlib import suppress
from math import isfinite
from time import monotonic
from typing import TextIO

import msgspec

__all__ = ["Event", "EventWriter", "parse_event"]

_MIN_INTERVAL = 0.1


class Event(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Progress of a cell.

    Parameters
    ----------
    kind
        ``cell`` (a further cell of the job begins), ``stage`` (a stage begins), ``progress`` or ``finished``.
    stage
        Id of the further cell, name of the stage, or the status of the finished cell.
    done, total
        Steps, for ``progress``.
    values
        The newest numbers of that stage by name, such as its loss.
    """

    kind: str
    stage: str
    done: int = 0
    total: int = 0
    values: dict[str, float] = {}


_EVENTS = msgspec.json.Decoder(Event)


class EventWriter:
    """Writes events to a stream; progress at most ten times a second.

    Parameters
    ----------
    stream
        Line-buffered text stream.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last = 0.0
        self._values: dict[str, float] = {}

    def cell(self, id: str) -> None:
        """Report that what follows is about a further cell of the job."""
        self._write(Event("cell", id))

    def stage(self, name: str) -> None:
        """Report that a stage begins."""
        self._values = {}
        self._write(Event("stage", name))

    def progress(self, stage: str, done: int, total: int, **values: float) -> None:
        """Report how far a stage is; what methods report comes here."""
        now = monotonic()
        self._values = self._values | values if done else values
        if done < total and now - self._last < _MIN_INTERVAL:
            return
        self._last = now
        shown = {name: number for name, value in self._values.items() if isfinite(number := float(value))}
        self._write(Event("progress", str(stage), int(done), int(total), shown))

    def finished(self, status: str) -> None:
        """Report that the record is written."""
        self._write(Event("finished", status))

    def _write(self, event: Event) -> None:
        with suppress(BrokenPipeError):  # no process reads any more: the record is what counts
            self._stream.write(msgspec.json.encode(event).decode() + "\n")
            self._stream.flush()


def parse_event(line: str) -> Event | None:
    """Read one line; None for a line that is not an event."""
    try:
        return _EVENTS.decode(line)
    except msgspec.DecodeError:
        return None
