"""What a method gets of a sample says nothing about its label."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from hashlib import sha256
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import make_sample

from harness.contract import Sample
from harness.data.mvtec3d import MVTec3D
from harness.data.open import open_dataset
from harness.data.sequence import SampleSequence

SAMPLE = make_sample(0, height=32, width=32)


@given(st.text(min_size=1, max_size=30), st.text(min_size=1, max_size=30))
def test_no_digest_of_the_names_leads_to_the_id(category: str, name: str) -> None:
    """Each id is new, so that whoever lists all categories and ids has nothing to compare with."""
    nothing: Any = None
    sample = Sample(name, category, "hole", nothing, nothing, nothing, nothing, True)
    ids = {sample.blind().id for _ in range(20)}
    assert len(ids) == 20
    for text in (name, f"{category}/{name}"):
        assert not ids & {text, sha256(text.encode()).hexdigest()[:12]}


def test_neither_a_seed_nor_the_process_leads_to_the_id() -> None:
    code = (
        "import random, numpy; random.seed(0); numpy.random.seed(0); from harness.contract import Sample; "
        "print(Sample('a', 'b', 'c', *[None] * 5).blind().id)"
    )
    command = [sys.executable, "-c", code]
    environment = {"PYTHONHASHSEED": "0", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    first, second = (subprocess.run(command, env=environment, capture_output=True, check=True) for _ in range(2))
    assert first.stdout.strip()
    assert first.stdout != second.stdout


def test_a_training_sample_keeps_its_id_within_a_sequence_and_its_slices(tiny_mvtec) -> None:
    dataset = MVTec3D(tiny_mvtec)
    refs = dataset.refs("bagel", "train")
    sequence, other = SampleSequence(dataset, refs), SampleSequence(dataset, refs)
    ids = [sample.id for sample in sequence]
    assert [sample.id for sample in sequence] == ids
    assert [sample.id for sample in sequence[1:][::-1]] == ids[:0:-1]
    assert sequence[-1].id == ids[-1]
    assert len({*ids, *(sample.id for sample in other)}) == 2 * len(refs)


def test_what_a_slice_loads_counts_for_the_whole_sequence(tiny_mvtec) -> None:
    dataset = MVTec3D(tiny_mvtec)
    refs = dataset.refs("bagel", "train")
    sequence = SampleSequence(dataset, refs)
    assert (sequence.last_read, sequence.seconds) == ("none", 0)
    assert sequence[1:][0].category == "bagel"
    assert sequence.last_read == f"bagel/{refs[1].id}"
    assert sequence.seconds > 0


def reachable(start: object) -> list[np.ndarray]:
    """Return the arrays that references lead to, types and modules left out."""
    seen: dict[int, object] = {}
    waiting = [start]
    while waiting:
        one = waiting.pop()
        if id(one) not in seen and not isinstance(one, type | type(sys)):
            seen[id(one)] = one
            waiting += gc.get_referents(one)
    return [one for one in seen.values() if isinstance(one, np.ndarray)]


def test_no_reference_leads_from_a_blind_sample_to_its_mask() -> None:
    assert any(array is SAMPLE.mask for array in reachable(SAMPLE))
    assert not any(array is SAMPLE.mask for array in reachable(SAMPLE.blind()))


@pytest.mark.parametrize("name", ["mvtec3d", "toy"])
def test_arrays_of_good_and_anomalous_samples_are_laid_out_alike(tiny_mvtec, name: str) -> None:
    dataset = MVTec3D(tiny_mvtec) if name == "mvtec3d" else open_dataset("toy", None)
    category = dataset.categories[0]
    layouts: dict[bool, set[object]] = {False: set(), True: set()}
    for ref in dataset.refs(category, "test"):
        sample = dataset.load(ref)
        for array in (sample.rgb, sample.xyz, sample.plane):
            layout = (array.dtype, array.shape, array.strides, str(array.flags), type(array), type(array.base))
            layouts[ref.defect != "good"].add(layout)
    assert layouts[False] == layouts[True]
