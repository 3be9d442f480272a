"""GPUs as NVIDIA's own libraries tell them, through stand-ins compiled from C."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from nvidia_stubs import driver, environment_with, management

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")

ASK = """
import json, sys
from msgspec import to_builtins
from harness.errors import HarnessError
from harness.measure import cuda_driver
from harness.measure.environment import machine_of
from harness.measure.gpus import compute_processes, gpu_state, list_gpus
from harness.running import devices
cuda_driver._SECONDS = float(sys.argv[1])
devices._torch_is_for_cpu = lambda: False
def said(ask):
    try:
        return to_builtins(ask())
    except HarnessError as error:
        return str(error)
print(json.dumps({
    "all": said(lambda: devices.choose_devices(["all"])),
    "auto": said(lambda: devices.choose_devices(["auto"])),
    "machine": said(lambda: machine_of("cuda:1")),
    "gpus": to_builtins(list_gpus()),
    "state": to_builtins(gpu_state("22222222-2222-2222-2222-222222222222")),
    "processes": compute_processes(),
}))
"""


def ask(folder: Path, seconds: float = 60, **variables: str) -> dict[str, Any]:
    """Ask in a new process, whose driver may take so many seconds."""
    command = [sys.executable, "-c", ASK, str(seconds)]
    environment = environment_with(folder, **variables)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_device_is_used_where_neither_nvml_nor_nvidia_smi_is_there(tmp_path: Path) -> None:
    found = ask(driver(tmp_path), PATH=str(tmp_path))
    assert found["all"] == ["cuda:0", "cuda:1"]
    assert found["auto"] == ["cuda:0"]
    assert found["machine"].startswith("Card B in ")
    gpus, reason = found["gpus"]
    assert gpus == []
    assert "nvidia-smi is not installed" in reason


@pytest.mark.parametrize("visible", ["1", "NoDevFiles", ""])
def test_the_driver_itself_reads_which_devices_are_visible(tmp_path: Path, visible: str) -> None:
    found = ask(driver(tmp_path), CUDA_VISIBLE_DEVICES=visible)
    assert found["auto"] == (["cuda:0"] if visible == "1" else ["cpu"])
    assert found["machine"] == ""


@pytest.mark.parametrize(
    ("init", "reason"),
    [
        ("return 999", "cuInit gives the error 999"),
        ("abort()", "code -6"),
        ("sleep(30)", "did not answer within 2.0 s"),
    ],
)
def test_a_driver_that_fails_is_an_error_and_not_a_cpu(tmp_path: Path, init: str, reason: str) -> None:
    found = ask(driver(tmp_path, init), seconds=2)
    for name in ("all", "auto", "machine"):
        assert reason in found[name]
        assert "--device cpu" in found[name]


def test_a_driver_without_a_device_is_no_error(tmp_path: Path) -> None:
    assert ask(driver(tmp_path, "return 100"))["auto"] == ["cpu"]


def test_without_a_driver_there_is_no_device(tmp_path: Path) -> None:
    assert ask(tmp_path)["auto"] == ["cpu"]


def test_nvml_tells_what_changes_speeds(tmp_path: Path) -> None:
    pytest.importorskip("pynvml")
    found = ask(management(driver(tmp_path)), PATH=str(tmp_path))
    (first, second), reason = found["gpus"]
    assert reason == ""
    assert first == {
        "name": "Card A",
        "memory": "24576 MiB",
        "driver": "590.1",
        "uuid": "GPU-11111111-1111-1111-1111-111111111111",
        "power_limit_w": 450.0,
        "default_power_limit_w": 450.0,
        "ecc": True,
        "mig": None,
    }
    assert second["power_limit_w"] == 300.0
    assert found["machine"].startswith("Card B at 300 W in ")
    throttled = ["SwPowerCap", "HwThermalSlowdown"]
    expected = {"sm_clock_mhz": 1001, "memory_clock_mhz": 1002, "power_w": 123.4, "throttled": throttled}
    assert found["state"] == expected
    assert found["processes"] == {"22222222-2222-2222-2222-222222222222": [5]}
