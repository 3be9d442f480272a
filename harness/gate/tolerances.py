"""How far a number may fall, rise or slow down before ``harness check`` calls it a regression.

The numbers are in ``tolerances.csv``, next to the leaderboard, each with the spread that it comes from and how that was
measured; the defaults here hold where the file has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import DataError
from harness.files.bundled import leaderboard_dir
from harness.files.csvfile import csv_number, read_csv
from harness.registry import nearest_names

__all__ = ["DEFAULTS", "FILE_NAME", "Tolerance", "Tolerances", "read_tolerances"]

FILE_NAME = "tolerances.csv"
_COLUMNS = ("metric", "tolerance", "spread", "how")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """One limit and where it comes from.

    Parameters
    ----------
    value
        The limit; see :data:`DEFAULTS` for the units.
    spread
        The largest difference seen between runs of one cell that should be equal; of ``speed_ratio`` the standard
        deviation of the logarithm of a median between runs. None where it is not measured.
    how
        How the spread was measured.
    """

    value: float
    spread: float | None = None
    how: str = ""

    @property
    def origin(self) -> str:
        """Where the limit comes from, in words; empty where no spread is measured."""
        if self.spread is None:
            return ""
        return f"measured spread {self.spread:g}{f': {self.how}' if self.how else ''}"


DEFAULTS: Mapping[str, float] = {
    "i_auroc": 0.002,
    "p_auroc": 0.002,
    "aupro_30": 0.002,
    "aupro_1": 0.005,
    "aupro_30_official": 0.002,
    "aupro_1_official": 0.005,
    "speed_ratio": 1.2,
    "speed_floor_ms": 1.0,
    "peak_ratio": 1.1,
    "peak_floor_mb": 20.0,
    "memory_ratio": 1.01,
}
"""Limits where no file says otherwise.

A metric may fall by its tolerance. A median latency is slower where it is above ``speed_ratio`` times the old one, by
more than ``speed_floor_ms`` milliseconds, and the intervals of the two medians are disjoint. The peak of memory at
inference is higher where it is above ``peak_ratio`` times the old one and by ``peak_floor_mb`` MB at least; parameters
and bank (``memory_mb``, the same in every run) where they are above ``memory_ratio`` times the old ones.
"""


_OLD_NAMES = {"paper_ratio": "memory_ratio"}
"""Names of version 0.1, which are still read."""


@dataclass(frozen=True, slots=True)
class Tolerances:
    """All limits of a comparison.

    Parameters
    ----------
    limits
        By the names of :data:`DEFAULTS`; a name that is not in it has its default.
    source
        Where they were read, for the reader of a table.
    """

    limits: Mapping[str, Tolerance] = field(default_factory=dict)
    source: str = "defaults"

    def __getitem__(self, name: str) -> Tolerance:
        return self.limits.get(name) or Tolerance(DEFAULTS[name])


def read_tolerances(folder: Path) -> Tolerances:
    """Return the limits of a leaderboard folder, else those that travel with the package, else the defaults.

    Raises
    ------
    DataError
        Where a file can't be read or a line can't be used: the sentence names the file and the line.
    """
    for path in (folder / FILE_NAME, leaderboard_dir() / FILE_NAME):
        if path.is_file():
            return Tolerances(_read(path), str(path))
    return Tolerances()


def _read(path: Path) -> dict[str, Tolerance]:
    limits: dict[str, Tolerance] = {}
    for where, line in read_csv(path, _COLUMNS, "a table of tolerances"):
        name, value = _OLD_NAMES.get(line["metric"], line["metric"]), csv_number(where, line["tolerance"])
        if name not in DEFAULTS:
            raise DataError(f"{where} has the unknown metric '{name}': {nearest_names(name, DEFAULTS)}")
        if name in limits:
            raise DataError(f"{where} has '{name}' for the second time: remove one of the lines.")
        if value is None:
            raise DataError(f"{where} has no tolerance: write one, or remove the line.")
        limits[name] = Tolerance(value, csv_number(where, line["spread"]), line["how"])
    return limits
