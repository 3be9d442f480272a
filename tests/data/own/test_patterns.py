"""Patterns of paths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.own.patterns import Pattern, filled

NAMES = st.text("abcXYZ019.-", min_size=1, max_size=6).filter(lambda name: set(name) != {"."})


@pytest.mark.parametrize(
    ("pattern", "path", "values"),
    [
        ("{split}/{id}.png", "train/007.PNG", {"split": "train", "id": "007"}),
        ("{split}/{id}.png", "train/a/007.png", None),
        ("**/{split}/{id}.png", "x/y/train/7.png", {"split": "train", "id": "7"}),
        ("**/{split}/{id}.png", "train/7.png", {"split": "train", "id": "7"}),
        ("a/**/{split}/{id}.png", "a/train/7.png", {"split": "train", "id": "7"}),
        ("a/**/{split}/{id}.png", "train/7.png", None),
        ("{split}/*/{id}_rgb.png", "test/cam 1/3_rgb.png", {"split": "test", "id": "3"}),
        ("{split}/{id}/{id}.png", "test/3/3.png", {"split": "test", "id": "3"}),
        ("{split}/{id}/{id}.png", "test/3/4.png", None),
        ("{split}_{defect}_{id}.png", "test_bad_0_1.png", {"split": "test_bad", "defect": "0", "id": "1"}),
        ("{id}.p?g", "3.png", {"id": "3"}),
        ("{id}.png", "3.png.png", {"id": "3.png"}),
        ("{id}(1).png", "3(1).png", {"id": "3"}),
    ],
)
def test_what_fits(pattern: str, path: str, values: dict[str, str] | None) -> None:
    assert Pattern(pattern).match(path) == values


@given(st.fixed_dictionaries(dict.fromkeys(("category", "split", "defect", "id"), NAMES)))
def test_a_filled_pattern_fits_and_gives_its_values_back(values: dict[str, str]) -> None:
    pattern = "{category}/x/{split}/{defect}/{id}.png"
    assert Pattern(pattern).match(filled(pattern, values)) == values


def test_no_name_takes_long() -> None:
    """Each of 40 names of 250 letters nearly fits each of 40 names of the pattern, in every way."""
    pattern = Pattern("/".join(["*_*_*"] * 39) + "/*_*_{id}.png")
    assert pattern.match("/".join(["_" * 250] * 40)) is None
