"""Colours of methods on the light and the dark page: those of the figures, or lighter where the page is dark."""

from __future__ import annotations

from collections.abc import Iterable

from harness.report.figures.colours import colour_of, readable

__all__ = ["method_colours", "on_dark"]

_DARK_PAGE = "#1c1f25"
_LEAST_CONTRAST = 4.5


def method_colours(labels: Iterable[str]) -> dict[str, list[str]]:
    """Return the colours of each label: of marks, of its name in text, and of both on the dark page."""
    found = {label: colour_of(label) for label in labels}
    return {label: [colour, readable(colour), on_dark(colour)] for label, colour in found.items()}


def on_dark(colour: str) -> str:
    """Return a colour, lightened as far as text in it needs on the dark page: a contrast of 4.5 as WCAG 2 has it."""
    channels = _channels(colour)
    ground = _luminance(_channels(_DARK_PAGE)) + 0.05
    while (_luminance(channels) + 0.05) / ground < _LEAST_CONTRAST:
        channels = [channel + 0.05 * (1 - channel) for channel in channels]
    return "#" + "".join(f"{round(255 * channel):02x}" for channel in channels)


def _channels(colour: str) -> list[float]:
    return [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]


def _luminance(channels: list[float]) -> float:
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
