"""Stand-ins for the libraries of NVIDIA's driver, compiled from C: the code that calls them runs as it is."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

__all__ = ["driver", "environment_with", "management"]

_DRIVER = r"""
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int cuInit(unsigned flags) { %(init)s; return 0; }
int cuDeviceGetCount(int *count) {
  const char *visible = getenv("CUDA_VISIBLE_DEVICES");
  *count = visible ? atoi(visible) : 2;
  return 0;
}
int cuDeviceGet(int *device, int index) { *device = index; return 0; }
int cuDeviceGetName(char *name, int length, int device) {
  strncpy(name, device ? "Card B" : "Card A", length);
  return 0;
}
int cuDeviceGetUuid_v2(unsigned char *uuid, int device) { memset(uuid, 0x11 * (device + 1), 16); return 0; }
"""

_MANAGEMENT = r"""
#include <string.h>
typedef unsigned long handle;
static const char *UUIDS[] = {"GPU-11111111-1111-1111-1111-111111111111", "GPU-22222222-2222-2222-2222-222222222222"};
static int text(char *to, const char *from, unsigned length) { strncpy(to, from, length); return 0; }
static int number(unsigned *to, unsigned value) { *to = value; return 0; }
int nvmlInitWithFlags(unsigned flags) { return 0; }
int nvmlInit_v2(void) { return 0; }
int nvmlSystemGetDriverVersion(char *to, unsigned length) { return text(to, "590.1", length); }
int nvmlDeviceGetCount_v2(unsigned *count) { return number(count, 2); }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, handle *device) { *device = index + 1; return 0; }
int nvmlDeviceGetName(handle device, char *to, unsigned length) {
  return text(to, device == 1 ? "Card A" : "Card B", length);
}
int nvmlDeviceGetUUID(handle device, char *to, unsigned length) { return text(to, UUIDS[device - 1], length); }
int nvmlDeviceGetMemoryInfo(handle device, unsigned long long *info) {
  info[0] = info[1] = 24ull << 30;
  info[2] = 0;
  return 0;
}
int nvmlDeviceGetEnforcedPowerLimit(handle device, unsigned *to) { return number(to, device == 1 ? 450000 : 300000); }
int nvmlDeviceGetPowerManagementDefaultLimit(handle device, unsigned *to) { return number(to, 450000); }
int nvmlDeviceGetPowerUsage(handle device, unsigned *to) { return number(to, 123400); }
int nvmlDeviceGetTotalEnergyConsumption(handle device, unsigned long long *millijoules) {
  static unsigned long long total = 5000000;
  if (device == 1) return 3; /* not supported */
  *millijoules = total += 6000;
  return 0;
}
int nvmlDeviceGetEccMode(handle device, unsigned *now, unsigned *next) { return number(now, 1) + number(next, 1); }
int nvmlDeviceGetMigMode(handle device, unsigned *now, unsigned *next) { return 3; }  /* not supported */
int nvmlDeviceGetClockInfo(handle device, unsigned kind, unsigned *mhz) { return number(mhz, 1000 + kind); }
struct process { unsigned pid; unsigned long long memory; unsigned gpu, compute; };
int nvmlDeviceGetComputeRunningProcesses_v3(handle device, unsigned *count, struct process *found) {
  if (device == 1) return number(count, 0);
  *count = 1;
  if (!found) return 7; /* NVML_ERROR_INSUFFICIENT_SIZE */
  found[0].pid = 5;
  return 0;
}
int nvmlDeviceGetCurrentClocksThrottleReasons(handle device, unsigned long long *reasons) {
  *reasons = 0x1 | 0x4 | 0x40;
  return 0;
}
"""


def driver(folder: Path, init: str = "") -> Path:
    """Compile a driver with two devices, or as many as ``CUDA_VISIBLE_DEVICES`` says; ``init`` is C for ``cuInit``."""
    return _compiled(folder, "libcuda.so.1", _DRIVER % {"init": init})


def management(folder: Path) -> Path:
    """Compile NVML with two cards, the second limited to 300 W of 450 W; it took 6 J more at each question."""
    return _compiled(folder, "libnvidia-ml.so.1", _MANAGEMENT)


def _compiled(folder: Path, name: str, source: str) -> Path:
    code = folder / f"{name}.c"
    code.write_text(source)
    subprocess.run(["cc", "-w", "-shared", "-fPIC", "-o", folder / name, code], check=True)
    return folder


def environment_with(folder: Path, **variables: str) -> dict[str, str]:
    """Return an environment whose processes load the libraries of a folder."""
    kept = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    return kept | {"LD_LIBRARY_PATH": str(folder)} | variables
