"""Progress reports of a worker to the process that started it: one JSON object a line."""

from __future__ import annotations

from contextlib import suppress
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
        ``stage`` (a stage begins), ``progress`` or ``finished``.
    stage
        Name of the stage, or the status of the finished cell.
    done, total
        Steps, for ``progress``.
    """

    kind: str
    stage: str
    done: int = 0
    total: int = 0


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

    def stage(self, name: str) -> None:
        """Report that a stage begins."""
        self._write(Event("stage", name))

    def progress(self, stage: str, done: int, total: int) -> None:
        """Report how far a stage is; this is the callback that methods get."""
        now = monotonic()
        if done < total and now - self._last < _MIN_INTERVAL:
            return
        self._last = now
        self._write(Event("progress", str(stage), int(done), int(total)))

    def finished(self, status: str) -> None:
        """Report that the record is written."""
        self._write(Event("finished", status))

    def _write(self, event: Event) -> None:
        with suppress(BrokenPipeError):  # no process reads any more: the record is what counts
            self._stream.write(msgspec.json.encode(event).decode() + "\n")
            self._stream.flush()


def parse_event(line: str) -> Event | None:
    """Read one line; None for a line that is no event."""
    try:
        return _EVENTS.decode(line)
    except msgspec.DecodeError:
        return None
