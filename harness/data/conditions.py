"""Conditions of a measurement: what is done to test samples, or to the list of training samples, before a method."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from harness.errors import UsageError
from harness.files.names import one_line

__all__ = ["CONDITIONS", "NONE", "Condition", "ConditionKind", "condition_order", "condition_texts", "parse_condition"]

Part = Literal["rgb", "xyz", ""]


@dataclass(frozen=True, slots=True)
class ConditionKind:
    """A kind of conditions, which have one number each: their level.

    Parameters
    ----------
    name
        As it is written before the level.
    help
        What is changed, in words, with the unit of the level.
    takes
        The levels that it takes, in words.
    low, high
        The least and the greatest level.
    neutral
        The level at which nothing is changed: the axis of a figure begins there.
    unit
        What is written behind the level.
    whole
        Whether levels are whole numbers.
    changes
        The part of a sample that is changed; empty where it is the training list.
    needs
        What a dataset must offer of :data:`harness.contract.MODALITIES`.
    tail
        What is written behind the unit.
    usual
        The level that is meant where none is written; None where one must be.
    """

    name: str
    help: str
    takes: str
    low: float
    high: float
    neutral: float = 0.0
    unit: str = ""
    whole: bool = False
    changes: Part = "rgb"
    needs: str = ""
    tail: str = ""
    usual: float | None = None

    def text(self, level: float) -> str:
        """Return a level of this kind as it is written."""
        if level == self.neutral:
            return NONE
        number = "" if level == self.usual else f":{level:.9g}{self.unit}"
        return f"{self.name}{number}{self.tail}"

    @property
    def takes_away(self) -> bool:
        """Whether samples lack a part as a whole."""
        return self.name.startswith("missing:")

    @property
    def title(self) -> str:
        """Name without a level, for headings."""
        return f"{self.name}{self.tail}"


NONE = "none"
"""The condition under which nothing is changed."""

_SHARE = "a share from 0 to 1"
_POISON = "a share of the training list from 0 to 0.5"

CONDITIONS: dict[str, ConditionKind] = {
    kind.title: kind
    for kind in (
        ConditionKind(
            "rgb-shift", "the image is moved against the cloud, px", "whole pixels up to 64", 0, 64, whole=True
        ),
        ConditionKind("rgb-rotate", "the image is turned about its centre, degrees", "degrees up to 45", 0, 45),
        ConditionKind(
            "xyz-noise",
            "noise on each coordinate of each point, standard deviation in mm",
            "millimetres up to 20mm",
            0,
            20,
            unit="mm",
            changes="xyz",
            needs="xyz",
        ),
        ConditionKind(
            "xyz-dropout", "points that were not measured, share", _SHARE, 0, 1, changes="xyz", needs="depth"
        ),
        ConditionKind("light", "values of the image, factor", "a factor from 0 to 4", 0, 4, neutral=1),
        ConditionKind("blur", "Gaussian blur of the image, standard deviation in px", "pixels up to 16", 0, 16),
        ConditionKind("missing:rgb", "samples without their image, share", _SHARE, 0, 1, usual=1),
        ConditionKind("missing:xyz", "samples without their cloud, share", _SHARE, 0, 1, changes="xyz", usual=1),
        ConditionKind("contaminate", "anomalies of the test set in training, share", _POISON, 0, 0.5, changes=""),
        ConditionKind(
            "contaminate",
            "anomalies taken from the test set into training, share",
            _POISON,
            0,
            0.5,
            changes="",
            tail=":no-overlap",
        ),
    )
}
"""Every kind of conditions by its title."""

_EXAMPLES = "none, rgb-shift:2, rgb-rotate:1, xyz-noise:0.5mm, xyz-dropout:0.3, light:0.7, blur:1, missing:rgb"
_NUMBER = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII)
_FINEST = 6
"""Decimals of a level that count."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition: its kind and level.

    Parameters
    ----------
    kind
        One of :data:`CONDITIONS`; None where nothing is changed.
    level
        In the unit of the kind.
    """

    kind: ConditionKind | None = None
    level: float = 0.0

    @property
    def text(self) -> str:
        """The condition as it is written: one text for equal conditions."""
        return NONE if self.kind is None else self.kind.text(self.level)

    @property
    def of_training(self) -> bool:
        """Whether the training list is changed; else test samples are, if anything."""
        return self.kind is not None and not self.kind.changes

    @property
    def of_test(self) -> bool:
        """Whether test samples are changed, so that a method that was fitted without the condition is measured."""
        return self.kind is not None and bool(self.kind.changes)

    def lacking(self, offered: Collection[str], title: str) -> str:
        """Return why samples can't be changed so, a sentence; empty where they can.

        Parameters
        ----------
        offered
            Modalities that the dataset offers.
        title
            Of the dataset.
        """
        if self.kind is None or not self.kind.needs or self.kind.needs in offered:
            return ""
        what = "points in metres" if self.kind.needs == "xyz" else "a depth"
        return f"Condition '{self.text}' needs {what}, which {title} has not."


def parse_condition(text: str) -> Condition:
    """Return the condition that a text names; raise UsageError where it names none.

    A level at which nothing is changed, such as ``rgb-shift:0`` or ``light:1``, is the same as ``none``.
    """
    if text == NONE:
        return Condition()
    for kind in sorted(CONDITIONS.values(), key=lambda kind: -len(kind.tail)):
        if (level := _level(kind, text)) is not None:
            return Condition() if level == kind.neutral else Condition(kind, level)
    named = next((kind for kind in CONDITIONS.values() if text.startswith(kind.name)), None)
    takes = f"{named.name} takes {named.takes}" if named is not None else f"choose from {_EXAMPLES}"
    raise UsageError(f"'{one_line(text)}' is not a valid condition: {takes}.")


def condition_texts(texts: Iterable[str]) -> tuple[str, ...]:
    """Return conditions as they are written, each once, in their order; raise UsageError as :func:`parse_condition`."""
    return tuple(dict.fromkeys(parse_condition(text).text for text in texts))


def condition_order(text: str) -> tuple[int, float]:
    """Return the place of a condition among others: ``none``, then by kind and level."""
    condition = parse_condition(text)
    kinds = list(CONDITIONS.values())
    return (-1, 0.0) if condition.kind is None else (kinds.index(condition.kind), condition.level)


def _level(kind: ConditionKind, text: str) -> float | None:
    """Return the level that a text names of a kind; None where it is not of this kind, or out of its range."""
    if text == kind.title and kind.usual is not None:
        return kind.usual
    start, end = f"{kind.name}:", f"{kind.unit}{kind.tail}"
    number = text[len(start) : len(text) - len(end)]
    if not (text.startswith(start) and text.endswith(end) and _NUMBER.fullmatch(number)):
        return None
    level = round(float(number), _FINEST)
    return level if kind.low <= level <= kind.high and not (kind.whole and level % 1) else None
