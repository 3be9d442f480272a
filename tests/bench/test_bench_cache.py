"""What the cache saves: features of ten samples for the four variants of CFM, without a cache and with one.

At reduced size: 64 groups of 16 points, so that the image network takes most of the time.
"""

from __future__ import annotations

from time import perf_counter

from samples import make_sample, no_progress

from harness.files.array_cache import ArrayCache
from harness.running.cache_during_fit import CellCache
from methods.cfm import CFM, CFMMedium, CFMSmall, CFMTiny
from methods.parts.cfm.training_features import training_features
from methods.parts.features import Extractors

SAMPLES = [make_sample(seed, radius=40) for seed in range(10)]
LEAST_RATIO = 1.5


def seconds_of_all_variants(folder=None) -> float:
    """Extract the samples once for each variant, the deepest first, and return the seconds spent."""
    spent = 0.0
    for variant in (CFM, CFMMedium, CFMSmall, CFMTiny):
        method = variant(centres=64, group_size=16)
        networks, _ = method._build(0, "cpu")
        assert isinstance(networks, Extractors)
        cache = None if folder is None else CellCache(ArrayCache(folder, 10**10), "cfm", {}, {})
        started = perf_counter()
        training_features(networks, SAMPLES, cache, no_progress)
        spent += perf_counter() - started
    return spent


def test_extraction_for_four_variants(benchmark, capsys, tmp_path):
    without = seconds_of_all_variants()
    first = benchmark.pedantic(seconds_of_all_variants, args=(tmp_path,), rounds=1)
    again = seconds_of_all_variants(tmp_path)
    with capsys.disabled():
        print(f"\nten samples, four variants: {without:.1f} s without a cache", end="")
        print(f", {first:.1f} s with an empty one ({without / first:.1f} times less)", end="")
        print(f", {again:.2f} s with a full one ({without / again:.0f} times less)")
    assert without / first >= LEAST_RATIO
    assert without / again >= 10 * LEAST_RATIO
