"""What methods say they hold, against what the allocators say."""

from __future__ import annotations

import ctypes
import gc

import numpy as np
import pytest
import torch

from harness.measure.host import malloc_in_use
from harness.measure.state import AllocatorLevel, allocator_level, check_state

SIZE = 40_000_000
LIBC = ctypes.CDLL(None)
LIBC.malloc.restype = ctypes.c_void_p
LIBC.malloc.argtypes = [ctypes.c_size_t]
LIBC.free.argtypes = [ctypes.c_void_p]

needs_malloc = pytest.mark.skipif(malloc_in_use() is None, reason="this C library does not tell what is in use")


class Banked:
    """Holds 40 MB in an array and a tensor, with views of both, and says so with a factor."""

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor
        self.bank = np.ones(SIZE // 2, np.uint8)
        self.weights = torch.ones(SIZE // 8)
        self.rows = list(self.bank.reshape(100, -1))
        self.same = torch.from_numpy(self.bank[10:]), self.weights[5:].numpy()

    def state_bytes(self):
        return {"weights": int(self.factor * SIZE / 2), "bank": int(self.factor * SIZE / 2), "other": 0}


class Native:
    """Holds 40 MB in compiled code, as an index library does."""

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor
        self.block = LIBC.malloc(SIZE)

    def state_bytes(self):
        return {"weights": 0, "bank": int(self.factor * SIZE), "other": 0}

    def __del__(self) -> None:
        LIBC.free(self.block)


def check(build, *, malloc: bool = True):
    gc.collect()
    before = allocator_level("cpu") if malloc else AllocatorLevel(None, None)
    method = build()
    return check_state(method, "cpu", before)


@pytest.mark.parametrize("factor", [1.0, 0.96, 1.04])
def test_an_honest_method_agrees_and_its_views_count_once(factor: float) -> None:
    found = check(lambda: Banked(factor))
    assert found.agrees is True
    assert found.reported_mb == pytest.approx(40 * factor)
    assert found.allocator_mb == pytest.approx(40, rel=1e-3)
    assert found.reason == ""


@pytest.mark.parametrize("malloc", [True, False])
def test_a_method_that_hides_a_tenth_does_not(malloc: bool) -> None:
    found = check(lambda: Banked(0.9), malloc=malloc)
    assert found.agrees is False
    assert found.reason.startswith("state_bytes reports 36.0 MB where 40.0 MB are held (numpy buffers")


@needs_malloc
def test_a_method_that_invents_a_tenth_does_not() -> None:
    found = check(lambda: Banked(1.1))
    assert found.agrees is False
    assert "reports 44.0 MB where 40." in found.reason


@needs_malloc
def test_a_bank_inside_compiled_code_agrees_through_malloc() -> None:
    found = check(Native)
    assert found.agrees is True
    assert found.source.startswith("malloc")
    assert found.allocator_mb == pytest.approx(40, rel=0.02)
    assert check(lambda: Native(1.1)).agrees is False


def test_where_malloc_tells_nothing_a_bank_out_of_sight_is_neither_confirmed_nor_refuted() -> None:
    found = check(Native, malloc=False)
    assert found.agrees is None
    assert "compiled code" in found.reason


def test_a_megabyte_of_difference_is_forgiven_to_small_methods() -> None:
    class Small:
        def __init__(self) -> None:
            self.table = np.ones(900_000, np.uint8)

        def state_bytes(self):
            return {"weights": 0, "bank": 0, "other": 0}

    assert check(Small).agrees is True
