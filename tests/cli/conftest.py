"""The command line in this process, in an empty folder, with a cache of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness import registry
from harness.cli.main import main
from harness.data.toy import ensure_toy


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


Call = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch) -> None:
    """Keep the settings, caches and results of the machine out of the tests."""
    for name in ("DATA", "RESULTS", "WEIGHTS_DIR", "DEVICE", "PRESET", "WEIGHTS"):
        monkeypatch.delenv(f"HARNESS_{name}", raising=False)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def call(monkeypatch, capsys) -> Call:
    """Run ``harness`` with arguments; returns exit code, standard output and standard error."""

    def run(*arguments: str | Path) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["harness", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return Outcome(int(ended.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def toy(tmp_path_factory) -> Path:
    """The toy dataset, made once."""
    return ensure_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture
def plugin(tmp_path, monkeypatch) -> Iterator[Callable[[str, dict[str, str]], None]]:
    """Install a package with methods: its code, and the entry points that announce them."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def install(code: str, methods: dict[str, str]) -> None:
        (site / "some_plugin.py").write_text(code, encoding="utf-8")
        info = site / "some_plugin-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some-plugin\nVersion: 1.0\n", encoding="utf-8")
        lines = [f"{name} = {value}" for name, value in methods.items()]
        (info / "entry_points.txt").write_text("\n".join(["[harness.methods]", *lines]) + "\n", encoding="utf-8")
        forget()

    def forget() -> None:
        sys.modules.pop("some_plugin", None)
        registry._plugins.forget()
        registry._is_usable.cache_clear()
        registry.load.cache_clear()

    yield install
    forget()
