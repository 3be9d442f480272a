import json
import os
import platform
from importlib.metadata import version
from importlib.util import find_spec

import pytest

from harness import __version__


@pytest.fixture
def smi(tmp_path, monkeypatch):
    """Put a program named nvidia-smi first on the path."""

    def install(script: str) -> None:
        folder = tmp_path / "bin"
        folder.mkdir()
        path = folder / "nvidia-smi"
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    return install


def test_versions_hardware_caches_and_optional_packages(call, tmp_path):
    (tmp_path / "cache" / "weights").mkdir(parents=True)
    (tmp_path / "cache" / "weights" / "file.pth").write_bytes(b"x" * 3_000_000)
    found = json.loads(call("env", "--json").out)
    assert found["harness"] == __version__
    assert found["python"] == platform.python_version()
    assert found["packages"]["torch"] == version("torch")
    assert found["cores"] == os.cpu_count()
    assert found["memory_bytes"] > 10**8
    assert found["caches"]["weights"] == {"path": str(tmp_path / "cache/weights"), "exists": True, "bytes": 3_000_000}
    assert found["caches"]["all"]["bytes"] >= 3_000_000
    assert found["optional"] == {name: find_spec(name) is not None for name in ("faiss", "open3d", "pointnet2_ops")}


def test_a_person_reads_lines(call):
    outcome = call("env")
    assert outcome.code == 0
    names = [line.split()[0] for line in outcome.out.splitlines() if line.strip()]
    assert [
        name for name in ("harness", "python", "cpu", "gpu", "torch", "optional", "cache") if name not in names
    ] == []
    assert "not made yet" in " ".join(outcome.out.split())


def test_gpus_are_those_that_nvidia_smi_lists(call, smi):
    smi("echo 'NVIDIA Test, 1000 MiB, 1.2.3'; echo 'NVIDIA Other, 2000 MiB, 1.2.3'")
    gpus = json.loads(call("env", "--json").out)["gpus"]
    assert [{name: gpu[name] for name in ("name", "memory", "driver")} for gpu in gpus] == [
        {"name": "NVIDIA Test", "memory": "1000 MiB", "driver": "1.2.3"},
        {"name": "NVIDIA Other", "memory": "2000 MiB", "driver": "1.2.3"},
    ]
    assert "NVIDIA Test, 1000 MiB, driver 1.2.3" in call("env").out


def test_a_driver_that_fails_is_a_reason_and_no_crash(call, smi):
    smi("exit 9")
    found = json.loads(call("env", "--json").out)
    assert found["gpus"] == []
    assert "nvidia-smi fails" in found["gpus_reason"]


def test_without_the_tool_there_is_a_reason(call, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    found = json.loads(call("env", "--json").out)
    assert found["gpus_reason"].endswith("nvidia-smi is not installed")
