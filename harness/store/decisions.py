"""What thresholds that are set on nominal samples decide on the test set of a cell, as its record keeps it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isclose
from typing import TYPE_CHECKING

from harness.metrics.decisions import RATES, TailThreshold, best_f1, decide, tail_threshold, threshold_at
from harness.store.measurements import Count, Share
from harness.store.nominal import NominalScores

if TYPE_CHECKING:
    from harness.store.record import ImageScore

__all__ = ["Decisions", "OperatingPoint", "Part", "rate_key"]


@dataclass(frozen=True, slots=True)
class Part:
    """Some images of several.

    Parameters
    ----------
    count
        How many.
    of
        Of how many.
    share
        Their quotient; None of no image.
    """

    count: Count
    of: Count
    share: Share | None

    def __post_init__(self) -> None:
        """Raise ValueError where the numbers contradict each other."""
        share = self.count / self.of if self.of else None
        if self.count > self.of or not (share == self.share or isclose(share or 0, self.share or 0, abs_tol=1e-9)):
            raise ValueError(f"{self.count} of {self.of} images is not the share {self.share}")

    @classmethod
    def among(cls, count: int, of: int) -> Part:
        """Return a part with its share."""
        return cls(count, of, count / of if of else None)


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What one threshold decides.

    Parameters
    ----------
    rate
        Target rate of false alarms.
    threshold
        An image is an anomaly where its score is above it.
    attainable
        Expected rate of false alarms (:class:`harness.metrics.decisions.Threshold`).
    tail
        The threshold of a fitted tail, which decides nothing here.
    false_alarms
        Good images that are called anomalies.
    missed
        Anomalous images that are called good.
    missed_by_defect
        The same of each defect; an image with several counts under each.
    f1
        None without an anomalous image.
    """

    rate: Share
    threshold: float
    attainable: Share
    tail: TailThreshold
    false_alarms: Part
    missed: Part
    missed_by_defect: Mapping[str, Part]
    f1: Share | None


@dataclass(frozen=True, slots=True)
class Decisions:
    """Operating points of a cell.

    Parameters
    ----------
    points
        By target rate, in percent (:func:`rate_key`); empty where there are none, with a ``reason``, and in records of
        earlier versions.
    nominal
        Number of the nominal samples that thresholds are set on.
    source
        Where they come from, as a noun in the plural.
    best_f1
        The highest F1 of all thresholds, chosen with the labels of the test set: no result of a decision. None without
        an anomalous image, and where there are no points.
    reason
        Why there are no points, in a sentence.
    """

    points: Mapping[str, OperatingPoint] = field(default_factory=dict)
    nominal: Count = 0
    source: str = ""
    best_f1: Share | None = None
    reason: str = ""

    @classmethod
    def of(cls, nominal: NominalScores, images: Sequence[ImageScore], seed: int) -> Decisions:
        """Set thresholds on nominal scores and decide on test images with them.

        Parameters
        ----------
        nominal
            At least one score.
        images
            Of the test set.
        seed
            Of the intervals of fitted tails.
        """
        labels, scores = [image.label for image in images], [image.score for image in images]
        return cls(
            {rate_key(rate): _point(nominal.scores, rate, images, seed) for rate in RATES},
            len(nominal.scores),
            nominal.source,
            best_f1(labels, scores),
        )


def rate_key(rate: float) -> str:
    """Return a rate in percent, as ``"1"`` for 0.01."""
    return f"{rate * 100:g}"


def _point(nominal: Sequence[float], rate: float, images: Sequence[ImageScore], seed: int) -> OperatingPoint:
    threshold = threshold_at(nominal, rate)
    whole = decide(threshold.value, [image.label for image in images], [image.score for image in images])
    by_defect: dict[str, list[bool]] = {}
    for image in images:
        for defect in (image.defect, *image.also) if image.label else ():
            by_defect.setdefault(defect, []).append(image.score <= threshold.value)
    return OperatingPoint(
        rate=rate,
        threshold=threshold.value,
        attainable=threshold.attainable,
        tail=tail_threshold(nominal, rate, seed),
        false_alarms=Part.among(whole.false_alarms, whole.good),
        missed=Part.among(whole.missed, whole.anomalous),
        missed_by_defect={name: Part.among(sum(missed), len(missed)) for name, missed in sorted(by_defect.items())},
        f1=whole.f1,
    )
