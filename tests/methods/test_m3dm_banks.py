"""M3DM's pools, standardisation, banks and formulas against a direct implementation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import oracle_m3dm as oracle
import pytest
import torch
from samples import no_progress

from harness.contract import MethodError
from methods.parts.bank import Bank
from methods.parts.m3dm.banks import BankRules, build_banks, choose_affines, new_pool, standardise
from methods.parts.m3dm.scores import Formula, formula_of, score_banks

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


@pytest.mark.parametrize("kinds", [("xyz",), ("xyz", "rgb"), ("xyz", "rgb", "fusion")])
def test_three_banks_alone_lose_vectors_with_an_exact_zero_and_gain_one_of_zeros(kinds) -> None:
    pools = make_pools(kinds)
    pools["xyz"][oracle.greedy_picks(pools["xyz"], 60, seed=0)[7], 3] = 0
    kept = pools["xyz"][oracle.greedy_picks(pools["xyz"], 60, seed=0)]
    assert (kept == 0).any(1).sum() > 1
    for zero_row in (True, False):
        rules = replace(RULES, zero_row=zero_row)
        bank = build_banks(pools, kinds, rules, seed=0, device="cpu", progress=no_progress)["xyz"].vectors
        np.testing.assert_array_equal(bank.numpy(), oracle.cloud_bank(kept, len(kinds) if zero_row else 1))


def test_background_can_be_dropped_before_the_coreset() -> None:
    pools = make_pools(("xyz",))
    rules = replace(RULES, drop_background=True)
    bank = build_banks(pools, ("xyz",), rules, seed=0, device="cpu", progress=no_progress)["xyz"]
    assert len(bank) == 30 + 1
    assert (bank.vectors[:-1] != 0).all()


@pytest.mark.parametrize(
    ("kinds", "decide", "run"),
    [
        (("rgb",), False, "image"),
        (("xyz",), False, "cloud"),
        (("fusion",), False, "fused"),
        (("xyz", "rgb"), True, "two banks and a decision layer"),
        (("xyz", "rgb"), False, "two banks added"),
        (("xyz", "rgb", "fusion"), True, "three banks"),
        (("xyz", "rgb", "fusion"), False, "three banks"),
    ],
)
def test_a_score_equals_that_of_the_run(kinds, decide: bool, run: str) -> None:
    """Patches lie within the bank's spread, where 1e-5 and 1000 change the score by more than rounding does."""
    constants, draw = oracle.constants(run), np.random.default_rng(1)
    pools = {kind: draw.normal(0, 1, (50, 9)).astype(np.float32) for kind in kinds}
    queries = {kind: draw.normal(0, 1.2, (784, 9)).astype(np.float32) for kind in kinds}
    scored = score_banks(
        {kind: Bank(pool, "cpu") for kind, pool in pools.items()},
        {kind: torch.from_numpy(patches) for kind, patches in queries.items()},
        dict.fromkeys(kinds, 1.0) if decide else None,
    )
    formula = formula_of(kinds, decide=decide)
    assert formula == Formula(constants.get("epsilon", 0.0), constants.get("divide", 1.0))
    for index, kind in enumerate(kinds):
        _, expected = oracle.bank_score(pools[kind].astype(float), queries[kind].astype(float), **constants)
        assert scored.scores[index] == pytest.approx(expected, rel=1e-5)


def test_a_pool_on_disk_is_an_array_and_too_little_space_is_an_error() -> None:
    pool = new_pool(5, 3, on_disk=True)
    pool[:] = np.arange(15).reshape(5, 3)
    np.testing.assert_array_equal(pool[[4, 1]], [[12, 13, 14], [3, 4, 5]])
    with pytest.raises(MethodError, match=r"4000000000\.0 GB .*TMPDIR"):
        new_pool(10**12, 10**6, on_disk=True)
