"""CFR against a direct float64 implementation: networks, losses, training, banks and predictions."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import oracle_cfm
import oracle_cfr as oracle
import pytest
import torch
from samples import make_sample, no_progress
from test_cfm_against_oracle import as_weights, assert_close, give_norms_a_shape

from methods.cfr import CFR
from methods.parts.cfr.banks import Banks, _candidate_pixels, most_similar, pixel_features
from methods.parts.cfr.mapping import CyclicPair, GatedMapping
from methods.parts.cfr.retriever import Retriever
from methods.parts.dense import Linear
from methods.parts.initialise import named_generator
from methods.parts.inputs import SIZE

SMALL = {
    "centres": 48,
    "group_size": 16,
    "epochs": 1,
    "retriever_epochs": 1,
    "few_shots": 0,
    "candidates": 0.02,
    "coreset": 0.05,
}


class Shallow(CFR):
    """CFR on the first block of both networks."""

    layers = 1


def rows(count: int, channels: int, seed: int) -> torch.Tensor:
    return torch.randn(count, channels, generator=torch.Generator().manual_seed(seed))


def test_mappings_and_retriever_have_the_published_numbers_of_parameters() -> None:
    pair, retriever = CyclicPair(768, 1152), Retriever(768, 1152)
    counts = [sum(p.numel() for p in net.parameters()) for net in (pair.to_3d, pair.to_2d, retriever)]
    assert counts == [2_583_552, 2_951_808, 491_520]


def test_a_gated_unit_equals_the_oracle_at_once_and_begun_on_tokens() -> None:
    mapping, features = GatedMapping(7, 12), rows(9, 7, 0)
    expected = oracle.gated(features.double().numpy(), as_weights(mapping))
    with torch.no_grad():
        assert_close(mapping(features), expected, 1e-5)
        assert_close(mapping.finish(mapping.start(features)), expected, 1e-5)


def test_mappings_that_undo_each_other_have_no_cycle_loss() -> None:
    pair = CyclicPair(6, 6)
    there, back = Linear(6, 6, bias=False), Linear(6, 6, bias=False)
    matrix = rows(6, 6, 1) + 3 * torch.eye(6)
    there.weight.data, back.weight.data = matrix, torch.linalg.inv(matrix)
    pair.to_3d, pair.to_2d = there, back
    real = rows(20, 6, 2), rows(20, 6, 3)
    with torch.no_grad():
        assert float(pair.cycle_loss(pair(*real), real)) == pytest.approx(0, abs=1e-5)
        back.weight.data = matrix
        assert float(pair.cycle_loss(pair(*real), real)) > 0.1


def test_losses_and_steps_of_the_mappings_equal_the_oracle() -> None:
    pair, real = CyclicPair(10, 6), (rows(30, 10, 4), rows(30, 6, 5))
    expected = oracle.train_mappings(
        *(part.double().numpy() for part in real), as_weights(pair.to_3d), as_weights(pair.to_2d), steps=3
    )
    optimiser, losses = torch.optim.Adam(pair.parameters(), lr=1e-3), []
    for _ in range(3):
        loss = pair.loss(pair(*real), real)
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    np.testing.assert_allclose(losses, expected.losses, atol=1e-5)
    for learned, weights in ((pair.to_3d, expected.to_3d), (pair.to_2d, expected.to_2d)):
        for name, tensor in learned.state_dict().items():
            np.testing.assert_allclose(tensor.numpy(), weights[name], atol=1e-4)


def banks_of(rgb: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> Banks:
    def unit(some: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(some, dim=1)

    return Banks(unit(rgb), unit(keys), keys.norm(dim=1, keepdim=True), values)


def retrieve(retriever: Retriever, queries: torch.Tensor, banks: Banks, count: int) -> torch.Tensor:
    return retriever.retrieve(queries, banks, retriever.project(banks), count)


@torch.no_grad()
def test_a_single_key_returns_its_projected_value_whatever_the_query() -> None:
    retriever, value = Retriever(8, 5), rows(1, 8, 6)
    result = retrieve(retriever, rows(4, 5, 7), banks_of(rows(1, 8, 8), rows(1, 5, 9), value), 3)
    assert_close(result, retriever.output(retriever.value(value)).expand(4, -1), 1e-6)


@torch.no_grad()
def test_the_retriever_equals_the_oracle_and_a_key_without_length_is_like_nothing() -> None:
    retriever, queries, keys, values = Retriever(8, 5), rows(12, 5, 10), rows(20, 5, 11), rows(20, 8, 12)
    keys[3] = 0
    banks = banks_of(values, keys, values)
    expected = [
        oracle.retrieve(query, keys.double().numpy(), values.double().numpy(), as_weights(retriever), 3)
        for query in queries.double().numpy()
    ]
    assert_close(retrieve(retriever, queries, banks, 3), expected, 1e-5)
    assert float(most_similar(queries, banks.keys[3:4], 1)[0].abs().max()) == 0


@pytest.fixture(scope="module")
def fitted():
    """CFR on one sample, another one to test, and the oracle's features of both by the same networks."""
    train, test = make_sample(1, radius=14), make_sample(4, height=200, width=224, radius=9)
    method = Shallow(**SMALL)
    build = method._build

    def shaped(seed: int, device: str):
        extractors, replacer = build(seed, device)
        give_norms_a_shape(extractors.vit)
        give_norms_a_shape(extractors.points)
        return extractors, replacer

    method._build = shaped
    method.fit([train], seed=3, device="cpu", progress=no_progress)
    networks = [as_weights(network) for network in (method._extractors.vit, method._extractors.points)]
    learned, features = (
        oracle_cfm.extract(sample.rgb, sample.xyz, *networks, centres=48, group_size=16, bn_stats=statistics)
        for sample, statistics in ((train, "running"), (test, "batch"))
    )
    return SimpleNamespace(method=method, sample=test, learned=learned, features=features)


def test_banks_hold_features_in_evaluation_mode_of_all_pixels(fitted) -> None:
    banks = fitted.method._replacer.banks
    assert len(banks.rgb) == len(banks.keys) == int(0.05 * round(0.02 * SIZE * SIZE))
    image, cloud = (part.reshape(SIZE * SIZE, -1) for part in (fitted.learned.e2d, fitted.learned.e3d))
    units = image / np.linalg.norm(image, axis=1, keepdims=True)
    assert (units @ banks.rgb.double().numpy().T).max(0).min() == pytest.approx(1, abs=1e-6)
    keys = (banks.keys * banks.lengths).numpy()
    lengths = np.linalg.norm(keys, axis=1)
    drawn = _candidate_pixels(0.02, named_generator(3, "candidates", 0)).numpy()
    of_object = (cloud[drawn] != 0).any(1).sum()
    assert 0 < of_object < len(keys), "both banks have pixels of the background, too"
    assert (lengths > 0).sum() == of_object, "pairs are chosen by their keys, and those of the background are all alike"
    for key, value in zip(keys, banks.values.double().numpy(), strict=True):
        place = (units @ value).argmax()
        assert_close(value, image[place])
        assert_close(key, cloud[place])


def test_features_of_drawn_pixels_are_those_of_all_pixels(fitted) -> None:
    tokens = fitted.method._extractors.tokens(fitted.method.prepare(fitted.sample))
    pixels = torch.arange(0, SIZE * SIZE, 13)
    for kind, expected in (("image", fitted.features.e2d), ("cloud", fitted.features.e3d)):
        found = pixel_features(tokens, kind, pixels, getattr(tokens, kind))
        assert_close(found, expected.reshape(SIZE * SIZE, -1)[pixels])


@pytest.mark.parametrize(
    ("named", "part"),
    [({}, "some"), ({"theta": 2.0, "smoothing": "box"}, "none"), ({"theta": 0.0, "key_rows": 20}, "all")],
    ids=str,
)
def test_predictions_equal_the_oracle(fitted, monkeypatch: pytest.MonkeyPatch, named, part: str) -> None:
    """The banks are random: of similar keys rounding would decide which are nearest."""
    method, features = fitted.method, fitted.features
    inputs = method.prepare(fitted.sample)
    monkeypatch.setattr(method._replacer, "banks", banks_of(rows(30, 768, 13), rows(40, 384, 14), rows(40, 768, 15)))
    for name, value in ({"theta": doubtful_half(method, features)} | named).items():
        monkeypatch.setattr(method, name, value)
    prediction = method.infer(inputs)
    banks = method._replacer.banks
    if "key_rows" in named:
        assert len(banks.keys) > named["key_rows"]
        banks = banks.drawn(named["key_rows"], named_generator(inputs.draw, "pairs"))
        assert len(banks.keys) == named["key_rows"]
    bank = oracle.Bank(*(rows.double().numpy() for rows in (banks.rgb, banks.keys * banks.lengths, banks.values)))
    expected = oracle.predict(
        features,
        as_weights(method._replacer.mapping.to_3d),
        as_weights(method._replacer.mapping.to_2d),
        as_weights(method._replacer.retriever),
        bank,
        theta=method.theta,
        smoothing=method.smoothing,
    )
    replaced = expected["replaced"][features.mask].mean()
    assert {"some": 0 < replaced < 1, "none": replaced == 0, "all": replaced == 1}[part]
    np.testing.assert_array_equal(prediction.extras["replaced"], expected["replaced"])
    for name in ("map_2d", "map_3d"):
        assert_close(prediction.extras[name], expected[name])
    for name in ("anomaly_map", "pixel_map", "score"):
        assert_close(getattr(prediction, name), expected[name])


def doubtful_half(method, features: oracle_cfm.Features) -> float:
    """Return a theta between the two distances around the median, far from rounding."""
    predicted = oracle.gated(features.e3d[features.mask], as_weights(method._replacer.mapping.to_2d))
    predicted /= np.linalg.norm(predicted, axis=1, keepdims=True)
    distances = np.sort(1 - (predicted @ method._replacer.banks.rgb.double().numpy().T).max(1))
    gaps = np.diff(distances)[len(distances) // 4 : -len(distances) // 4]
    place = len(distances) // 4 + int(gaps.argmax())
    return float(distances[place : place + 2].mean())


def test_steps_of_the_retriever_equal_the_oracle() -> None:
    sample = make_sample(5, radius=7)
    chosen = SMALL | {"retriever_epochs": 3, "bn_stats": "batch", "retriever_lr": 1e-3}
    method = Shallow(**chosen)
    method.fit([sample], seed=0, device="cpu", progress=no_progress)
    extractors, start = Shallow(**chosen)._build(seed=0, device="cpu")
    tokens = extractors.tokens(extractors.prepare(sample))
    e2d, e3d = (part.double().numpy() for part in tokens.at(torch.arange(len(tokens))))
    banks = method._replacer.banks
    bank = oracle.Bank(*(part.double().numpy() for part in (banks.rgb, banks.keys * banks.lengths, banks.values)))
    losses, weights = oracle.train_retriever(e2d, e3d, bank, as_weights(start.retriever), steps=3, lr=1e-3)
    np.testing.assert_allclose(method.retriever_losses_, losses, atol=1e-4)
    for name, tensor in method._replacer.retriever.state_dict().items():
        np.testing.assert_allclose(tensor.numpy(), weights[name], atol=5e-4)
