"""Colours of methods: a method has the same in every figure, and all differ clearly for any colour vision."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.files.digest import digest
from harness.registry import base_name

__all__ = ["INK", "MUTED", "RULE", "Look", "colour_of", "looks_of", "on_dark", "readable"]

INK, MUTED, RULE = "#1a1a1a", "#6a6a6a", "#d9d9d9"
"""Text, secondary text, and lines that stay in the background."""

_KNOWN = {
    "cfm": "#08306b",
    "cfm-m": "#1450d2",
    "cfm-s": "#5cb7d8",
    "cfm-t": "#887ddd",
    "btf": "#e69f00",
    "m3dm": "#c8401a",
    "ast": "#106948",
}
_OTHERS = ("#9d27a0", "#7eb083", "#564a5d")
_LINES: tuple[str | tuple[float, tuple[float, ...]], ...] = ("-", (0, (4, 1.2)), (0, (1.2, 1.2)), (0, (4, 1, 1, 1)))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_DARK_PAGE = "#1c1f25"
_LEAST_CONTRAST = 4.5


@dataclass(frozen=True, slots=True)
class Look:
    """How a method is drawn: hexadecimal RGB, dashes and symbol as matplotlib takes them."""

    colour: str
    line: str | tuple[float, tuple[float, ...]]
    marker: str


def colour_of(label: str) -> str:
    """Return the colour of a method by its label: fixed for the methods here, by a hash of the name for others."""
    name = base_name(label)
    return _KNOWN.get(name) or _OTHERS[int(digest(name), 16) % len(_OTHERS)]


def looks_of(labels: Iterable[str]) -> dict[str, Look]:
    """Return how each method of a figure is drawn; those of one colour differ in dashes, all in the marker.

    Parameters
    ----------
    labels
        As in tables: ``cfm[epochs=50]`` has the colour of ``cfm``.
    """
    looks: dict[str, Look] = {}
    used: dict[str, int] = {}
    for position, label in enumerate(sorted(set(labels))):
        colour = colour_of(label)
        twins = used.get(colour, 0)
        used[colour] = twins + 1
        looks[label] = Look(colour, _LINES[twins % len(_LINES)], _MARKERS[position % len(_MARKERS)])
    return looks


def readable(colour: str) -> str:
    """Return a colour, darkened as far as text in it needs on white: a contrast of 4.5 as WCAG 2 defines it."""
    return _contrasting(colour, "#ffffff", 0)


def on_dark(colour: str) -> str:
    """Return a colour, lightened as far as text in it needs on the dark page of the report: a contrast of 4.5."""
    return _contrasting(colour, _DARK_PAGE, 1)


def _contrasting(colour: str, ground: str, towards: float) -> str:
    channels, light = _channels(colour), _luminance(_channels(ground))
    while (max(light, own := _luminance(channels)) + 0.05) / (min(light, own) + 0.05) < _LEAST_CONTRAST:
        channels = [channel + 0.05 * (towards - channel) for channel in channels]
    return "#" + "".join(f"{round(255 * channel):02x}" for channel in channels)


def _channels(colour: str) -> list[float]:
    return [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]


def _luminance(channels: list[float]) -> float:
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
