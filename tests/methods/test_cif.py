"""CIF against a direct float64 implementation, and its seeds, state and invalid input."""

from __future__ import annotations

import numpy as np
import oracle_ast
import oracle_cfm
import oracle_cif as oracle
import oracle_m3dm
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import make_sample, no_progress
from test_cfm_against_oracle import as_weights, assert_close, give_norms_a_shape

from harness.contract import MethodError
from methods.cif import CIF
from methods.parts.cif.hypergraph import JointGraph, cluster_features, clustered, incidence_of
from methods.parts.cif.memory import Described, Memory, fill_memories

SMALL = {"layers": 1, "centres": 48, "group_size": 16, "clusters": 3}


def rows(count: int, channels: int, seed: int) -> torch.Tensor:
    return torch.randn(count, channels, generator=torch.Generator().manual_seed(seed)) + 0.5


def numbers(tensor: torch.Tensor) -> np.ndarray:
    return tensor.double().numpy()


def memory_of(sizes: tuple[int, ...], channels: int, seed: int) -> Memory:
    clusters = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    return Memory(rows(len(clusters), channels, seed), clusters, rows(len(sizes), channels, seed + 1), "cpu")


def bank_of(memory: Memory) -> oracle.Bank:
    return oracle.Bank(numbers(memory.bank.vectors), memory.clusters.numpy(), numbers(memory.prototypes))


def joint(count: int, seed: int, clusters: int = 3) -> tuple[torch.Tensor, torch.Tensor, JointGraph]:
    """Features of both sides, and their graph."""
    tokens, memory = rows(count, 5, seed), memory_of((4, 2, 6), 5, seed + 7)
    incidence = incidence_of(tokens, clustered(tokens, clusters, seed), clusters, 0.6)
    nearest = memory.bank.search(tokens, 1)[1][:, 0]
    values = torch.cat([tokens, memory.bank.vectors])
    return tokens, values, JointGraph(incidence, memory.incidence, nearest)


def test_k_means_gives_each_token_the_cluster_of_its_nearest_centroid() -> None:
    tokens = torch.cat([rows(20, 4, 0), rows(15, 4, 1) + 9, rows(10, 4, 2) - 9])
    labels = clustered(tokens, 3, seed=5)
    centroids = torch.stack([tokens[labels == cluster].mean(0) for cluster in range(3)])
    assert torch.equal(torch.cdist(tokens, centroids).argmin(1), labels)
    assert sorted(labels.bincount().tolist()) == [10, 15, 20]


@pytest.mark.parametrize("membership", [0.0, 0.6, 1.0])
def test_incidence_and_features_of_clusters_equal_the_oracle(membership: float) -> None:
    tokens = rows(40, 6, 3)
    labels = clustered(tokens, 4, seed=0)
    incidence = incidence_of(tokens, labels, 4, membership)
    expected = oracle.incidence(numbers(tokens), labels.numpy(), 4, membership)
    np.testing.assert_array_equal(incidence.numpy(), expected)
    assert incidence.sum(1).min() >= 1
    assert_close(cluster_features(tokens, incidence), oracle.cluster_features(numbers(tokens), expected), 1e-6)


def test_tokens_that_are_all_alike_belong_to_all_clusters() -> None:
    labels = torch.tensor([0, 0, 1])
    assert torch.equal(incidence_of(torch.ones(3, 4), labels, 2, 0.5), torch.ones(3, 2))


@settings(max_examples=30, deadline=None)
@given(count=st.integers(3, 30), seed=st.integers(0, 99), alpha=st.floats(0, 1), hops=st.integers(1, 3))
def test_spreading_equals_the_oracle_whose_matrix_is_symmetric_and_not_negative(count, seed, alpha, hops) -> None:
    _, values, graph = joint(count, seed)
    expected = oracle.adjacency(
        numbers(graph.incidence), graph.bank_incidence.argmax(1).numpy(), 3, graph.nearest.tolist()
    )
    matrix = graph.adjacent(torch.eye(len(values)))
    assert matrix.min() >= 0
    assert torch.allclose(matrix, matrix.T, atol=1e-6)
    assert_close(matrix, expected, 1e-6)
    assert_close(graph.spread(values, alpha, hops), oracle.spread(expected, numbers(values), alpha, hops), 1e-5)


@pytest.mark.parametrize("hops", [1, 3])
def test_nothing_moves_with_alpha_1(hops: int) -> None:
    _, values, graph = joint(12, 4)
    assert torch.equal(graph.spread(values, 1.0, hops), values)
    assert not torch.allclose(graph.spread(values, 0.9, hops), values, atol=1e-3)


def test_scores_of_tokens_equal_the_oracle() -> None:
    memory, tokens = memory_of((5, 1, 7, 3), 6, 11), rows(25, 6, 12)
    for similar in (1, 3, 9):
        assert_close(
            memory.token_scores(tokens, similar), oracle.token_scores(numbers(tokens), bank_of(memory), similar)
        )
    plain = memory.bank.search(tokens, 1)[0][:, 0].square()
    assert torch.allclose(memory.token_scores(tokens, 4), plain)
    assert (memory.token_scores(tokens, 1) >= plain - 1e-6).all()


def described_tokens(seed: int, count: int = 30) -> Described:
    tokens = {"rgb": rows(count, 6, seed), "xyz": rows(count, 4, seed + 50)}
    labels = clustered(tokens["rgb"], 3, seed)
    return Described(tokens, incidence_of(tokens["rgb"], labels, 3, 0.7))


def test_the_memory_holds_a_share_of_each_matched_cluster() -> None:
    samples = [described_tokens(20), described_tokens(21), described_tokens(22)]
    memories = fill_memories(samples, 0.25, seed=0, device="cpu", progress=no_progress)
    features = [oracle.cluster_features(numbers(one.tokens["rgb"]), numbers(one.incidence)) for one in samples]
    matches = [oracle.matched(one, features[0]) for one in features]
    assert matches[0] == [0, 1, 2]
    for kind, memory in memories.items():
        own = [oracle.cluster_features(numbers(one.tokens[kind]), numbers(one.incidence)) for one in samples]
        for cluster in range(3):
            candidates = np.concatenate(
                [
                    numbers(one.tokens[kind])[numbers(one.incidence)[:, np.array(match) == cluster].any(1)]
                    for one, match in zip(samples, matches, strict=True)
                ]
            )
            kept = numbers(memory.bank.vectors)[memory.clusters.numpy() == cluster]
            assert len(kept) == max(1, int(0.25 * len(candidates)))
            assert all((np.abs(candidates - row).max(1) == 0).any() for row in kept)
            mean = np.mean(
                [
                    one[place]
                    for one, match in zip(own, matches, strict=True)
                    for place in range(3)
                    if match[place] == cluster
                ],
                axis=0,
            )
            assert_close(memory.prototypes[cluster], mean, 1e-5)


@pytest.fixture(scope="module")
def fitted() -> CIF:
    return fit()


def fit(seed: int = 0, seeds: tuple[int, ...] = (1, 2), shaped: bool = True, **parameters) -> CIF:
    method = CIF(**(SMALL | parameters))
    build = method._build

    def with_shape(seed: int, device: str):
        extractors = build(seed, device)
        give_norms_a_shape(extractors.vit)
        give_norms_a_shape(extractors.points)
        return extractors

    if shaped:
        method._build = with_shape
    samples = [make_sample(s, radius=40).blind() for s in seeds]
    method.fit(samples, seed=seed, device="cpu", progress=no_progress)
    return method


def predict(method: CIF, seed: int = 9, radius: float = 40):
    return method.infer(method.prepare(make_sample(seed, height=200, width=224, radius=radius)))


def test_predictions_equal_the_oracle(fitted: CIF) -> None:
    sample = make_sample(9, height=200, width=224, radius=40)
    inputs = fitted.prepare(sample)
    filled = oracle_ast.fill_gaps(sample.xyz[..., 2], 3, sample.plane)
    foreground = oracle_ast.zero_square(filled != 0).reshape(28, 8, 28, 8).any((1, 3))
    np.testing.assert_array_equal(inputs.foreground.numpy().reshape(28, 28), foreground)
    vit, points = (as_weights(network) for network in (fitted._extractors.vit, fitted._extractors.points))
    tokens = {"rgb": oracle_cfm.vit_tokens(oracle_cfm.rgb_input(sample.rgb), vit, keep=1).reshape(784, -1)}
    cloud, pixels = oracle_cfm.cloud_input(sample.xyz)
    middle, features = oracle_cfm.point_tokens(cloud, points, centres=48, group_size=16, keep=1)
    tokens["xyz"] = oracle_m3dm.cloud_patches(cloud, pixels, middle, features, 224, 28)
    tokens = {kind: one[foreground.ravel()] for kind, one in tokens.items()}
    labels = clustered(torch.from_numpy(tokens["rgb"]).float(), 3, inputs.networks.draw).numpy()
    h = oracle.incidence(tokens["rgb"], labels, 3, fitted.membership)
    banks = {kind: bank_of(memory) for kind, memory in fitted._memories.items()}
    score, anomaly_map = oracle.predict(tokens, h, foreground, banks)
    prediction = fitted.infer(inputs)
    assert prediction.score == pytest.approx(score, rel=1e-4)
    np.testing.assert_allclose(prediction.anomaly_map, anomaly_map, atol=1e-4 * anomaly_map.max())


def test_equal_seeds_give_equal_predictions_in_any_order(fitted: CIF) -> None:
    first, again = predict(fitted), fit()
    predict(again, 4)
    np.testing.assert_array_equal(first.anomaly_map, predict(again).anomaly_map)
    assert first.score == predict(again).score
    assert sorted(first.extras) == ["map_rgb", "map_xyz"]


def test_state_survives_restoring() -> None:
    method, restored = fit(shaped=False), CIF(**SMALL)
    restored.restore(method.state(), seed=0, device="cpu")
    np.testing.assert_array_equal(predict(restored).anomaly_map, predict(method).anomaly_map)
    assert restored.state_bytes() == method.state_bytes()


def test_one_sample_is_enough() -> None:
    assert predict(fit(seeds=(1,))).score > 0


@pytest.mark.parametrize(("radius", "fact"), [(0, "no point on the object"), (1.2, "valid points")])
def test_a_sample_without_an_object_is_an_error(fitted: CIF, radius: float, fact: str) -> None:
    with pytest.raises(MethodError, match=fact):
        predict(fitted, radius=radius)


def test_fewer_tokens_than_clusters_are_an_error(fitted: CIF, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitted, "clusters", 30)
    with pytest.raises(MethodError, match=r"30 clusters.*'cif\[clusters="):
        predict(fitted, radius=8)


def test_a_memory_of_fewer_than_three_tokens_is_an_error() -> None:
    with pytest.raises(MethodError, match=r"\b3 neighbours"):
        fit(seeds=(1,), clusters=1, coreset=0.01)


def test_using_an_unfitted_method_is_an_error() -> None:
    with pytest.raises(MethodError, match="not fitted"):
        predict(CIF())


@pytest.mark.parametrize("named", [{"clusters": 0}, {"alpha": 1.1}, {"membership": -0.1}, {"coreset": 0}, {"hops": 0}])
def test_parameters_out_of_range_are_refused(named) -> None:
    with pytest.raises(ValueError, match=next(iter(named))):
        CIF(**named)
