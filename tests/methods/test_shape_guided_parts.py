"""Parts of Shape-Guided: the network and its loss, patches, pursuit, cells and alignment, against the oracle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import oracle_shape_guided as oracle
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from optimisers import adam_noting
from oracle_cfm import cloud_input
from samples import make_sample, no_progress
from sklearn.linear_model import orthogonal_mp

from harness.contract import MethodError
from methods.parts.initialise import named_generator
from methods.parts.shape_guided.cells import CellBank, cells_near, cells_under
from methods.parts.shape_guided.fitting import alignment
from methods.parts.shape_guided.network import LocalSurface, pull
from methods.parts.shape_guided.patches import Cutting, cut, number_of_patches
from methods.parts.shape_guided.pursuit import reconstruct
from methods.parts.shape_guided.training import Schedule, noisy, point_spread, pulling_loss, train

CPU = torch.device("cpu")


def draw(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def surface(width: int = 16, *, moved: bool = False) -> LocalSurface:
    """A network; ``moved``: with other biases, norms and running statistics than a new one has."""
    network = LocalSurface(width).randomise(0)
    if moved:
        with torch.no_grad():
            for number, (name, tensor) in enumerate(network.state_dict().items()):
                if tensor.dim() == 1:
                    tensor += 0.2 * draw(number, *tensor.shape).abs()
                if name.endswith("last.weight"):
                    tensor += 0.3 * draw(number, *tensor.shape)
    return network


def doubles(network: LocalSurface) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().double() for name, tensor in network.state_dict().items()}


def test_the_network_has_the_published_number_of_parameters() -> None:
    assert sum(tensor.numel() for tensor in LocalSurface(512).parameters()) == 3_170_433


def test_a_new_field_is_about_the_distance_to_a_sphere() -> None:
    network = LocalSurface(512).randomise(3).eval()
    rays = torch.nn.functional.normalize(draw(1, 1, 64, 3), dim=-1)
    near, far = (network.distances(torch.zeros(1, 128), rays * radius) for radius in (0.1, 2.0))
    assert (far > 0).all()
    assert (near < far).all()
    assert float(network.field.last.bias.detach()) == -0.5


def test_codes_and_distances_equal_the_oracle_and_codes_are_not_negative() -> None:
    network, patches, points = surface(moved=True).eval(), draw(1, 4, 60, 3), draw(2, 4, 30, 3)
    codes = network.encode(patches)
    assert (codes.shape, bool((codes >= 0).all()), bool((codes > 0).any())) == ((4, 128), True, True)
    weights = doubles(network)
    expected = oracle.encode(patches.double(), weights)
    np.testing.assert_allclose(codes.detach(), expected, atol=1e-4 * float(expected.max()))
    wanted = torch.stack([oracle.distance_at(*one, weights) for one in zip(expected, points.double(), strict=True)])
    found = network.distances(codes, points).detach()
    np.testing.assert_allclose(found, wanted, atol=1e-4 * float(wanted.abs().max()))


def test_the_gradient_at_a_point_equals_automatic_differentiation() -> None:
    network, codes = surface(moved=True).double().eval(), draw(1, 3, 128).abs().double()
    points = draw(2, 3, 20, 3).double().requires_grad_()
    distances, gradients = network.distances_and_gradients(codes, points)
    (expected,) = torch.autograd.grad(network.distances(codes, points).sum(), points)
    np.testing.assert_allclose(gradients.detach(), expected, atol=1e-12)
    np.testing.assert_array_equal(distances.detach(), network.distances(codes, points).detach())


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
def test_the_loss_and_all_its_gradients_equal_the_oracle(dtype: torch.dtype, tolerance: float) -> None:
    """Twelve patches: statistics of three would multiply the rounding of a few gradients past the tolerance."""
    network, patches = surface(moved=True).train().to(dtype), 0.3 * draw(1, 12, 50, 3)
    queries = patches[:, :20] + 0.05 * draw(2, 12, 20, 3)
    loss = pulling_loss(network, patches.to(dtype), queries.to(dtype))
    loss.backward()
    weights = doubles(surface(moved=True))
    names = [name for name, _ in network.named_parameters()]
    for name in names:
        weights[name].requires_grad_()
    expected = oracle.pulling_loss(patches.double(), queries.double(), weights)
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=tolerance)
    wanted = torch.autograd.grad(expected, [weights[name] for name in names])
    largest = max(float(gradient.abs().max()) for gradient in wanted)  # some are 0, since BatchNorm follows
    for name, gradient in zip(names, wanted, strict=True):
        found = network.get_parameter(name).grad
        np.testing.assert_allclose(found, gradient, atol=tolerance * largest, err_msg=name)


@given(st.integers(0, 1000), st.floats(0.1, 5))
@settings(max_examples=20, deadline=None)
def test_points_pulled_by_a_spheres_distance_land_on_it(seed: int, radius: float) -> None:
    points = draw(seed, 10, 3).double()
    length = points.norm(dim=1)
    pulled = pull(points, length - radius, 7 * points / length[:, None])
    np.testing.assert_allclose(pulled.norm(dim=1), radius, rtol=1e-12)


def test_training_halves_the_distance_of_noisy_points_to_the_surface() -> None:
    patches = cut(make_sample(1, radius=25), Cutting(100, 1), CPU, torch.Generator().manual_seed(0)).points
    spread, every = point_spread(patches), torch.arange(len(patches))
    copies = [noisy(patches, spread, every, torch.full_like(every, copy), seed=0) for copy in range(20)]
    before = np.mean([float(torch.cdist(copy, patches).amin(2).mean()) for copy in copies])
    schedule = Schedule(60, 8, 50, 1e-2)
    network, again = surface(64), surface(64)
    losses = train(network, patches, schedule, seed=0, progress=no_progress)
    assert len(losses) == 60 * (len(patches) // 8)
    assert np.mean(losses[-10:]) < 0.5 * before
    assert (
        train(again, patches, replace(schedule, epochs=3), seed=0, progress=no_progress) == losses[: len(losses) // 20]
    )
    assert not network.training
    assert not any(tensor.requires_grad for tensor in network.parameters())


def test_steps_are_those_of_plain_adam(monkeypatch) -> None:
    groups: list[dict] = []
    monkeypatch.setattr(torch.optim, "Adam", adam_noting(groups))
    train(surface(), draw(1, 4, 60, 3), Schedule(1, 2, 50, 1e-4), seed=0, progress=no_progress)
    (group,) = groups
    assert (group["lr"], group["weight_decay"], group["betas"]) == (1e-4, 0, (0.9, 0.999))
    assert len(group["params"]) == len([*surface().parameters()])


def test_training_that_cannot_work_is_one_sentence() -> None:
    with pytest.raises(MethodError, match="one patch"):
        train(surface(), draw(1, 1, 60, 3), Schedule(1, 8, 50, 1e-3), seed=0, progress=no_progress)
    with pytest.raises(MethodError, match=r"loss became nan in epoch 1: .*lr="):
        train(surface(), torch.full((4, 60, 3), torch.nan), Schedule(1, 2, 50, 1e-3), seed=0, progress=no_progress)


def test_noise_is_as_wide_as_the_distance_to_the_50th_neighbour_or_half_of_it() -> None:
    patches = draw(1, 2, 400, 3)
    spread = point_spread(patches)
    squared = ((patches[1, :, None].double() - patches[1].double()) ** 2).sum(2).numpy()
    np.testing.assert_allclose(spread[1], np.sqrt(np.sort(squared, 1)[:, 50]), rtol=1e-5)
    chosen = torch.tensor([1] * 20)
    copies = (noisy(patches, spread, chosen, torch.arange(20), seed=5) - patches[1]) / spread[1][:, None]
    deviations = copies.flatten(1).std(1)
    assert ((deviations[:13] - 0.5).abs() < 0.05).all()
    assert ((deviations[13:] - 1.0).abs() < 0.1).all()
    once = noisy(patches, spread, chosen[:1], torch.tensor([3]), seed=5)
    assert torch.equal(once[0], noisy(patches, spread, chosen, torch.arange(20), seed=5)[3])
    assert not torch.equal(once, noisy(patches, spread, chosen[:1], torch.tensor([3]), seed=6))


def test_patches_equal_the_oracle() -> None:
    sample = make_sample(2, height=240, width=170, radius=20)
    valid = sample.xyz.any(-1)
    sample.xyz[valid] += np.random.default_rng(0).normal(0, 1e-3, (int(valid.sum()), 3))  # no distances nearly equal
    points, pixels = cloud_input(sample.xyz)
    first = int(torch.randint(len(points), (), generator=torch.Generator().manual_seed(9)))
    patches = cut(sample, Cutting(60, 4), CPU, torch.Generator().manual_seed(9))
    members, expected = oracle.cut(points, 60, 4, first)
    np.testing.assert_array_equal(np.sort(patches.pixels, 1), np.sort(pixels[np.array(members)], 1))
    assert members[0][0] == first
    order, wanted_order = patches.pixels.argsort(1), np.argsort(pixels[np.array(members)], 1)
    found = patches.points.gather(1, order[..., None].expand(-1, -1, 3))
    np.testing.assert_allclose(found, np.take_along_axis(expected, wanted_order[..., None], 1), atol=1e-4)
    np.testing.assert_allclose(patches.points.mean(1), 0, atol=1e-5)
    sides = patches.points.amax(1) - patches.points.amin(1)
    np.testing.assert_allclose(sides.amax(1), 1, atol=1e-5)


def test_each_point_lies_in_10_patches_on_average_and_the_draw_depends_on_the_content_alone() -> None:
    sample = make_sample(1, radius=30)
    patches = cut(sample, Cutting(500, 10), CPU)
    count = len(cloud_input(sample.xyz)[0])
    assert len(patches.points) == number_of_patches(count, Cutting(500, 10))
    assert patches.pixels.numel() / count == pytest.approx(10, rel=0.01)
    assert torch.equal(cut(sample, Cutting(500, 10), CPU).pixels, patches.pixels)
    others = [cut(sample, Cutting(500, 10), CPU, named_generator(seed)).pixels[0, 0] for seed in range(4)]
    assert len({int(pixel) for pixel in others}) > 1


def test_a_point_near_the_origin_may_become_a_centre() -> None:
    sample = make_sample(1, radius=25)
    valid = sample.xyz.any(-1)
    sample.xyz[valid] -= sample.xyz[valid].mean(0) - np.float32(1e-6)
    patches = cut(sample, Cutting(100, 10), CPU)
    assert len(torch.unique(patches.pixels[:, 0])) > 0.99 * len(patches.pixels)


def test_a_cloud_smaller_than_a_patch_is_refused() -> None:
    with pytest.raises(MethodError, match="a patch needs 5000"):
        cut(make_sample(1, radius=25), Cutting(5000, 10), CPU)
    with pytest.raises(MethodError, match="has 0 valid points"):
        cut(make_sample(1, radius=0), Cutting(500, 10), CPU)


@given(st.integers(0, 10_000), st.integers(1, 8), st.integers(2, 40), st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_pursuit_equals_least_squares_and_scikit_learn(seed: int, rows: int, dim: int, atoms: int) -> None:
    vectors, dictionaries = draw(seed, 5, dim), draw(seed + 1, 5, rows, dim)
    atoms = min(atoms, rows, dim)
    found = reconstruct(vectors.double(), dictionaries.double(), atoms).numpy()
    for vector, dictionary, rebuilt in zip(vectors.double().numpy(), dictionaries.double().numpy(), found, strict=True):
        np.testing.assert_allclose(rebuilt, oracle.pursuit(vector, dictionary, atoms), atol=1e-6)
        if dim > rows:  # else rows depend on each other or leave nothing, where scikit-learn stops with a warning
            weights = orthogonal_mp(dictionary.T, vector, n_nonzero_coefs=atoms)
            np.testing.assert_allclose(rebuilt, dictionary.T @ np.atleast_1d(weights), atol=1e-6)
    np.testing.assert_allclose(reconstruct(vectors, dictionaries, atoms), found, atol=1e-3)


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_a_vector_in_the_span_of_3_rows_is_rebuilt(seed: int) -> None:
    dictionary, weights = draw(seed, 3, 128).double(), draw(seed + 1, 3).double()
    np.testing.assert_allclose(reconstruct((weights @ dictionary)[None], dictionary[None])[0], weights @ dictionary)
    apart, _ = torch.linalg.qr(draw(seed, 128, 10).double())
    vector = apart.T[[7, 2, 4]].T @ weights
    np.testing.assert_allclose(reconstruct(vector[None], apart.T[None])[0], vector, atol=1e-12)


def test_equal_rows_and_rows_of_zeros_rebuild_what_one_row_does() -> None:
    vectors, row = draw(1, 2, 20), draw(2, 20)
    dictionaries = row.expand(2, 4, 20).clone()
    dictionaries[1, 1:] = 0
    expected = (vectors @ row / (row @ row))[:, None] * row
    np.testing.assert_allclose(reconstruct(vectors, dictionaries), expected, atol=1e-5)
    assert torch.equal(reconstruct(torch.zeros(1, 20), torch.zeros(1, 4, 20)), torch.zeros(1, 20))


def as_sets(cells: torch.Tensor) -> list[set[int]]:
    return [set(np.flatnonzero(one).tolist()) for one in cells.numpy()]


@given(st.lists(st.integers(0, 224 * 224 - 1), min_size=1, max_size=30))
@settings(max_examples=30, deadline=None)
def test_cells_under_and_near_a_patch_equal_the_oracle(pixels: list[int]) -> None:
    under = cells_under(torch.tensor([pixels, pixels[::-1]]))
    expected = oracle.cells_under(np.array(pixels))
    assert as_sets(under) == [expected] * 2
    assert as_sets(cells_near(under)) == [oracle.cells_near(expected)] * 2


def test_the_cells_of_a_patch_itself_are_not_near_it() -> None:
    under = cells_under(torch.tensor([[100 * 224 + 100]]))
    assert not (cells_near(under) & under).any()
    assert int(cells_near(under).sum()) == 4


@given(st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_the_bank_of_cells_finds_what_retrieved_patches_own(seed: int) -> None:
    present, owned = draw(seed, 3, 784) > 0.5, [draw(seed + 1 + image, 4 + image, 784) > 1.5 for image in range(3)]
    features = [draw(seed + 9 + image, int(present[image].sum()), 6) for image in range(3)]
    bank = CellBank.of(features, list(present), owned)
    patches = torch.tensor([[1, 9], [3, 1]])
    wanted = {(0, cell) for cell in range(784) if present[0, cell] and (owned[0][1] | owned[0][3])[cell]}
    wanted |= {(2, cell) for cell in range(784) if present[2, cell] and owned[2][0][cell]}
    rows = bank.rows_of(patches)
    assert {(int(place) // 784, int(place) % 784) for place in bank.places[rows]} == wanted
    queries = draw(seed + 20, 5, 6)
    allowed = bank.features[rows].double().numpy()
    for query, found in zip(queries, bank.nearest(queries, rows, 5, skip=1), strict=True):
        np.testing.assert_array_equal(found, allowed[oracle.nearest(query.double().numpy(), allowed, 5, 1)])


def test_a_search_in_parts_equals_one_in_the_whole(monkeypatch) -> None:
    bank = CellBank.of([draw(1, 784, 5)], [torch.ones(784, dtype=torch.bool)], [torch.ones(1, 784, dtype=torch.bool)])
    rows, queries = bank.rows_of(torch.tensor([0])), draw(2, 7, 5)
    whole = bank.nearest(queries, rows, 5, skip=1)
    monkeypatch.setattr("methods.parts.shape_guided.cells._CHUNK", 4)
    assert torch.equal(bank.nearest(queries, rows, 5, skip=1), whole)
    assert bank.nearest(queries, rows[:3], 5, skip=1).shape == (7, 2, 5)
    with pytest.raises(MethodError, match="bank_cells=plain"):
        bank.nearest(queries, rows[:0], 5)


def test_alignment_maps_mean_and_deviation_onto_each_other() -> None:
    image, shape = draw(1, 500), 3 * draw(2, 400) + 5
    factor, shift = alignment(image, shape)
    assert (factor, shift) == pytest.approx(oracle.alignment([image.double().numpy()], [shape.double().numpy()]))
    moved = factor * image.double() + shift
    assert float(moved.mean()) == pytest.approx(float(shape.double().mean()))
    assert float(moved.std()) == pytest.approx(float(shape.double().std()), rel=1e-3)
    with pytest.raises(MethodError, match="modality=xyz"):
        alignment(torch.ones(4), shape)
