"""MAFR against a direct float64 implementation: head, losses, cells, training and maps."""

from __future__ import annotations

import numpy as np
import oracle_cfm
import oracle_mafr as oracle
import pytest
import torch
from samples import make_sample, no_progress

from methods.mafr import MAFR
from methods.parts.features import Tokens
from methods.parts.mafr.cells import Cells
from methods.parts.mafr.losses import census_loss, reconstruction_loss, smoothness_loss, standardised_loss
from methods.parts.mafr.network import Dropout, Features, FusedReconstruction
from methods.parts.mafr.training import Schedule, _loss, train
from methods.parts.sparse_rows import SparseRows

CHANNELS = 32, 48


class Shallow(MAFR):
    """MAFR on the first block of both networks."""

    layers = 1


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def new_head(*channels: int, width: int = 24) -> FusedReconstruction:
    """A head whose norms and kernels have random values, too."""
    head = FusedReconstruction(*(channels or CHANNELS), width)
    head.randomise(3)
    generator = torch.Generator().manual_seed(5)
    for module in head.modules():
        if isinstance(module, torch.nn.LayerNorm):
            module.weight.data.uniform_(0.5, 1.5, generator=generator)
            module.bias.data.uniform_(-0.3, 0.3, generator=generator)
    return head


def as_weights(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.double() for name, tensor in module.state_dict().items()}


def some_tokens(pixels: torch.Tensor, seed: int = 0) -> Tokens:
    columns = torch.randint(0, 40, (len(pixels), 6), generator=torch.Generator().manual_seed(seed))
    to_cloud = SparseRows.from_padded(columns, draw(*columns.shape, seed=seed).abs(), 40)
    return Tokens.of(draw(784, CHANNELS[0], seed=seed), draw(40, CHANNELS[1], seed=seed + 1), pixels, to_cloud)


def dense(tokens: Tokens, side: int) -> oracle_cfm.Features:
    """Images of features in float64 from the tokens of the product."""
    mask, e3d = np.zeros(224 * 224, bool), np.zeros((224 * 224, tokens.cloud.shape[1]))
    mask[tokens.pixels.numpy()] = True
    e3d[mask] = (tokens.to_cloud_pixels @ tokens.cloud).double().numpy()
    grid = tokens.image.double().numpy().reshape(28, 28, -1)
    sample = oracle_cfm.Features(grid, e3d.reshape(224, 224, -1), mask.reshape(224, 224))
    return oracle.on_cells(sample, side)


def blob(radius: float) -> torch.Tensor:
    """Flat pixels of a disc that touches an edge of the image, with holes."""
    y, x = torch.meshgrid(torch.arange(224), torch.arange(224), indexing="ij")
    inside = ((y - 60) ** 2 + (x - radius + 4) ** 2 < radius**2) & ((y + 3 * x) % 11 > 0)
    return inside.flatten().nonzero()[:, 0]


def assert_close(actual, expected, tolerance: float = 1e-4) -> None:
    actual, expected = np.asarray(actual, float), np.asarray(expected, float)
    assert actual.shape == expected.shape
    assert np.abs(actual - expected).max() <= tolerance * max(1.0, np.abs(expected).max())


def test_the_head_has_an_attention_module_of_images_with_one_pixel() -> None:
    head, features = new_head(), Features(draw(70, CHANNELS[0]), draw(70, CHANNELS[1], seed=1))
    with torch.no_grad():
        reconstructed = head(features)
        expected = oracle.reconstruct(features.image.double(), features.cloud.double(), as_weights(head))
    for ours, theirs in zip(reconstructed, expected, strict=True):
        assert_close(ours, theirs)


@pytest.mark.parametrize("everywhere", [True, False])
def test_every_loss(everywhere: bool) -> None:
    side = 11
    counted = torch.ones(side, side) > 0 if everywhere else draw(side, side, seed=7) > -0.8
    predicted, real = draw(side, side, 20), draw(side, side, 20, seed=1)
    real[~counted] = 0
    real[0, 0] = 0
    expected = oracle.losses(predicted.double(), real.double(), counted)
    rows = predicted[counted], real[counted]
    grid = counted.flatten().nonzero()[:, 0], side
    assert_close(standardised_loss(*rows), expected[0])
    assert_close(smoothness_loss(*rows, *grid), expected[1])
    assert_close(census_loss(*rows, *grid), expected[2])
    assert_close(reconstruction_loss(*rows, *grid), sum(expected))


def test_smoothness_of_a_single_cell_is_none() -> None:
    row, place = draw(1, 20), torch.tensor([60])
    assert smoothness_loss(row, draw(1, 20, seed=1), place, 11) == 0


@pytest.mark.parametrize("everywhere", [True, False])
@pytest.mark.parametrize("side", [28, 224])
def test_features_of_cells(side: int, everywhere: bool) -> None:
    tokens = some_tokens(blob(30))
    cells, expected = Cells.of(tokens, side, everywhere=everywhere), dense(tokens, side)
    rows = np.ones(side * side, bool) if everywhere else expected.mask.flatten()
    np.testing.assert_array_equal(cells.places.numpy(), np.flatnonzero(rows))
    assert_close(cells.to_image @ tokens.image, expected.e2d.reshape(side * side, -1)[rows])
    assert_close(cells.to_cloud @ tokens.cloud, expected.e3d.reshape(side * side, -1)[rows])
    y, x = tokens.pixels // 224 * side // 224, tokens.pixels % 224 * side // 224
    np.testing.assert_array_equal(cells.places[cells.of_pixels].numpy(), (y * side + x).numpy())


@pytest.mark.parametrize("background", ["all", "valid"])
def test_training(background: str) -> None:
    side = 28
    tokens, head = some_tokens(blob(40)), new_head()
    weights = as_weights(head)
    schedule = Schedule(epochs=2, lr=1e-3, dropout=0, grid=side, background_loss=background)
    losses = train(head, lambda epoch, index: tokens, 1, schedule, seed=0, progress=no_progress)
    expected = oracle.train_steps(dense(tokens, side), weights, steps=2, background=background == "all")
    np.testing.assert_allclose(losses, expected, rtol=1e-4)
    assert losses[1] < losses[0]
    for name, tensor in head.state_dict().items():
        np.testing.assert_allclose(tensor.numpy(), weights[name].detach().numpy(), atol=5e-4)


@torch.no_grad()
def test_the_loss_over_all_pixels_in_parts() -> None:
    tokens, head = some_tokens(blob(40)), new_head()
    sample, weights = dense(tokens, 224), as_weights(head)
    loss = _loss(head, tokens, Cells.of(tokens, 224, everywhere=True), lambda part: Dropout())
    images = [torch.from_numpy(image) for image in (sample.e2d, sample.e3d)]
    predicted = oracle.reconstruct(*(image.flatten(0, 1) for image in images), weights)
    counted = torch.ones(224, 224) > 0
    terms = [oracle.losses(rows.view(real.shape), real, counted) for rows, real in zip(predicted, images, strict=True)]
    assert_close(loss, sum(map(sum, terms)))


@pytest.mark.parametrize(("side", "shape"), [(28, (224, 224)), (224, (131, 170))])
def test_maps(side: int, shape: tuple[int, int]) -> None:
    sample = make_sample(4, height=shape[0], width=shape[1], radius=14)
    method = Shallow(grid=side, centres=48, group_size=16)
    extractors, _ = method._build(seed=3, device="cpu")
    head = new_head(*extractors.channels, width=40)
    method._extractors, method._network = extractors, head
    tokens = extractors.tokens(extractors.prepare(sample))
    prediction = method.infer(method.prepare(sample))
    pixels = None if side == 224 else tokens.pixels.tolist()
    with torch.no_grad():
        expected = oracle.predict(dense(tokens, side), as_weights(head), pixels=pixels)
    assert_close(prediction.anomaly_map, expected["anomaly_map"])
    assert_close(prediction.pixel_map, expected["pixel_map"])
    assert_close(prediction.score, expected["score"])
    for name in ("map_2d", "map_3d"):
        assert_close(prediction.extras[name], expected[name])
