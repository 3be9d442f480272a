"""What a worker tells the process that started it: one JSON object a line."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any, TextIO

__all__ = ["Event", "EventWriter", "parse_event"]

_MIN_INTERVAL = 0.1


@dataclass(frozen=True, slots=True)
class Event:
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
        """Say that a stage begins."""
        self._write({"kind": "stage", "stage": name})

    def progress(self, stage: str, done: int, total: int) -> None:
        """Say how far a stage is; this is the callback that methods get."""
        now = monotonic()
        if done < total and now - self._last < _MIN_INTERVAL:
            return
        self._last = now
        self._write({"kind": "progress", "stage": stage, "done": int(done), "total": int(total)})

    def finished(self, status: str) -> None:
        """Say that the record is written."""
        self._write({"kind": "finished", "stage": status})

    def _write(self, value: dict[str, Any]) -> None:
        with suppress(BrokenPipeError):  # nobody listens any more: the record is what counts
            self._stream.write(json.dumps(value) + "\n")
            self._stream.flush()


def parse_event(line: str) -> Event | None:
    """Read one line; None for a line that is no event."""
    try:
        return Event(**json.loads(line))
    except (ValueError, TypeError):
        return None
