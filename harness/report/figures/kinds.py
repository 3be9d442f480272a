"""The kinds of figures, each drawn from the records of a results folder or from the published numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from harness.errors import UsageError
from harness.report.figures.request import Drawn, FigureRequest, chosen_group, chosen_groups, nothing_measured
from harness.store.published import Published
from harness.store.record import Record
from harness.store.store import Store

if TYPE_CHECKING:
    from harness.report.curves import CurveKind
    from harness.report.figures.style import Width
    from harness.report.tables import NothingMeasuredError

__all__ = ["KINDS", "draw_kind"]

_Data = TypeVar("_Data")


@dataclass(frozen=True)
class _Order:
    """What a figure is drawn from, and how."""

    store: Store
    records: Sequence[Record]
    published: Published
    request: FigureRequest
    width: Width
    title: bool

    @property
    def beside(self) -> Published | None:
        """The published numbers where they are to stand beside measured ones."""
        return self.published if self.request.source == "both" else None

    def nothing(self, why: str = "") -> NothingMeasuredError:
        """Return the error for a figure of measured numbers where there are none."""
        return nothing_measured(self.records, self.request, str(self.store.cells), why)

    def only_measured(self, kind: str) -> None:
        """Raise UsageError where published numbers are asked for in a figure that has none."""
        if self.request.source == "published":
            raise UsageError(f"Nothing is published for a figure of kind '{kind}': leave out --source published.")

    def published_instead(
        self, find: Callable[[Published, FigureRequest], _Data], why: str = ""
    ) -> tuple[_Data, tuple[str, ...]]:
        """Return published data, and a sentence that says that nothing is measured where that was asked for too."""
        if self.request.source == "published":
            return find(self.published, self.request), ()
        nothing = self.nothing(why)
        if self.request.source == "measured":
            raise nothing
        try:
            return find(self.published, self.request), (f"{nothing} This is the published figure.",)
        except UsageError as error:
            raise type(nothing)(f"{nothing} {error}") from None


def draw_kind(
    kind: str,
    store: Store,
    published: Published,
    request: FigureRequest,
    width: Width = "column",
    *,
    title: bool = True,
) -> Drawn:
    """Draw a figure.

    Parameters
    ----------
    kind
        One of :data:`KINDS`.
    store
        Records, and what lies beside them.
    published
        All published numbers.
    request
        What to draw.
    width
        ``column`` or ``page`` of a two-column paper.
    title
        Whether the figure says what holds for all of it.

    Raises
    ------
    UsageError
        Where a name is unknown, or nothing is published for the request.
    NothingMeasuredError
        Where the figure needs measured numbers and there are none.
    """
    records = store.all()
    request.check(records, published)
    return KINDS[kind](_Order(store, records, published, request, width, title))


def _speed(order: _Order) -> Drawn:
    from harness.report.figures.speed import draw_speed
    from harness.report.figures.speed_data import measured_speeds, published_speeds

    why = ""
    if order.request.source != "published":
        group, notes = chosen_group(order.records, order.request)
        if group is not None:
            data = measured_speeds(group, order.beside, order.request)
            if any(not series.published for series in data.series):
                return Drawn(draw_speed(data, order.width, title=order.title), (*notes, *data.notes))
            why = " ".join(data.notes)
    data, notes = order.published_instead(published_speeds, why)
    return Drawn(draw_speed(data, order.width, title=order.title), notes)


def _shots(order: _Order) -> Drawn:
    from harness.report.figures.shots import draw_shots
    from harness.report.figures.shots_data import measured_shots, published_shots

    if order.request.query.shots:
        raise UsageError("A figure of kind 'shots' shows all numbers of training samples: leave out --shots.")
    if order.request.source != "published":
        found = measured_shots(chosen_groups(order.records, order.request), order.beside, order.request)
        if found is not None:
            return Drawn(draw_shots(found, order.width, title=order.title), found.notes)
    data, notes = order.published_instead(published_shots)
    return Drawn(draw_shots(data, order.width, title=order.title), notes)


def _latency(order: _Order) -> Drawn:
    from harness.report.figures.latency import draw_latency
    from harness.report.figures.latency_data import measured_latencies

    order.only_measured("latency")
    group, notes = chosen_group(order.records, order.request)
    if group is None:
        raise order.nothing()
    data = measured_latencies(group, order.store)
    if not data.rows:
        raise order.nothing(" ".join(data.notes))
    return Drawn(draw_latency(data, order.width, title=order.title), (*notes, *data.notes))


def _curves(kind: CurveKind, order: _Order) -> Drawn:
    from harness.report.figures.curves import draw_curves
    from harness.report.figures.curves_data import measured_curves

    order.only_measured(kind)
    group, notes = chosen_group(order.records, order.request)
    if group is None:
        raise order.nothing()
    data = measured_curves(group, order.store, kind)
    if not data.curves:
        raise order.nothing(" ".join(data.notes))
    return Drawn(draw_curves(data, order.width, title=order.title), (*notes, *data.notes))


KINDS: dict[str, Callable[[_Order], Drawn]] = {
    "speed": _speed,
    "shots": _shots,
    "pro": partial(_curves, "pro"),
    "roc": partial(_curves, "roc"),
    "latency": _latency,
}
"""By name on the command line."""
