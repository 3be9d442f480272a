"""Files of others that can't be used: they are left out of what is shown, counted, and named once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.files.names import one_line

__all__ = ["LeftOut", "left_out_text"]

_NAMED = 3
"""Files that a sentence names before it says how many more there are."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file, or a line of one, that can't be used.

    Parameters
    ----------
    path
        Of the file.
    why
        A clause without a full stop.
    """

    path: Path
    why: str

    def to_json(self) -> dict[str, str]:
        """Return path and reason as plain JSON values."""
        return {"path": one_line(str(self.path), 5000), "reason": one_line(self.why)}


def left_out_text(things: Sequence[LeftOut], what: str, advice: str) -> str:
    """Return the sentence that counts what is left out, names the first few, and says what to do.

    Parameters
    ----------
    things
        At least one.
    what
        Their name where they are several, for example ``files``; without its last letter where it is one.
    advice
        What to do, after a colon.
    """
    named = "; ".join(f"{one_line(str(thing.path), 500)} ({one_line(thing.why)})" for thing in things[:_NAMED])
    more = f"; and {len(things) - _NAMED} more" if len(things) > _NAMED else ""
    counted = f"{len(things)} {what} are" if len(things) > 1 else f"1 {what[:-1]} is"
    return f"{counted} left out: {named}{more}: {advice}"
