"""M3DM's pools, standardisation, banks and formulas against a direct implementation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import oracle_m3dm as oracle
import pytest
import torch
from samples import no_progress

from harness.contract import MethodError
from methods.parts.m3dm.banks import BankRules, build_banks, choose_affines, new_pool, standardise
from methods.parts.m3dm.scores import Formula, formula_of

RULES = BankRules(
    fraction=0.1, sizes="code", affine="code", zero_row=True, drop_background=False, eps=0.9, dtype="float16"
)


def assert_close(actual, expected, tolerance: float = 1e-4) -> None:
    actual, expected = np.asarray(actual, float), np.asarray(expected, float)
    assert np.abs(actual - expected).max() <= tolerance * max(1.0, np.abs(expected).max())


def make_pools(kinds=("xyz", "rgb", "fusion"), rows: int = 600) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(5)
    pools = {kind: draw.normal(2, 3, (rows // 4 if kind == "rgb" else rows, 260)).astype(np.float32) for kind in kinds}
    for kind in set(kinds) - {"rgb"}:
        pools[kind][: rows // 2] = 0
    return pools


@pytest.mark.parametrize("how", ["code", "per_bank"])
@pytest.mark.parametrize("kinds", [("xyz",), ("rgb",), ("fusion",), ("xyz", "rgb"), ("xyz", "rgb", "fusion")])
def test_standardisation(kinds, how) -> None:
    pools = make_pools(kinds)
    expected = oracle.affines({kind: pool.astype(np.float64) for kind, pool in pools.items()}, kinds, how)
    affines = choose_affines(pools, kinds, how, no_progress)
    np.testing.assert_allclose(
        [(affine.mean, affine.scale) for affine in affines.values()], list(expected.values()), rtol=1e-9
    )
    raw = {kind: pool.copy() for kind, pool in pools.items()}
    standardise(pools, affines, no_progress)
    for kind in kinds:
        assert_close(pools[kind], (raw[kind] - expected[kind][0]) / expected[kind][1], 1e-6)
        assert_close(pools[kind], affines[kind](torch.from_numpy(raw[kind])), 1e-6)


@pytest.mark.parametrize("sizes", ["code", "10pct"])
def test_bank_sizes_and_picks(sizes) -> None:
    kinds = ("xyz", "rgb", "fusion")
    pools = make_pools()
    standardise(pools, choose_affines(pools, kinds, "code", no_progress), no_progress)
    banks = build_banks(pools, kinds, replace(RULES, sizes=sizes), seed=4, device="cpu", progress=no_progress)
    expected = oracle.bank_sizes({kind: len(pool) for kind, pool in pools.items()}, kinds, 0.1, sizes)
    assert {kind: len(bank) for kind, bank in banks.items()} == expected | {"xyz": expected["xyz"] + 1}
    for kind in kinds:
        picks = oracle.greedy_picks(pools[kind], expected[kind], seed=4)
        np.testing.assert_array_equal(banks[kind].vectors[: len(picks)].numpy(), pools[kind][picks])
    assert not banks["xyz"].vectors[-1].any()


def test_vectors_with_an_exact_zero_are_removed_from_the_bank_of_the_cloud() -> None:
    pools = make_pools(("xyz", "rgb"))
    picked = oracle.greedy_picks(pools["xyz"], 60, seed=0)[7]
    pools["xyz"][picked, 3] = 0
    kept = {}
    for zero_row in (True, False):
        rules = replace(RULES, zero_row=zero_row)
        kept[zero_row] = build_banks(pools, ("xyz", "rgb"), rules, seed=0, device="cpu", progress=no_progress)["xyz"]
    raw = kept[False].vectors
    expected = torch.cat([raw[(raw != 0).all(1)], torch.zeros(1, 260)])
    assert len(raw) == 60
    assert len(expected) < 60
    assert torch.equal(kept[True].vectors, expected)


def test_background_can_be_dropped_before_the_coreset() -> None:
    pools = make_pools(("xyz",))
    rules = replace(RULES, drop_background=True)
    bank = build_banks(pools, ("xyz",), rules, seed=0, device="cpu", progress=no_progress)["xyz"]
    assert len(bank) == 30 + 1
    assert (bank.vectors[:-1] != 0).all()


def test_formulas_of_one_two_and_three_banks() -> None:
    assert [formula_of(banks) for banks in (1, 2, 3)] == [Formula(1e-5, 1), Formula(0, 1000), Formula(0, 1)]


def test_a_pool_on_disk_is_an_array_and_too_little_space_is_an_error() -> None:
    pool = new_pool(5, 3, on_disk=True)
    pool[:] = np.arange(15).reshape(5, 3)
    np.testing.assert_array_equal(pool[[4, 1]], [[12, 13, 14], [3, 4, 5]])
    with pytest.raises(MethodError, match=r"4000000000\.0 GB .*TMPDIR"):
        new_pool(10**12, 10**6, on_disk=True)
