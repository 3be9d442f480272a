"""Bytes of arrays that an object keeps alive, against what is known to be in it."""

from __future__ import annotations

import weakref
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.measure.reach import reachable_bytes

SHARED = np.ones(1000)


class Holder:
    """Keeps whatever it is given."""

    def __init__(self, **kept: object) -> None:
        vars(self).update(kept)


@given(
    sizes=st.lists(st.integers(1, 50), min_size=1, max_size=5),
    cuts=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 49), st.integers(1, 50), st.booleans()), max_size=12),
)
def test_a_view_counts_as_its_whole_buffer_and_a_buffer_once(sizes, cuts) -> None:
    owners = [np.ones(size) for size in sizes]
    views, used = [], set()
    for which, start, length, as_tensor in cuts:
        index = which % len(owners)
        view = owners[index][start % sizes[index] :][:length]
        views.append(torch.from_numpy(owners[index])[start:] if as_tensor else view[::-1])
        used.add(index)
    assert reachable_bytes(views) == sum(owners[index].nbytes for index in used)


@given(st.lists(st.tuples(st.integers(1, 50), st.booleans()), max_size=6))
def test_every_buffer_of_an_object_is_found(kept) -> None:
    arrays = [torch.ones(size) if as_tensor else np.ones(size, np.float32) for size, as_tensor in kept]
    holder = Holder(nested={"list": [arrays[::2]], "object": Holder(rest=tuple(arrays[1::2]))})
    assert reachable_bytes(holder) == sum(4 * size for size, _ in kept)


def test_a_network_counts_with_buffers_and_the_gradients_it_was_left_with() -> None:
    network = torch.nn.Sequential(torch.nn.Linear(10, 20), torch.nn.BatchNorm1d(20))
    held = sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())
    assert reachable_bytes(network) == held
    network(torch.ones(4, 10)).sum().backward()
    gradients = sum(4 * parameter.numel() for parameter in network.parameters())
    assert reachable_bytes(network) == held + gradients


def test_a_part_of_a_tensor_counts_as_its_whole_storage() -> None:
    whole = torch.ones(1000)
    assert reachable_bytes([whole[:10], whole.view(10, 100).T, whole.detach()]) == 4000


@pytest.mark.parametrize("build", [torch.sparse_csr_tensor, torch.sparse_csc_tensor])
@pytest.mark.filterwarnings("ignore:Sparse:UserWarning")
def test_a_compressed_tensor_counts_its_parts(build) -> None:
    assert reachable_bytes(build(torch.arange(31), torch.arange(30), torch.ones(30))) == 31 * 8 + 30 * 8 + 30 * 4


def test_a_sparse_tensor_counts_its_parts() -> None:
    coordinates = torch.stack([torch.arange(30), torch.arange(30)])
    assert reachable_bytes(torch.sparse_coo_tensor(coordinates, torch.ones(30))) == 2 * 30 * 8 + 30 * 4


def test_arrays_of_objects_and_memory_of_other_owners() -> None:
    boxed = np.empty(2, object)
    boxed[0] = np.ones(100)
    assert reachable_bytes(boxed) == boxed.nbytes + 800
    assert reachable_bytes(np.frombuffer(bytearray(64), np.uint8)) == 64
    assert reachable_bytes(torch.ones(8).numpy()) == 32


def test_what_belongs_to_modules_classes_and_globals_is_not_counted() -> None:
    class WithClassArray:
        table = np.ones(1000)

    def from_globals():
        return SHARED

    assert reachable_bytes([WithClassArray(), WithClassArray, from_globals, np, torch]) == 0


def test_what_functions_carry_themselves_is_counted() -> None:
    inside = np.ones(10)

    def closure(default=np.ones(20)):  # noqa: B008 - the default is what is looked for
        return inside, default

    assert reachable_bytes(closure) == 80 + 160
    assert reachable_bytes(partial(print, np.ones(30))) == 240


def test_loops_and_references_to_what_is_gone() -> None:
    first, gone = Holder(array=np.ones(5)), Holder()
    first.itself, first.proxy, first.reference = first, weakref.proxy(gone), weakref.ref(gone)
    del gone
    assert reachable_bytes(first) == 40
