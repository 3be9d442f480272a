"""The digest of the code behind a class: what changes it and what does not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.files.sources import module_file, source_digest
from harness.store.provenance import source_of

PART = '''"""Words."""


def part(x):
    """More words."""
    # a remark
    return """
# no remark, but text

""", x + 1
'''


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    (folder / "deep").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "deep" / "__init__.py").write_text("from . import inner\n")
    (folder / "deep" / "inner.py").write_text("VALUE = 1\n")
    (folder / "part.py").write_text(PART)
    (folder / "unused.py").write_text("VALUE = 1\n")
    (folder / "main.py").write_text(
        "import numpy\nfrom own.part import part\n\n\nclass Main:\n"
        "    def fit(self):\n        from .deep import inner\n\n        return inner.VALUE\n"
    )
    return folder


def of(package: Path) -> str:
    return source_digest("own.main", package / "main.py")


@pytest.mark.parametrize(
    ("file", "old", "new", "counts"),
    [
        ("main.py", "inner.VALUE", "-inner.VALUE", True),
        ("part.py", "x + 1", "x - 1", True),
        ("part.py", "# no remark", "# a text", True),
        ("part.py", "but text\n\n", "but text\n", True),
        ("deep/inner.py", "1", "2", True),
        ("deep/__init__.py", "inner", "inner, inner as other", True),
        ("__init__.py", "", "ANSWER = 42\n", True),
        ("unused.py", "1", "2", False),
        ("part.py", "Words", "Other words", False),
        ("part.py", "More words", "Fewer words", False),
        ("part.py", "# a remark\n", "# another remark\n\n    # and one more\n", False),
        ("part.py", "\n", "\r\n", False),
    ],
)
def test_code_of_the_package_counts_and_words_do_not(
    package: Path, file: str, old: str, new: str, counts: bool
) -> None:
    before, path = of(package), package / file
    path.write_bytes(path.read_text().replace(old, new, 1 if new != "\r\n" else -1).encode())
    assert (of(package) != before) is counts
    assert len(before) == 64


def test_a_single_file_brings_its_neighbours_along_unless_it_lies_among_installed_modules(tmp_path: Path) -> None:
    for name, counts in (("project", True), ("site-packages", False)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "mine.py").write_text("import beside\n")
        (folder / "beside.py").write_text("VALUE = 1\n")
        before = source_digest("mine", folder / "mine.py")
        (folder / "beside.py").write_text("VALUE = 20\n")
        assert (source_digest("mine", folder / "mine.py") != before) is counts


def test_a_package_that_is_named_itself_brings_its_modules_along(package: Path) -> None:
    (package / "__init__.py").write_text("from own.main import Main\nfrom .part import part\n")
    file = package / "__init__.py"
    for changed in ("part.py", "deep/inner.py", "main.py"):
        before = source_digest("own", file)
        (package / changed).write_text((package / changed).read_text() + "MORE = 1\n")
        assert source_digest("own", file) != before, changed
    before = source_digest("own", file)
    (package / "unused.py").write_text("VALUE = 2\n")
    assert source_digest("own", file) == before


def test_a_source_that_cannot_be_read_has_no_digest(tmp_path: Path) -> None:
    assert source_digest("gone", tmp_path / "gone.py") == ""
    (tmp_path / "odd.py").write_bytes(b"\x00\xff(")
    assert source_digest("odd", tmp_path / "odd.py") == ""
    assert module_file("no.such.module") is None


def test_variants_of_a_method_share_their_source_and_no_method_is_imported_for_it() -> None:
    file = module_file("methods.m3dm")
    assert file is not None
    assert file.name == "m3dm.py"
    sources = {name: source_of(name) for name in ("cfm", "cfm-t", "btf", "m3dm", "ast")}
    assert sources["cfm"] == sources["cfm-t"]
    assert len(set(sources.values())) == 4
    assert all(len(digest) == 64 for digest in sources.values())
    assert source_of("no-such-method") == ""
    assert "torch" in sys.modules or "methods.parts.cfm.features" not in sys.modules
