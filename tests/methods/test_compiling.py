"""The parameter ``compile``: an error without a compiler, and no effect on training."""

from __future__ import annotations

import pytest
import torch
from samples import make_sample, no_progress

from harness.contract import UnsupportedError
from methods.cfm import CFMTiny

SMALL = {"centres": 32, "group_size": 16, "epochs": 2, "pixels": 200}


def test_a_missing_compiler_is_an_error(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(UnsupportedError, match=r"apt-get install g\+\+"):
        CFMTiny(**SMALL, compile=True).fit([make_sample(0, radius=12)], seed=0, device="cpu", progress=no_progress)


def test_training_is_the_same_with_and_without_compile(monkeypatch) -> None:
    def compiled(function, **_options):
        def called(*_arguments):
            raise AssertionError("training ran what is compiled for inference")

        return called

    samples = [make_sample(seed, radius=12) for seed in range(2)]
    plain, other = CFMTiny(**SMALL), CFMTiny(**SMALL, compile=True)
    plain.fit(samples, seed=1, device="cpu", progress=no_progress)
    monkeypatch.setattr(torch, "compile", compiled)
    other.fit(samples, seed=1, device="cpu", progress=no_progress)
    assert other.losses_ == plain.losses_
    with pytest.raises(AssertionError, match="compiled for inference"):
        other.infer(other.prepare(samples[0]))
