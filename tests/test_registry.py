"""Names of methods and parameters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import registry
from harness.errors import UsageError

FAMILY = ("cfm", "cfm-m", "cfm-s", "cfm-t")


def names(*selection: str) -> list[str]:
    return [str(spec) for spec in registry.parse(selection)]


def test_built_in_methods_register_like_plugins() -> None:
    assert set(FAMILY) <= set(registry.method_names())


def test_names_lists_globs_and_repetition() -> None:
    assert names("cfm,cfm-t") == ["cfm", "cfm-t"]
    assert names("cfm-t", "cfm", "cfm-t") == ["cfm-t", "cfm"]
    assert names("cfm*") == list(FAMILY)
    assert set(FAMILY) <= set(names("all"))


def test_parameters_are_typed_and_canonical() -> None:
    assert names("cfm[epochs=50,aggregate=sum]") == ["cfm[aggregate=sum,epochs=50]"]
    assert names("cfm[aggregate=sum , epochs=50]", "cfm[epochs=50,aggregate=sum]") == ["cfm[aggregate=sum,epochs=50]"]
    (spec,) = registry.parse(["cfm[lr=0.01,epochs=3]"])
    assert spec.parameters == {"lr": 0.01, "epochs": 3}
    assert names("cfm[epochs=2],cfm-t") == ["cfm[epochs=2]", "cfm-t"]


@pytest.mark.parametrize(
    ("label", "parts"),
    [
        ("cfm", ("cfm", "")),
        ("cfm[epochs=50,lr=0.1]", ("cfm", "epochs=50,lr=0.1")),
        ("cfm (released weights)", ("cfm", "")),
        ("cfm[epochs=50] (released weights)", ("cfm", "epochs=50")),
    ],
)
def test_a_label_is_a_method_and_the_text_of_its_parameters(label: str, parts: tuple[str, str]) -> None:
    assert registry.parse_label(label) == parts
    assert registry.base_name(label) == parts[0]


def test_resolution_is_named_then_preset_then_default() -> None:
    (spec,) = registry.parse(["cfm[epochs=3]"])
    paper, quick = registry.resolve(spec, "paper"), registry.resolve(spec, "quick")
    assert paper["epochs"] == quick["epochs"] == 3
    assert (paper["group_size"], quick["group_size"]) == (128, 32)
    assert registry.resolve(registry.parse(["cfm"])[0], "paper")["epochs"] == 250
    assert set(paper) == set(registry.parameters_of("cfm"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cmf", "did you mean 'cfm'"),
        ("zzz*", "choose from"),
        ("", "No method is named"),
        ("cfm[epoch=5]", "did you mean 'epochs'"),
        ("cfm[epochs]", "write name=value"),
        ("cfm[epochs=five]", "of type int"),
        ("cfm[epochs=5,epochs=6]", "given twice"),
        ("cfm[aggregate=produkt]", "did you mean 'product'"),
        ("cfm[epochs=5", "is no method"),
    ],
)
def test_wrong_selections_name_the_nearest(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said.replace("[", r"\[")):
        registry.parse([text])


def test_a_refused_combination_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="epochs must be at least 1"):
        registry.resolve(registry.parse(["cfm[epochs=0]"])[0], "paper")


@given(st.lists(st.sampled_from(["cfm", "cfm[epochs=2,lr=0.1]", "btf[a=b]", "x"]), min_size=1, max_size=5))
def test_commas_inside_brackets_do_not_split(parts: list[str]) -> None:
    assert registry.split_list(",".join(parts)) == parts
