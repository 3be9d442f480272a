"""Names of methods and parameters."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

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
        ("cmf", "did you mean .*'cfm'"),
        ("zzz*", "choose from"),
        ("", "No method is named"),
        ("cfm[epoch=5]", "did you mean 'epochs'"),
        ("cfm[epochs]", "write name=value"),
        ("cfm[epochs=five]", "of type int"),
        ("cfm[epochs=5,epochs=6]", "given twice"),
        ("cfm[aggregate=produkt]", "did you mean 'product'"),
        ("cfm[epochs=5", "is not a method"),
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


METHOD = """
from harness.contract import Meta

class Mine:
    meta = Meta(name="{name}", title="Mine", family="mine", uses_torch=False)

    def __init__(self, *, size: int = {size}) -> None:
        self.size = size

    def fit(self, samples, *, seed, device, progress): ...
    def prepare(self, sample): ...
    def infer(self, inputs): ...
    def state_bytes(self): ...

class Bare: ...
short = lambda: Mine()
"""


@pytest.fixture
def method_file(tmp_path: Path, monkeypatch) -> Callable[..., Path]:
    """Write the file of a method that is not installed."""
    monkeypatch.setattr(registry, "_references", {})
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)

    def write(name: str = "mine", size: int = 56, file: str = "my_method.py") -> Path:
        path = tmp_path / file
        path.write_text(METHOD.format(name=name, size=size), encoding="utf-8")
        return path

    yield write
    registry.load.cache_clear()
    sys.modules.pop("my_method", None)


@pytest.mark.parametrize("place", ["./my_method.py", "my_method"])
def test_a_method_that_is_not_installed_is_named_by_its_file_or_module(method_file, place: str) -> None:
    path = method_file()
    (spec,) = registry.parse([f"{place}:Mine[size=3]"])
    assert str(spec) == "mine[size=3]"
    assert registry.resolve(spec, "paper") == {"size": 3}
    assert registry.reference_of("mine") in (f"{path}:Mine", "my_method:Mine")
    assert registry.parse(["mine[size=3]"]) == (spec,)
    assert "mine" not in registry.method_names()


def test_an_edited_file_is_imported_again(method_file) -> None:
    method_file(size=56)
    registry.parse(["./my_method.py:Mine"])
    before = registry.imported_class("mine")
    method_file(size=57)
    (spec,) = registry.parse(["./my_method.py:Mine"])
    assert registry.resolve(spec, "paper") == {"size": 57}
    assert registry.imported_class("mine").sha256 != before.sha256


@pytest.mark.parametrize(
    ("reference", "fact"),
    [
        ("./no_file.py:Mine", "no_file.py"),
        ("no_module:Mine", "No module named 'no_module'"),
        ("no/module:Mine", "no/module"),
        ("./my_method.py:Mien", "Mine, Bare"),
        ("./my_method.py:Bare", "no fit, prepare, infer, state_bytes"),
        ("./my_method.py:short", "function"),
        ("./my_method.py:<lambda>", "<lambda>"),
        ("./my_method.py", "FILE.py:CLASS"),
        ("./broken.py:Mine", "ZeroDivisionError: division by zero"),
        ("./exits.py:Mine", "SystemExit: 3"),
        ("./spaced.py:Mine", "'my method'"),
        ("./cfm.py:Mine", "harness already registers a method 'cfm'"),
        ("./my_method.py:Mine,./other.py:Mine", "my_method.py:Mine"),
    ],
)
def test_a_wrong_reference_is_a_usage_error(method_file, tmp_path: Path, reference: str, fact: str) -> None:
    for name, file in (("mine", "my_method.py"), ("mine", "other.py"), ("my method", "spaced.py"), ("cfm", "cfm.py")):
        method_file(name, file=file)
    (tmp_path / "broken.py").write_text("1 / 0", encoding="utf-8")
    (tmp_path / "exits.py").write_text("raise SystemExit(3)", encoding="utf-8")
    with pytest.raises(UsageError) as raised:
        registry.parse([reference])
    assert fact in str(raised.value)


def test_a_reference_to_an_installed_method_is_that_method(method_file) -> None:
    assert names("methods.cfm:CFM") == ["cfm"]
    assert registry.reference_of("cfm") == ""
