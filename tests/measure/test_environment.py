"""What a record says of the machine, the packages and torch's flags."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from harness import __version__
from harness.distribution import DISTRIBUTION
from harness.measure.environment import describe
from harness.store.environment import Provider
from harness.store.provenance import provider_of, source_of

CONFIGURED = """
import json, random, sys
import numpy as np
assert "torch" not in sys.modules
from harness.measure import environment, torch_state
assert "torch" not in sys.modules
import torch
draws = []
for _ in range(2):
    torch_state.configure("cpu", seed=2**40 + 3)
    draws.append([random.random(), np.random.rand(), torch.rand(1).item()])
assert draws[0] == draws[1]
torch.zeros(3).put_(torch.tensor([0, 0]), torch.tensor([1.0, 2.0]))
import msgspec
print(json.dumps(msgspec.to_builtins(environment.describe_torch(environment.describe(), "cpu"))))
"""


@pytest.fixture(scope="module")
def configured() -> subprocess.CompletedProcess[str]:
    """Configure torch in a process of its own, and use an operation that has no deterministic algorithm."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUBLAS_WORKSPACE_CONFIG": ":0:0"}
    command = [sys.executable, "-c", CONFIGURED]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_torch_s_flags_are_pinned_and_told(configured) -> None:
    assert configured.returncode == 0, configured.stderr
    found = json.loads(configured.stdout)
    expected = {
        "device": "cpu",
        "cuda": None,
        "dtype": "float32",
        "threads": 1,
        "tf32": False,
        "tf32_matmul": False,
        "tf32_cudnn": False,
        "cudnn_benchmark": False,
        "cudnn_deterministic": True,
        "deterministic_algorithms": True,
        "cublas_workspace_config": ":4096:8",
    }
    assert {name: found[name] for name in expected} == expected
    assert found["interop_threads"] >= 1
    assert found["device_name"] == describe().cpu


def test_an_operation_without_a_deterministic_algorithm_warns_and_goes_on(configured) -> None:
    assert "does not have a deterministic implementation" in configured.stderr


def test_machine_and_packages_are_told() -> None:
    found = describe()
    assert found.harness == __version__
    assert found.packages["numpy"] == version("numpy")
    assert found.cores == os.cpu_count()
    assert found.cpu
    assert found.provider is None
    assert (found.driver is None) == (found.gpus == ())


def test_every_gpu_and_the_driver_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\nprintf 'First GPU, 10 MiB, 1.2\\nSecond GPU, 20 MiB, 1.2\\n'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    found = describe()
    assert found.driver == "1.2"
    assert [gpu.name for gpu in found.gpus] == ["First GPU", "Second GPU"]


def test_the_distribution_that_provides_a_method_is_told() -> None:
    own = version(DISTRIBUTION)
    assert provider_of("cfm") == Provider(DISTRIBUTION, own, source_of("cfm"))
    assert describe("cfm").provider == provider_of("cfm")
    assert provider_of("no-such-method") is None
