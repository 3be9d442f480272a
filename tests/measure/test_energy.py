"""Energy per image, from counters as the kernel lays them out and from NVML's stand-in."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from nvidia_stubs import driver, environment_with, management
from samples import make_sample

from harness.contract import Prediction
from harness.measure import energy
from harness.measure.clock import DeviceClock
from harness.measure.energy import EnergyMeter, RaplCounter, energy_meter
from harness.measure.latency import measure_latency
from harness.protocol import LatencyBudget

RANGE = 262_143_328_850


def zone(powercap: Path, name: str, label: str, microjoules: int, most: int = RANGE) -> Path:
    folder = powercap / name
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{label}\n")
    (folder / "max_energy_range_uj").write_text(f"{most}\n")
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    return folder


def add(folder: Path, microjoules: int) -> None:
    """Move a counter on, as the kernel does: from its range on it begins anew."""
    counter = folder / "energy_uj"
    counter.write_text(
        str((int(counter.read_text()) + microjoules) % int((folder / "max_energy_range_uj").read_text()))
    )


@contextmanager
def as_nobody() -> Iterator[None]:
    """Give up the administrator's rights for a while, where the tests have them."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.fixture
def machine(tmp_path: Path) -> list[Path]:
    """Two packages with their parts, the platform that they are in, and a package under its second interface."""
    packages = [zone(tmp_path, f"intel-rapl:{place}", f"package-{place}", 7 * 10**6) for place in (0, 1)]
    others = [
        zone(tmp_path, "intel-rapl:0:0", "core", 10**6),
        zone(tmp_path, "intel-rapl:0:1", "dram", 10**6),
        zone(tmp_path, "intel-rapl:1:0", "package-1-part", 10**6),
        zone(tmp_path, "intel-rapl:2", "psys", 10**6),
        zone(tmp_path, "intel-rapl-mmio:0", "package-0", 10**6),
    ]
    (tmp_path / "intel-rapl").mkdir()
    return [*packages, *others]


def test_packages_are_added_and_nothing_is_counted_twice(tmp_path: Path, machine: list[Path]) -> None:
    counter = RaplCounter(tmp_path)
    assert counter.joules() == 0
    for folder, microjoules in zip(machine, (2_500_000, 4_000_000, *[10**9] * 5), strict=True):
        add(folder, microjoules)
    assert counter.joules() == pytest.approx(6.5)
    assert counter.source == "RAPL, 2 CPU packages"


def test_a_counter_that_begins_anew_goes_on(tmp_path: Path) -> None:
    folder = zone(tmp_path, "intel-rapl:0", "package-0", 9_000_000, most=10_000_000)
    counter = RaplCounter(tmp_path)
    found = []
    for _ in range(7):
        add(folder, 3_000_000)
        found.append(counter.joules())
    assert found == pytest.approx([3, 6, 9, 12, 15, 18, 21])


def test_a_long_measurement_reads_before_the_counter_comes_round_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = zone(tmp_path, "intel-rapl:0", "package-0", 0, most=10_000_000)
    monkeypatch.setattr(energy, "_BETWEEN_READINGS", 0.0)
    monkeypatch.setattr(RaplCounter, "least_seconds", 0.0)
    meter = EnergyMeter(RaplCounter(tmp_path))
    for _ in range(8):
        add(folder, 6_000_000)
        meter.keep_up()
    assert meter.end(4).joules == pytest.approx(12.0)


def test_what_may_not_be_read_is_said() -> None:
    with tempfile.TemporaryDirectory() as name:
        powercap = Path(name)
        folder = zone(powercap, "intel-rapl:0", "package-0", 1)
        powercap.chmod(0o755)
        (folder / "energy_uj").chmod(0o400)
        if os.geteuid():
            (folder / "energy_uj").chmod(0)
        with as_nobody():
            found = energy_meter("cpu", powercap).end(1)
    assert found.joules is None
    assert "allow reading energy_uj" in found.reason


@pytest.mark.parametrize("text", ["", "unknown"])
def test_a_counter_without_a_number_is_no_error(tmp_path: Path, text: str) -> None:
    folder = zone(tmp_path, "intel-rapl:0", "package-0", 1)
    meter = energy_meter("cpu", tmp_path)
    (folder / "energy_uj").write_text(text)
    found = meter.end(1)
    assert (found.joules, found.watts) == (None, None)
    assert "invalid literal" in found.reason


def test_a_machine_that_tells_nothing_has_the_reason(tmp_path: Path) -> None:
    assert "no RAPL counter" in energy_meter("cpu", tmp_path / "missing").end(3).reason
    zone(tmp_path, "intel-rapl:0", "psys", 1)
    assert "no RAPL counter" in energy_meter("cpu", tmp_path).end(3).reason
    assert "device mps" in energy_meter("mps").end(3).reason


def test_short_times_and_counters_that_stand_still_give_no_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = zone(tmp_path, "intel-rapl:0", "package-0", 1)
    monkeypatch.setattr(RaplCounter, "least_seconds", 60.0)
    meter = energy_meter("cpu", tmp_path)
    add(folder, 5_000_000)
    found = meter.end(1)
    assert (found.joules, found.source) == (None, "RAPL, 1 CPU package")
    assert "too short" in found.reason
    monkeypatch.setattr(RaplCounter, "least_seconds", 0.0)
    meter.begin()
    assert "did not move" in meter.end(1).reason


class Burner:
    """A method whose inference takes 2 J, and whose preparation 0.5 J."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def prepare(self, sample: object) -> object:
        add(self.folder, 500_000)
        return sample

    def infer(self, inputs: object) -> Prediction:
        add(self.folder, 2_000_000)
        return Prediction(0.5, None)


def test_energy_is_that_of_the_measured_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = zone(tmp_path, "intel-rapl:0", "package-0", 9_000_000, most=20_000_000)
    monkeypatch.setattr(RaplCounter, "least_seconds", 0.0)
    monkeypatch.setattr(energy, "_BETWEEN_READINGS", 0.0)
    budget = LatencyBudget(warmups=5, min_calls=12, min_seconds=0.0, max_seconds=60.0)
    sample, meter = make_sample(0, height=32, width=32), energy_meter("cpu", tmp_path)
    timing = measure_latency(Burner(folder), [sample], budget, DeviceClock("cpu"), meter=meter)
    assert timing.energy is not None
    assert timing.energy.joules == pytest.approx(2.5), "warm-ups do not count"
    assert timing.energy.calls == len(timing.calls) == 12
    assert timing.energy.seconds is not None
    assert timing.energy.watts == pytest.approx(30.0 / timing.energy.seconds, rel=0.01)
    assert measure_latency(Burner(folder), [sample], budget, DeviceClock("cpu")).energy is None


ASK = """
import json
from msgspec import to_builtins
from harness.measure.energy import EnergyMeter, GpuCounter
GpuCounter.least_seconds = 0.0
first, second = (f"{d * 8}-{d * 4}-{d * 4}-{d * 4}-{d * 12}" for d in "12")
def told(uuid):
    try:
        return to_builtins(EnergyMeter(GpuCounter(uuid)).end(4))
    except OSError as error:
        return str(error)
print(json.dumps([told(uuid) for uuid in ("GPU-" + second, first, "none")]))
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_nvml_counts_the_board_of_the_gpu_that_is_meant(tmp_path: Path) -> None:
    pytest.importorskip("pynvml")
    environment = environment_with(management(driver(tmp_path)), PATH=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", ASK], env=environment, capture_output=True, text=True, check=True)
    counted, unsupported, unknown = json.loads(done.stdout)
    assert counted["joules"] == pytest.approx(1.5), "the stand-in adds 6 J at each reading"
    assert (counted["calls"], counted["reason"]) == (4, "")
    assert unsupported == unknown == "NVML counts no energy of this GPU"
