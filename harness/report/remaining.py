"""How much time is left of a run: an estimate that only falls, or says why it does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import fmean
from threading import Lock
from time import monotonic

from harness.plan.estimate import duration_text

__all__ = ["Remaining"]

_SLACK = 1.1
_SLACK_SECONDS = 5.0
"""An estimate that would rise by less than both stays where it is."""
_LEAST_SHARE = 0.05
"""Part of a cell that must be done before its own pace says how long the rest takes."""


@dataclass(slots=True)
class _Running:
    name: str
    began: float
    share: float = 0.0


class Remaining:
    """The time that the cells of a run still take on its devices.

    A cell takes as long as earlier records say; where none does, as long as the finished cells of this run did on
    average. One that takes longer than that goes on at its own pace.

    Parameters
    ----------
    cells
        How many there are.
    expected
        Seconds by the id of a cell, as far as they are known.
    devices
        How many run cells at the same time.
    clock
        Seconds, from any start.
    """

    def __init__(
        self, cells: int, expected: Mapping[str, float], devices: int, clock: Callable[[], float] = monotonic
    ) -> None:
        self._cells, self._expected, self._devices, self._clock = cells, dict(expected), devices, clock
        self._lock = Lock()
        self._others = 0
        self._running: dict[str, _Running] = {}
        self._took: list[float] = []
        self._shown: float | None = None
        self._why = ""

    def progressed(self, cell: str, name: str, share: float) -> None:
        """Note that a cell runs, and which part of it is done.

        Parameters
        ----------
        cell
            Its id.
        name
            To call it by.
        share
            From 0 to 1.
        """
        with self._lock:
            running = self._running.setdefault(cell, _Running(name, self._clock()))
            running.share = share

    def finished(self, cell: str) -> None:
        """Note that a cell has ended."""
        with self._lock:
            running = self._running.pop(cell, None)
            if running is not None:
                self._took.append(self._clock() - running.began)
            self._expected.pop(cell, None)
            self._cells -= 1
            self._why = ""

    def elsewhere(self, cells: int) -> None:
        """Note how many further cells other runs have measured."""
        self._others = cells

    @property
    def seconds(self) -> float | None:
        """What is shown; None while nothing is known."""
        with self._lock:
            now, late = self._estimate()
        if now is None:
            return self._shown
        if self._shown is None or now <= self._shown:
            self._shown = now
        elif now > self._shown * _SLACK + _SLACK_SECONDS:
            self._shown = now
            self._why = f"{late or 'a cell'} takes longer than expected"
        return self._shown

    def text(self) -> str:
        """Return what is left in words, with the reason where it has become more."""
        seconds = self.seconds
        if self._cells <= self._others:
            return ""
        if seconds is None:
            return "time left not known"
        return f"{duration_text(max(1.0, seconds))} left" + (f": {self._why}" if self._why else "")

    def _estimate(self) -> tuple[float | None, str]:
        """Return the time left, None where it is unknown, and the name of a cell that takes longer than expected."""
        usual = fmean(self._took) if self._took else None
        late, own = "", [0.0]
        for cell, running in self._running.items():
            elapsed, expected = self._clock() - running.began, self._expected.get(cell, usual)
            if expected is not None and elapsed <= expected:
                own.append(expected - elapsed)
            elif running.share >= _LEAST_SHARE:
                own.append(elapsed * (1 - running.share) / running.share)
                late = late or (running.name if expected is not None else "")
            else:
                return None, ""
        waiting = self._cells - self._others - len(self._running)
        known = [seconds for cell, seconds in self._expected.items() if cell not in self._running]
        unknown = waiting - len(known)
        if unknown > 0 and usual is None:
            return None, ""
        total = sum(own) + sum(known) + max(unknown, 0) * (usual or 0.0)
        return max(*own, total / self._devices), late
