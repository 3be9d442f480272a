"""Why an optional package or kernel can't be used."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch

from methods.parts.optional import import_optional, reason_it_fails


def test_a_package_that_is_not_installed_is_skipped() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert import_optional("a_package_that_is_not_there", "It", "A part") == (None, "It is not installed")


def test_a_broken_package_is_skipped_with_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_extension.py").write_text("raise OSError('libcudart.so.10: cannot open shared object file')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.warns(RuntimeWarning, match=r"A part .* broken_extension.*libcudart\.so\.10"):
        module, reason = import_optional("broken_extension", "broken_extension", "A part")
    assert module is None
    assert reason.startswith("broken_extension can't be imported: libcudart.so.10")


def test_what_fails_is_warned_about_and_its_first_line_is_the_reason() -> None:
    def attempt() -> None:
        raise RuntimeError("no compiler\nand a long log")

    with pytest.warns(RuntimeWarning, match="A part does not use Triton"):
        assert reason_it_fails(attempt, "Triton", "A part") == "Triton failed: no compiler"
    assert reason_it_fails(lambda: None, "Triton", "A part") == ""


def test_a_full_device_is_an_error() -> None:
    def attempt() -> None:
        raise torch.OutOfMemoryError

    with pytest.raises(torch.OutOfMemoryError):
        reason_it_fails(attempt, "Triton", "A part")
