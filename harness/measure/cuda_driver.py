"""The CUDA devices that torch would see in this process, by NVIDIA's driver itself; torch is not imported."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache

from harness.errors import PrerequisiteError

__all__ = ["CudaDevice", "visible_devices"]

_SECONDS = 60
"""For the answer of the driver, which may have to start the devices first."""

_ASK = """
import ctypes, json, sys, uuid
driver = ctypes.CDLL("libcuda.so.1")
def call(name, *arguments):
    code = getattr(driver, name)(*arguments)
    if code == 100:  # CUDA_ERROR_NO_DEVICE
        print(json.dumps([]))
        sys.exit(0)
    if code:
        sys.exit(f"{name} gives the error {code}")
count, device = ctypes.c_int(), ctypes.c_int()
call("cuInit", 0)
call("cuDeviceGetCount", ctypes.byref(count))
found = []
for index in range(count.value):
    name, identity = ctypes.create_string_buffer(256), (ctypes.c_ubyte * 16)()
    call("cuDeviceGet", ctypes.byref(device), index)
    call("cuDeviceGetName", name, len(name), device)
    call("cuDeviceGetUuid_v2" if hasattr(driver, "cuDeviceGetUuid_v2") else "cuDeviceGetUuid", identity, device)
    found.append([name.value.decode(errors="replace"), str(uuid.UUID(bytes=bytes(identity)))])
print(json.dumps(found))
"""
"""Run in a process of its own: what has initialised CUDA must not be forked, and a broken driver may crash."""


@dataclass(frozen=True, slots=True)
class CudaDevice:
    """A CUDA device.

    Parameters
    ----------
    name
        As torch has it.
    uuid
        Of the GPU, or of its MIG instance, without a prefix.
    """

    name: str
    uuid: str


def visible_devices() -> tuple[CudaDevice, ...]:
    """Return the CUDA devices that ``CUDA_VISIBLE_DEVICES`` leaves, in torch's order; none without a driver.

    Neither nvidia-smi nor NVML is needed: containers often have the driver alone.

    Raises
    ------
    PrerequisiteError
        Where there is a driver that fails or does not answer.
    """
    return _asked(os.environ.get("CUDA_VISIBLE_DEVICES"), os.environ.get("CUDA_DEVICE_ORDER"))


@lru_cache(maxsize=4)
def _asked(visible: str | None, order: str | None) -> tuple[CudaDevice, ...]:
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return ()
    try:
        answer = subprocess.run(
            [sys.executable, "-I", "-c", _ASK], capture_output=True, text=True, errors="replace", timeout=_SECONDS
        )
        if answer.returncode:
            raise PrerequisiteError(_failure(answer.stderr.strip().rpartition("\n")[2] or f"code {answer.returncode}"))
        return tuple(CudaDevice(name, uuid) for name, uuid in json.loads(answer.stdout))
    except subprocess.TimeoutExpired as error:
        raise PrerequisiteError(_failure(f"it did not answer within {_SECONDS} s")) from error
    except (OSError, ValueError) as error:
        raise PrerequisiteError(_failure(str(error))) from error


def _failure(reason: str) -> str:
    advice = "look at 'nvidia-smi', or use '--device cpu'"
    return f"NVIDIA's driver can't say which CUDA devices there are ({reason}): {advice}."
