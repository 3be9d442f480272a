"""Memory measured on methods whose memory is known."""

from __future__ import annotations

import ctypes
import math
import mmap
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import pytest
from samples import make_sample

from harness.contract import Sample
from harness.measure.host import malloc_in_use, reset_high_water
from harness.measure.memory import measure_peak, meter_of
from harness.store.measurements import Size

pytestmark = pytest.mark.skipif(not reset_high_water(), reason="this system does not let the high-water mark be reset")

LIBC = ctypes.CDLL(None)
LIBC.malloc.restype = ctypes.c_void_p
LIBC.malloc.argtypes = [ctypes.c_size_t]
LIBC.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
LIBC.free.argtypes = [ctypes.c_void_p]
MADV_COLLAPSE = 25


def workspace(mb: float) -> None:
    """Take memory in compiled code, use it, and give it back: the interpreter sees nothing of it."""
    size = int(mb * 1e6)
    block = LIBC.malloc(size)
    LIBC.memset(block, 1, size)
    LIBC.free(block)


def median(measure: Callable[[], dict[str, Size]]) -> dict[str, Size]:
    """Measure five times and return the median of each size: meanwhile this process takes memory for other things,
    and the kernel takes back pages of libraries that are not in use."""
    rounds = [measure() for _ in range(5)]
    return {name: sorted((found[name] for found in rounds), key=megabytes)[2] for name in rounds[0]}


def megabytes(size: Size) -> float:
    return math.inf if size.mb is None else size.mb


def big_sample() -> Sample:
    """20 MB of sample."""
    side = 1000
    return Sample(
        id="train/good/000",
        category="block",
        defect="good",
        rgb=np.full((side, side, 3), 7, np.uint8),
        xyz=np.full((side, side, 4), 0.5, np.float32)[..., :3],
        plane=np.ones((side, side), np.bool_),
    )


def test_a_peak_of_300_mb_inside_native_code_is_seen_by_the_memory_pass() -> None:
    def measure() -> dict[str, Size]:
        return measure_peak(lambda _: workspace(300), [make_sample(0)] * 2, meter_of("cpu"), max_seconds=60)

    found = median(measure)
    assert found["peak_inference"].mb == pytest.approx(300, rel=0.05)
    assert found["peak_inference"].source.startswith("VmHWM after clear_refs")
    assert found["peak_inference"].calls == 2


def test_only_the_largest_call_counts_and_what_went_before_does_not() -> None:
    def measure() -> dict[str, Size]:
        meter = meter_of("cpu")
        workspace(300)
        sizes = iter((50, 120, 20))
        return measure_peak(lambda _: workspace(next(sizes)), [make_sample(0)] * 3, meter, max_seconds=60)

    found = median(measure)
    assert found["peak_inference"].mb == pytest.approx(120, rel=0.05)


def test_free_heap_that_one_call_took_is_not_in_the_peak_of_the_next() -> None:
    blocks = [LIBC.malloc(60_000) for _ in range(2_000)]
    guard = LIBC.malloc(60_000)
    for block in blocks:
        LIBC.free(block)

    def measure() -> dict[str, Size]:
        sizes = iter((50, 150))
        return measure_peak(lambda _: workspace(next(sizes)), [make_sample(0)] * 2, meter_of("cpu"), max_seconds=60)

    found = median(measure)
    LIBC.free(guard)
    assert found["peak_inference"].mb == pytest.approx(150, rel=0.05)


def test_what_a_method_holds_is_in_its_level_and_in_its_peak() -> None:
    def measure() -> dict[str, Size]:
        meter = meter_of("cpu")
        bank = np.ones(100_000_000, np.uint8)
        level = meter.static()
        found = measure_peak(lambda _: workspace(60), [make_sample(0)], meter, max_seconds=60)
        assert bank.any()
        return {"level": level, **found}

    found = median(measure)
    assert found["level"].mb == pytest.approx(100, rel=0.05)
    assert found["peak_inference"].mb == pytest.approx(160, rel=0.05)


def test_the_peak_of_a_stage_is_seen_although_the_level_falls_again() -> None:
    def measure() -> dict[str, Size]:
        meter = meter_of("cpu")
        meter.restart()
        block = np.ones(200_000_000, np.uint8)
        del block
        found = {**meter.peaks("peak_fit"), "level": meter.static()}
        meter.restart()
        return {**found, **meter.peaks("peak_of_nothing")}

    found = median(measure)
    assert found["peak_fit"].mb == pytest.approx(200, rel=0.05)
    assert found["level"].mb < 20
    assert found["peak_of_nothing"].mb < 20


def test_the_samples_that_the_harness_holds_are_not_charged_to_the_method() -> None:
    def measure() -> dict[str, Size]:
        meter = meter_of("cpu")
        samples = [big_sample() for _ in range(6)]
        level = meter.static()
        return {"level": level, **measure_peak(lambda _: workspace(100), samples, meter, max_seconds=60)}

    found = median(measure)
    assert found["level"].mb == pytest.approx(120, rel=0.05)
    assert found["peak_inference"].mb == pytest.approx(100, rel=0.05)


def test_memory_that_the_kernel_would_fill_up_to_huge_pages_is_not_in_the_peak() -> None:
    """What is left in memory that asked for huge pages, 4 kB in each 2 MB, becomes 2 MB as soon as the kernel may."""
    size, huge = 256 << 20, 2 << 20
    block = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    start = ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(block)))
    for offset in range(0, size, huge):
        block[offset] = 1
    meter = meter_of("cpu")
    found = measure_peak(
        lambda _: LIBC.madvise(start, ctypes.c_size_t(size), MADV_COLLAPSE), [make_sample(0)], meter, max_seconds=60
    )
    assert found["peak_inference"].mb < 20
    if LIBC.madvise(start, ctypes.c_size_t(size), MADV_COLLAPSE) != 0:
        pytest.skip("this kernel gives no huge pages on request")
    assert meter.static().mb > 150


def test_the_pass_keeps_to_its_budget_but_runs_once() -> None:
    found = measure_peak(lambda _: time.sleep(0.01), [make_sample(0)] * 5, meter_of("cpu"), max_seconds=0.001)
    assert found["peak_inference"].calls == 1
    assert found["peak_inference"].stopped == "the budget of 0.001 s was over after 1 of 5 samples"


def test_what_a_cpu_does_not_have_is_null_with_a_reason_and_never_zero() -> None:
    meter = meter_of("cpu")
    found = measure_peak(lambda _: None, [make_sample(0)], meter, max_seconds=1)
    for name in ("peak_inference_reserved", "device_delta"):
        assert found[name].mb is None
        assert found[name].reason == "the device is a CPU"
    assert all(number.source for number in found.values())


@pytest.mark.skipif(malloc_in_use() is None, reason="this C library does not tell what is in use")
@pytest.mark.parametrize("size", [1_000, 50_000_000], ids=["on the heap", "mapped by itself"])
def test_malloc_counts_what_is_in_use(size: int) -> None:
    count = 40_000_000 // size or 1
    blocks_type = ctypes.c_void_p * count
    before = malloc_in_use()
    blocks = blocks_type(*(LIBC.malloc(size) for _ in range(count)))
    taken = malloc_in_use()
    for block in blocks:
        LIBC.free(block)
    assert taken - before == pytest.approx(size * count, rel=0.03, abs=2_000_000)
    assert malloc_in_use() - before < 2_000_000


BLOCKS = """
import ctypes
import subprocess
import sys
from harness.measure.host import _Mallinfo, give_back, large_blocks_mapped
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.mallinfo2.restype = ctypes.c_void_p, _Mallinfo
libc.malloc.argtypes = libc.free.argtypes = [ctypes.c_size_t]
def mapped(size):
    give_back()
    before = libc.mallinfo2().hblks
    libc.free(libc.malloc(size))
    block = libc.malloc(size)
    count = libc.mallinfo2().hblks - before
    libc.free(block)
    return count
with large_blocks_mapped():
    print(mapped(200_000), mapped(100_000))
print(mapped(20_000_000), mapped(40_000_000))
"""


@pytest.mark.skipif(malloc_in_use() is None, reason="this C library does not tell what is in use")
def test_blocks_of_more_than_128_kb_are_mapped_while_memory_is_measured_and_not_after() -> None:
    """In a process of its own, whose heap has no hole where a block would go without being mapped."""
    found = subprocess.run([sys.executable, "-c", BLOCKS], check=True, capture_output=True, text=True)
    assert found.stdout.split() == ["1", "0", "0", "1"]
