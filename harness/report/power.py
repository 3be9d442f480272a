"""How large a difference some test images would show, and how many would show a given one: arithmetic of power."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, log10, sqrt
from statistics import NormalDist

__all__ = [
    "FEW_IMAGES",
    "MOST_IMAGES",
    "POWER",
    "ROUNDING",
    "Comparison",
    "images_needed",
    "images_text",
    "rounded_up",
    "t_quantile",
    "t_stretch",
]

POWER = 0.8
"""How often a detectable difference is detected."""

_ABOVE = NormalDist().inv_cdf(POWER)
"""Standard deviations that a detectable difference is beyond the end of the interval."""

FEW_IMAGES = 10
"""With fewer images of a kind in a category, intervals are rough, and so is what follows from their spread."""

MOST_IMAGES = 100_000
"""Nobody takes more test images: larger numbers are not printed."""

ROUNDING = 1e-12
"""A difference in the last bits of two sums counts as none."""

_DIGITS = 2
_STEPS = 4
"""Of the iteration for Student's quantile: each is nearer by a factor of about the degrees of freedom."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the difference of two numbers is judged on some test images.

    Parameters
    ----------
    spread
        Standard deviation of the difference over test sets, paired over their images.
    quantile
        How many standard deviations it must exceed with many images.
    degrees
        Degrees of freedom of the spread.
    level
        Of the interval.
    """

    spread: float
    quantile: float
    degrees: float
    level: float

    def half_width(self, times: float = 1.0) -> float:
        """Return half the width of the interval on ``times`` as many images of each kind.

        The spread falls with the square root of their number, the degrees of freedom grow with it.
        """
        return self.quantile * t_stretch(self.degrees * times, self.level) * self.spread / sqrt(times)

    def detectable(self, times: float = 1.0) -> float:
        """Return the true difference that is outside its interval with a power of :data:`POWER`, on as many images."""
        return self.half_width(times) * (1 + _ABOVE / self.quantile)

    def times_as_many(self, difference: float) -> float:
        """Return how many times as many images of each kind make a true difference detectable; at least 1.

        Parameters
        ----------
        difference
            Other than 0, of either sign.
        """
        times = 1.0
        for _ in range(_STEPS):
            times = max(times * (self.detectable(times) / difference) ** 2, 1.0)
        return times


def images_needed(comparison: Comparison, difference: float, images: int, fewest: int) -> int | None:
    """Return on how many test images a measured difference would be outside its interval with a power of :data:`POWER`.

    The measured difference is taken for the true one, and the images for a sample of those that more would be taken
    from, with good and anomalous ones, and categories, in the same proportion.

    Parameters
    ----------
    comparison
        Of the two numbers, on the images that there are.
    difference
        What was measured.
    images
        Test images that there are.
    fewest
        Nominal or anomalous ones, whichever are fewer, in the category that has the fewest.

    Returns
    -------
    int or None
        Rounded up to two digits; None where the two are equal or never differ, and with fewer than :data:`FEW_IMAGES`
        of a kind, whose spread says too little.
    """
    if abs(difference) < ROUNDING or not comparison.spread or not images or fewest < FEW_IMAGES:
        return None
    return int(rounded_up(comparison.times_as_many(difference) * images))


def images_text(images: int | None) -> str:
    """Return a number of needed test images as it is printed, without a noun."""
    if images is None:
        return "cannot be said"
    return f"about {images:,}" if images <= MOST_IMAGES else f"more than {MOST_IMAGES:,}"


def rounded_up(number: float) -> float:
    """Return a positive number rounded up to two digits."""
    step = 10.0 ** (floor(log10(number)) - _DIGITS + 1)
    return round(ceil(round(number / step, 6)) * step, 6)


def t_stretch(degrees: float, level: float) -> float:
    """Return the quantile of Student's distribution over that of the normal one."""
    return t_quantile(degrees, level) / NormalDist().inv_cdf((1 + level) / 2)


def t_quantile(degrees: float, level: float) -> float:
    """Return which multiple of its standard error, up and down, holds a normal mean with probability ``level``."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, (1 + level) / 2))
