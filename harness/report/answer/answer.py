"""What is known of the methods of one setting, as data: typed, and plain enough for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from msgspec import to_builtins

from harness.report.decision_table import Counted
from harness.report.intervals import Difference

__all__ = [
    "Answer",
    "Cost",
    "Costs",
    "Decided",
    "LeftOutMethod",
    "MoreImages",
    "OtherMetric",
    "Place",
    "Standing",
    "TestSet",
]

Place = Literal["best", "tied", "behind", "untested"]
"""``best``: the highest number, whether others are tied with it or not. ``untested``: lower, and nothing is known of
whether that is by chance."""


@dataclass(frozen=True, slots=True)
class Cost:
    """A number that depends on the machine, or why there is none.

    Parameters
    ----------
    value
        In the unit of its quantity; None where it can't be had.
    note
        Why it can't be had, or what a reader must know of it.
    compared
        Whether it may be set against those of other methods on the same machine.
    """

    value: float | None
    note: str = ""
    compared: bool = False


@dataclass(frozen=True, slots=True)
class Costs:
    """What a method costs on one machine: means over the compared categories.

    Parameters
    ----------
    machine
        Hardware and threads.
    numbers
        By the id of a quantity: ``fps``, ``peak_inference_mb``, ``fit_s``.
    """

    machine: str
    numbers: Mapping[str, Cost]

    def compared(self, id: str) -> float | None:
        """Return a number that may be set against others of the same machine; None for none."""
        cost = self.numbers[id]
        return cost.value if cost.compared else None


@dataclass(frozen=True, slots=True)
class Decided:
    """What thresholds set on nominal samples decide for a method, all images of the compared categories counted.

    Parameters
    ----------
    rate
        Target rate of false alarms of the thresholds, one for each category.
    source
        How many nominal samples they are set on, and where these come from.
    thresholds
        How many there are.
    false_alarms
        Good images that are called anomalies, with their share and its exact interval.
    missed
        Anomalous images that are called good, likewise.
    remark
        Why the rate can't be aimed at; empty where it can.
    """

    rate: float
    source: str
    thresholds: int
    false_alarms: Counted
    missed: Counted
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a method stands among those that it is compared with.

    Parameters
    ----------
    method
        Its label.
    value
        Mean of the metric over the compared categories.
    low, high
        Ends of the 95% interval of the value over test sets; None where the images give none.
    place
        Among the compared methods.
    behind
        Value less that of the best one: 0 or negative.
    difference
        The same with its 95% interval, paired over the test images; None for the best one, and where it is unknown.
    undecided
        Why the interval of the difference is unknown; empty where it is known.
    costs
        One for each machine that it was measured on.
    note
        What a reader must know of its records.
    decided
        What thresholds decide; None where some record has none.
    """

    method: str
    value: float
    low: float | None
    high: float | None
    place: Place
    behind: float = 0.0
    difference: Difference | None = None
    undecided: str = ""
    costs: tuple[Costs, ...] = ()
    note: str = ""
    decided: Decided | None = None

    def on(self, machine: str) -> Costs | None:
        """Return what it costs on a machine; None where it was not measured there."""
        return next((costs for costs in self.costs if costs.machine == machine), None)


@dataclass(frozen=True, slots=True)
class LeftOutMethod:
    """A method that is not compared, and why."""

    method: str
    why: str


@dataclass(frozen=True, slots=True)
class OtherMetric:
    """Who is best in another metric, over the same categories.

    Parameters
    ----------
    metric
        Its id.
    best
        The method with the highest number.
    value
        That number.
    leaders
        This method and all that do not differ significantly from it.
    behind
        How far the best one of the answer's metric is behind it, 0 or negative.
    difference
        The same with its paired interval; None where they are one method, and where it is unknown.
    """

    metric: str
    best: str
    value: float
    leaders: tuple[str, ...]
    behind: float = 0.0
    difference: Difference | None = None


@dataclass(frozen=True, slots=True)
class TestSet:
    """Which test images stand behind the numbers.

    Parameters
    ----------
    good, anomalous
        How many there are in all compared categories.
    fewest_good, fewest_anomalous
        How many there are in the category that has the fewest.
    """

    __test__ = False  # no test case, whatever its name

    good: int = 0
    anomalous: int = 0
    fewest_good: int = 0
    fewest_anomalous: int = 0


@dataclass(frozen=True, slots=True)
class MoreImages:
    """How many test images would show a difference, were it truly what was measured.

    Parameters
    ----------
    rival
        The method that is tied with the best one, and the nearest to it.
    difference
        What was measured: positive.
    images
        In all categories, good and anomalous ones in today's proportion
        (:func:`harness.report.power.images_needed`); None where that can't be said.
    why
        Why it can't be said.
    """

    rival: str
    difference: float
    images: int | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """Which method is best in one setting: one dataset, number of samples, list, preset and kind of weights.

    Parameters
    ----------
    title
        The setting in words.
    setting
        The same by name: ``dataset``, ``shots``, ``split``, ``preset``, ``weights``.
    options
        The same as options of the command line.
    metric
        Id of the accuracy metric that decides.
    why_metric
        Why no metric of pixels was taken, where none was asked for.
    categories
        Over which means are taken: all compared methods have them, on the same test images.
    missing
        Categories of which some method has numbers and that are left out, with the reason.
    methods
        The compared methods, the best first; empty where none has the metric.
    left_out
        Methods that are not compared.
    images
        The test images.
    others
        Who is best in the other metrics that all compared methods have.
    more_images
        How many would tell a tie apart; None where there is none, or all tied methods are equal.
    cautions
        Sentences that a reader must know before anything is decided by this answer.
    """

    title: str
    setting: Mapping[str, str]
    options: str
    metric: str
    why_metric: str = ""
    categories: tuple[str, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    methods: tuple[Standing, ...] = ()
    left_out: tuple[LeftOutMethod, ...] = ()
    images: TestSet = field(default_factory=TestSet)
    others: tuple[OtherMetric, ...] = ()
    more_images: MoreImages | None = None
    cautions: tuple[str, ...] = ()

    @property
    def best(self) -> Standing | None:
        """The method with the highest number, tied with others or not; None where no method has the metric."""
        return self.methods[0] if self.methods else None

    @property
    def tied(self) -> tuple[Standing, ...]:
        """The methods that do not differ significantly from the best one."""
        return self.placed("tied")

    def placed(self, place: Place) -> tuple[Standing, ...]:
        """Return the methods at a place."""
        return tuple(standing for standing in self.methods if standing.place == place)

    @property
    def machines(self) -> tuple[str, ...]:
        """Where the compared methods were measured."""
        return tuple(dict.fromkeys(costs.machine for standing in self.methods for costs in standing.costs))

    @property
    def paragraphs(self) -> tuple[str, ...]:
        """The answer in words."""
        from harness.report.answer.words import paragraphs

        return paragraphs(self)

    def to_json(self) -> dict[str, object]:
        """Return all that is known as plain JSON values, the words first."""
        return {"paragraphs": self.paragraphs, "tie": bool(self.tied), **to_builtins(self)}

    def __str__(self) -> str:
        return "\n".join((self.title, *self.paragraphs))

    def _repr_html_(self) -> str:
        """Return the answer as a notebook shows it."""
        from harness.report.answer.table import answer_html

        return answer_html(self)
