"""Features of training samples from a cache: equal bits, and each network runs once per sample."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from samples import make_sample, no_progress
from timm.layers import PatchEmbed

from harness.contract import MethodError, UsesCache
from harness.files.array_cache import ArrayCache
from harness.running.cache_during_fit import CellCache
from harness.store.environment import CacheUse
from methods.cfm import CFM, CFMMedium, CFMSmall, CFMTiny
from methods.parts import feature_store, point_mae
from methods.parts.cfm.training_features import training_features
from methods.parts.feature_store import tensor_bytes
from methods.parts.features import Extractors, Tokens

SMALL = {"centres": 32, "group_size": 16, "epochs": 2, "pixels": 200}
DEPTHS = [variant.layers for variant in (CFM, CFMMedium, CFMSmall, CFMTiny)]


@dataclass(frozen=True)
class Block:
    values: torch.Tensor


def opened(folder: Path, origin: str = "") -> CellCache:
    return CellCache(ArrayCache(folder, 10**9), "cfm", {"origin": origin}, {})


def extractors(layers: int, **changed) -> Extractors:
    settings = {"centres": 32, "group_size": 16, "statistics": "batch", "precision": "fp32", "drop_path": False}
    weights = {"vit_weights": None, "point_weights": None}
    return Extractors(layers=layers, **{**settings, **changed}, **weights, seed=0, device="cpu")


def extract(networks: Extractors, cache: CellCache | None, seed: int = 1) -> Tokens:
    return training_features(networks, [make_sample(seed, radius=12)], cache, no_progress)(0, 0)


def bits(tokens: Tokens) -> list[bytes]:
    matrices = (tokens.to_image_pixels, tokens.to_cloud_pixels)
    tensors = [
        tokens.image,
        tokens.cloud,
        tokens.pixels,
        *(t for m in matrices for t in (m.starts, m.columns, m.weights)),
    ]
    return [f"{tensor.dtype}{tuple(tensor.shape)}".encode() + tensor.numpy().tobytes() for tensor in tensors]


@contextmanager
def passes() -> Iterator[Counter[str]]:
    """Count how often the first layer of each network runs."""
    runs: Counter[str] = Counter()

    def count(module: torch.nn.Module, given: object, returned: object) -> None:
        if isinstance(module, PatchEmbed):
            runs["image"] += 1
        elif isinstance(module, point_mae._Encoder):
            runs["cloud"] += 1

    handle = torch.nn.modules.module.register_module_forward_hook(count)
    try:
        yield runs
    finally:
        handle.remove()


def test_one_pass_serves_all_variants_bit_for_bit(tmp_path: Path) -> None:
    """The deepest network first, in the order of a plan: one pass, and the others read what they would compute."""
    with passes() as runs:
        from_cache = {layers: bits(extract(extractors(layers), opened(tmp_path))) for layers in DEPTHS}
    assert runs == {"image": 1, "cloud": 1}
    for layers in DEPTHS:
        assert bits(extract(extractors(layers), None)) == from_cache[layers]


@pytest.mark.parametrize("drop_path", [False, True])
@pytest.mark.parametrize("cached", [False, True])
def test_features_beyond_the_memory_budget_are_recomputed_with_the_same_bits(tmp_path, cached, drop_path) -> None:
    networks = extractors(1, drop_path=drop_path)
    samples = [make_sample(seed, radius=12) for seed in range(3)]
    cache = opened(tmp_path) if cached else None
    with passes() as runs:
        unlimited = training_features(networks, samples, cache, no_progress)
        size = tensor_bytes(networks.tokens(networks.prepare(samples[0]), reused=True))
        limited = training_features(networks, samples, cache, no_progress, budget=int(1.5 * size))
        for epoch in range(2):
            for index in range(3):
                assert bits(limited(epoch, index)) == bits(unlimited(epoch, index))
    assert runs["cloud"] == (4 if cached else 7)


def test_half_of_the_free_memory_holds_features(monkeypatch) -> None:
    monkeypatch.setattr(feature_store, "free_bytes", lambda device: 100)
    reloaded = Block(torch.zeros(1))
    store = feature_store.FeatureStore(torch.device("cpu"), lambda index: reloaded)
    for index, size in enumerate((30, 21, 20, 1)):
        store.put(index, Block(torch.zeros(size, dtype=torch.uint8)))
    assert [store[index] is reloaded for index in range(4)] == [False, True, False, True]


def test_a_deeper_network_runs_and_replaces_the_entry(tmp_path: Path) -> None:
    expected = {layers: bits(extract(extractors(layers), None)) for layers in (1, 4)}
    with passes() as runs:
        for layers in (1, 4, 1, 4):
            assert bits(extract(extractors(layers), opened(tmp_path))) == expected[layers]
    assert runs == {"image": 2, "cloud": 2}
    assert len(list(tmp_path.glob("*.safetensors"))) == 1


@pytest.mark.parametrize(
    "changed", [{"centres": 16}, {"group_size": 8}, {"statistics": "running"}, {"precision": "bf16"}]
)
def test_another_setting_makes_another_entry(tmp_path: Path, changed) -> None:
    plain = bits(extract(extractors(1), opened(tmp_path)))
    other = extractors(1, **changed)
    assert bits(extract(other, opened(tmp_path))) == bits(extract(other, None)) != plain
    assert bits(extract(extractors(1), opened(tmp_path))) == plain


def test_another_sample_or_origin_makes_another_entry(tmp_path: Path) -> None:
    networks = extractors(1)
    with passes() as runs:
        for seed, origin in ((1, "a"), (2, "a"), (1, "b"), (1, "a")):
            extract(networks, opened(tmp_path, origin), seed)
    assert runs["image"] == 3


@pytest.mark.parametrize("drop_path", ["off", "on"])
def test_predictions_are_equal_with_and_without_the_cache(tmp_path: Path, drop_path: str) -> None:
    samples = [make_sample(seed, radius=12) for seed in (1, 2)]

    def predict(cache: CellCache | None) -> tuple[bytes, float]:
        method = CFMTiny(**SMALL, drop_path=drop_path)
        if cache is not None:
            method.use_cache(cache)
        method.fit(samples, seed=0, device="cpu", progress=no_progress)
        if cache is not None:
            cache.close()
        prediction = method.infer(method.prepare(make_sample(9, radius=12)))
        return prediction.anomaly_map.tobytes(), prediction.score

    expected = predict(None)
    for counts in (CacheUse(0, 2), CacheUse(2, 0)):
        cache = opened(tmp_path)
        assert predict(cache) == expected
        assert cache.counts() == counts


def test_cells_with_and_without_drop_path_share_what_it_does_not_change(tmp_path: Path) -> None:
    live, still = extractors(4, drop_path=True), extractors(4)
    expected = bits(extract(live, None)), bits(extract(still, None))
    with passes() as runs:
        extracted = [bits(extract(networks, opened(tmp_path))) for networks in (live, still, live, still)]
    assert extracted == [*expected, *expected]
    assert runs == {"image": 2, "cloud": 2}


def test_the_cache_is_used_by_the_next_fit_only(tmp_path: Path) -> None:
    method = CFMTiny(**SMALL)
    assert isinstance(method, UsesCache)
    method.use_cache(opened(tmp_path))
    for _ in range(2):
        method.fit([make_sample(1, radius=12)], seed=0, device="cpu", progress=no_progress)
    (entry,) = tmp_path.glob("*.safetensors")
    before = entry.stat().st_mtime_ns
    method.infer(method.prepare(make_sample(1, radius=12)))
    assert entry.stat().st_mtime_ns == before


def test_a_cloud_that_is_too_small_is_an_error_and_leaves_no_entry(tmp_path: Path) -> None:
    with pytest.raises(MethodError, match=r"group of 16\b"):
        training_features(extractors(1), [make_sample(1, radius=1.2)], opened(tmp_path), no_progress)
    assert not list(tmp_path.glob("*.safetensors"))
    assert not list((tmp_path / "locks").iterdir())


def test_a_damaged_entry_is_replaced(tmp_path: Path) -> None:
    expected = bits(extract(extractors(1), opened(tmp_path)))
    (entry,) = tmp_path.glob("*.safetensors")
    content = np.frombuffer(entry.read_bytes(), np.uint8).copy()
    content[-1000:] ^= 1
    entry.write_bytes(content.tobytes())
    cache = opened(tmp_path)
    assert bits(extract(extractors(1), cache)) == expected
    assert cache.counts() == CacheUse(0, 1)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_one_pass_on_a_cuda_device_serves_all_variants_bit_for_bit(tmp_path: Path) -> None:
    for layers in DEPTHS:
        networks = Extractors(
            layers=layers,
            centres=1024,
            group_size=128,
            statistics="batch",
            precision="fp32",
            drop_path=False,
            vit_weights=None,
            point_weights=None,
            seed=0,
            device="cuda:0",
        )
        sample = [make_sample(1, radius=60)]
        pair = [training_features(networks, sample, cache, no_progress)(0, 0) for cache in (opened(tmp_path), None)]
        for name in ("image", "cloud", "pixels"):
            assert torch.equal(getattr(pair[0], name), getattr(pair[1], name))
