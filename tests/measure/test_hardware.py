from dataclasses import replace

import pytest

from harness.measure.environment import describe
from harness.store.environment import Environment

CPU = Environment(device="cpu", device_name="EPYC", cpu="EPYC", cores=4, threads=2, packages={"torch": "2.15"})
CUDA = replace(CPU, device="cuda:0", device_name="H200")


def test_a_cpu_is_told_by_name_cores_and_threads():
    assert CPU.hardware == "EPYC, 4 cores, 2 threads"
    assert replace(CPU, cores=1, threads=1).hardware == "EPYC, 1 core, 1 thread"


def test_a_gpu_is_told_by_its_name_and_the_cpu_whatever_its_index():
    assert CUDA.hardware == replace(CUDA, device="cuda:3", threads=1).hardware == "H200 in EPYC"


@pytest.mark.parametrize("change", [{"cpu": "Xeon"}, {"cores": 8}, {"threads": 1}, {"device": "cuda:0"}])
def test_other_hardware_has_another_key(change):
    assert replace(CPU, **change).hardware != CPU.hardware


def test_an_upgrade_of_a_package_keeps_the_key():
    assert replace(CPU, packages={"torch": "2.16"}, driver="590").hardware == CPU.hardware


@pytest.mark.parametrize("lacking", [{}, {"device": "cpu"}, {"device": "cuda:0", "cpu": "EPYC"}, {"cpu": "EPYC"}])
def test_unknown_hardware_has_no_key(lacking):
    assert Environment(**lacking).hardware == ""


def test_the_key_of_this_machine_is_one_line_with_its_cores():
    environment = replace(describe(device="cpu"), threads=2)
    key = environment.hardware
    assert key.startswith(environment.cpu.split()[0])
    assert f", {environment.cores} core" in key
    assert "\n" not in key
