"""Folders of the data files of the package: splits, published numbers and leaderboards.

In a wheel they are inside the package; in a checkout (editable installation), at the top of the tree.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["leaderboard_dir", "published_dir", "splits_dir"]

_PACKAGE = Path(__file__).resolve().parents[1]


def _first_existing(*candidates: Path) -> Path:
    return next((path for path in candidates if path.is_dir()), candidates[-1])


def splits_dir() -> Path:
    """Return the folder of the fixed few-shot splits."""
    return _first_existing(_PACKAGE / "_bundled" / "splits", _PACKAGE.parent / "splits")


def published_dir() -> Path:
    """Return the folder of published numbers: the paper's, and in ``literature`` one CSV file for each other source."""
    return _first_existing(_PACKAGE / "_bundled" / "published", _PACKAGE.parent / "results" / "published")


def leaderboard_dir() -> Path:
    """Return the folder of leaderboards and tolerances."""
    return _first_existing(_PACKAGE / "_bundled" / "leaderboard", _PACKAGE.parent / "results" / "leaderboard")
