"""Parameters of all methods are checked when a method is made, and an error names parameter, bound and value."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import pytest

from harness import registry
from methods.parameters import require_choices, require_multiple, require_range

METHODS = ("ast", "btf", "cfm", "cfm-t", "m3dm")


@dataclass(kw_only=True, eq=False)
class Example:
    count: int = 4
    share: float = 0.5
    mode: Literal["a", "b"] = "a"


@pytest.mark.parametrize(
    ("value", "bounds", "fact"),
    [
        (0, {"at_least": 1}, "at least 1"),
        (0, {"above": 0}, "above 0"),
        (2, {"above": 0, "at_most": 1}, "at most 1"),
        (1, {"above": 0, "below": 1}, "below 1"),
        (math.nan, {"above": 0}, "above 0"),
    ],
)
def test_a_value_out_of_range_is_refused(value: float, bounds: dict[str, float], fact: str) -> None:
    with pytest.raises(ValueError, match=rf"share .*{fact}.*{value}"):
        require_range(Example(share=value), "share", **bounds)


def test_values_at_inclusive_bounds_are_accepted() -> None:
    require_range(Example(count=1), "count", at_least=1, at_most=1)
    require_multiple(Example(count=64), "count", of=32)


@pytest.mark.parametrize("value", [-32, 0, 33])
def test_only_positive_multiples_are_accepted(value: int) -> None:
    with pytest.raises(ValueError, match=rf"count .*32.*{value}"):
        require_multiple(Example(count=value), "count", of=32)


def test_a_literal_accepts_its_values_only() -> None:
    require_choices(Example(mode="b"))
    with pytest.raises(ValueError, match=r"mode .*'a', 'b'.*'c'"):
        require_choices(Example(mode="c"))


@pytest.mark.parametrize("name", METHODS)
def test_every_method_refuses_an_unknown_choice(name: str) -> None:
    method = registry.load(name)
    for parameter in registry.parameters_of(name).values():
        if parameter.choices:
            with pytest.raises(ValueError, match=f"{parameter.name} .*'unknown'"):
                method(**{parameter.name: "unknown"})


@pytest.mark.parametrize("name", METHODS)
def test_every_parameter_is_documented_and_kept_as_given(name: str) -> None:
    parameters = registry.parameters_of(name)
    method = registry.load(name)()
    documented = [cls.__doc__ or "" for cls in registry.load(name).__mro__]
    for key, parameter in parameters.items():
        assert getattr(method, key) == parameter.default
        assert any(f" {key}\n" in text or f" {key}," in text for text in documented), key
