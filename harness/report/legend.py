"""What stands below a set of tables, once for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.report.grid import Grid, Value
from harness.report.render.text import TIE_MARK
from harness.report.ties import UNTESTED

__all__ = ["legend"]

_PLACES = "Best in bold, runner-up underlined, equal numbers alike; measured and published rows are ranked separately."
_TIES = (
    f"{TIE_MARK} can't be separated from the best of its column: the 95% interval of their difference, by a bootstrap "
    "over the same test images and corrected for selecting the best, contains 0. That does not make them equal: each "
    "caption gives the true difference that these images detect with 80% power, a footnote how many images would "
    "detect the measured difference with 80% power. No number of such a column is bold."
)
_UNTESTED = (
    "Bold is untested where cells left no counts of their test images or were tested on other ones: there the printed "
    "numbers alone decide; the same 'harness run' with '--rerun METHOD' makes the counts."
)
_RANKS = (
    f"{TIE_MARK} among mean ranks: by the Friedman and Nemenyi tests, for two methods by the exact sign test. Tied is "
    "not equal: these tests detect large differences only."
)
_SEEDS = (
    f"{TIE_MARK} among means over splits: the 95% interval of the mean difference over the same splits, with "
    "Bonferroni's correction for all pairs of methods, contains 0. Tied is not equal."
)
_AUPRO = (
    "Exact AUPRO is the integral of the PRO curve; official AUPRO follows the code with 99 thresholds whose numbers "
    "papers print. They are never comparable with each other."
)


def legend(grids: Sequence[Grid]) -> tuple[str, ...]:
    """Return sentences that explain the marks and terms in some tables; none that isn't needed.

    Parameters
    ----------
    grids
        As they will be printed.
    """
    tied = {grid.keys.get("kind", "") for grid in grids if any(value.tied for value in _values([grid]))}
    needed = {
        _PLACES: any(value.place for value in _values(grids)),
        _TIES: bool(tied - {"rank", "seeds"}),
        _UNTESTED: any(UNTESTED.items() <= grid.keys.items() for grid in grids),
        _RANKS: "rank" in tied,
        _SEEDS: "seeds" in tied,
        _AUPRO: any("AUPRO" in f"{grid.title}{grid.columns}" for grid in grids),
    }
    return tuple(sentence for sentence, wanted in needed.items() if wanted)


def _values(grids: Iterable[Grid]) -> Iterable[Value]:
    return (value for grid in grids for row in grid.rows for value in row.values)
