"""Energy that a device takes, by a counter of the hardware: NVML of a GPU's board, RAPL of a CPU's packages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Protocol

from harness.measure.gpus import total_energy
from harness.store.measurements import Energy

__all__ = ["EnergyMeter", "GpuCounter", "RaplCounter", "energy_meter"]

_POWERCAP = Path("/sys/class/powercap")
_DOMAIN = re.compile(r"intel-rapl:\d+")
"""A domain at the top: those below it, as ``intel-rapl:0:1``, are parts of it. AMD's are named so, too."""

_BETWEEN_READINGS = 30.0
"""Seconds after which a counter is read again, long before one begins anew: at 1 kW the smallest takes a minute."""


class _Counter(Protocol):
    """Counts joules from some moment on; raises OSError where it can't."""

    source: str
    least_seconds: float

    def joules(self) -> float:
        """Return the energy up to now."""


class RaplCounter:
    """The packages of all CPUs of this machine, as the kernel counts them.

    Each counter begins anew at its ``max_energy_range_uj``, so it must be read before it can have done so twice.

    Parameters
    ----------
    powercap
        The folder of the kernel's power capping framework.

    Raises
    ------
    OSError
        Where there is no package, or it may not be read.
    """

    least_seconds = 0.1

    def __init__(self, powercap: Path = _POWERCAP) -> None:
        zones = sorted(path for path in powercap.glob("intel-rapl:*") if _DOMAIN.fullmatch(path.name))
        packages = [zone for zone in zones if _text(zone / "name").startswith("package-")]
        if not packages:
            raise OSError("this machine shows no RAPL counter of a CPU package")
        self.source = f"RAPL, {len(packages)} CPU package{'s' if len(packages) > 1 else ''}"
        self._ranges = {zone: int(_text(zone / "max_energy_range_uj")) for zone in packages}
        self._last = self._read()
        self._total = 0

    def joules(self) -> float:
        """Return the energy of all packages since construction."""
        now = self._read()
        for zone, microjoules in now.items():
            rise = microjoules - self._last[zone]
            self._total += rise if rise >= 0 else rise + self._ranges[zone]
        self._last = now
        return self._total / 1e6

    def _read(self) -> Mapping[Path, int]:
        return {zone: int(_text(zone / "energy_uj")) for zone in self._ranges}


class GpuCounter:
    """The board of a GPU, as NVML counts it since the driver was loaded.

    Parameters
    ----------
    uuid
        Of the GPU.

    Raises
    ------
    OSError
        Where NVML has no such counter.
    """

    source = "NVML, the GPU's board"
    least_seconds = 1.0

    def __init__(self, uuid: str) -> None:
        self._uuid = uuid
        self.joules()

    def joules(self) -> float:
        """Return the energy of the board since the driver was loaded."""
        millijoules = total_energy(self._uuid)
        if millijoules is None:
            raise OSError("NVML counts no energy of this GPU")
        return millijoules / 1000


class EnergyMeter:
    """What a device takes for a number of calls.

    Parameters
    ----------
    counter
        None where there is none.
    reason
        Why there is none.
    """

    def __init__(self, counter: _Counter | None, reason: str = "") -> None:
        self._counter, self._reason = counter, reason
        self.begin()

    def begin(self) -> None:
        """Count from now on."""
        self._first = self._joules()
        self._began = self._read = perf_counter()

    def keep_up(self) -> None:
        """Read a counter that begins anew, where it was not read for long; to be called between two calls."""
        if self._counter is not None and perf_counter() - self._read > _BETWEEN_READINGS:
            self._joules()
            self._read = perf_counter()

    def end(self, calls: int) -> Energy:
        """Return the energy since :meth:`begin`, per call.

        Parameters
        ----------
        calls
            Number of calls since then, at least one.
        """
        last, seconds = self._joules(), perf_counter() - self._began
        counter = self._counter
        if counter is None:
            return Energy(reason=self._reason)
        if seconds < counter.least_seconds:
            return Energy(
                source=counter.source,
                reason=f"{seconds:.2f} s are too short: the counter is brought up to date too rarely",
            )
        if last <= self._first:
            return Energy(source=counter.source, reason="the counter did not move")
        joules = last - self._first
        return Energy(
            joules=joules / calls,
            watts=joules / seconds,
            calls=calls,
            seconds=round(seconds, 4),
            source=counter.source,
        )

    def _joules(self) -> float:
        """Return the counter's reading; without one from now on, where it fails."""
        try:
            return 0.0 if self._counter is None else self._counter.joules()
        except (OSError, ValueError) as error:
            self._counter, self._reason = None, _told(error)
            return 0.0


def energy_meter(device: str, powercap: Path = _POWERCAP) -> EnergyMeter:
    """Return the meter of a torch device, with the reason where its hardware tells nothing.

    Parameters
    ----------
    device
        Torch device name; a CUDA device has been used before.
    powercap
        As for :class:`RaplCounter`.
    """
    try:
        return EnergyMeter(_counter(device, powercap))
    except (OSError, ValueError) as error:
        return EnergyMeter(None, _told(error))


def _counter(device: str, powercap: Path) -> _Counter:
    if device == "cpu":
        return RaplCounter(powercap)
    if not device.startswith("cuda"):
        raise OSError(f"there is no counter for the device {device}")
    import torch

    return GpuCounter(str(getattr(torch.cuda.get_device_properties(device), "uuid", "")))


def _told(error: OSError | ValueError) -> str:
    """Return why a counter can't be read, in words."""
    if isinstance(error, PermissionError):
        return "the RAPL counters may be read by the administrator alone: allow reading energy_uj"
    return str(error)


def _text(path: Path) -> str:
    return path.read_text(encoding="ascii").strip()
