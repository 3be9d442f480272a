"""G2SF's scale network and losses against direct implementations, and its training on made rows."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import oracle_g2sf as oracle
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from optimisers import adam_noting
from samples import no_progress

from harness.contract import MethodError
from methods.parts.bank import Bank
from methods.parts.g2sf import losses
from methods.parts.g2sf.network import LSPN, modality_distances
from methods.parts.g2sf.rows import NEIGHBOURS, PairedBanks, Rows, patch_labels, reached_patches
from methods.parts.g2sf.training import Schedule, Trainer, train

IMAGE, CLOUD = 6, 9


def network(seed: int = 0, balance=(0.3, -0.4), gain: float = 1.0) -> LSPN:
    made = LSPN(IMAGE + CLOUD)
    made.randomise(seed)
    with torch.no_grad():
        made.balance.copy_(torch.tensor(balance))
        for weight in made.weights():
            weight *= gain
    return made


def weights_of(made: LSPN) -> dict[str, np.ndarray]:
    return {name: tensor.double().numpy() for name, tensor in made.state_dict().items()}


def pairs(seed: int, count: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(2, count, IMAGE + CLOUD, generator=draw).unbind()


def test_scales_and_parameters_are_those_of_the_paper() -> None:
    made = network(gain=3)
    patches, neighbours = pairs(1)
    patches[0] = neighbours[0]
    patches[1] = neighbours[1] + 1e-5
    with torch.no_grad():
        found = made(patches - neighbours, neighbours).numpy()
    weights = weights_of(made)
    expected = [oracle.local_scales(*pair, weights) for pair in zip(patches.numpy(), neighbours.numpy(), strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_allclose(made.shares().detach(), oracle.global_scales(weights), rtol=1e-6)
    assert sum(tensor.numel() for tensor in LSPN(1920).parameters()) == 2_164_740
    assert LSPN(4).shares().tolist() == [0.5, 0.5]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 300), st.floats(-9, 9), st.floats(-9, 9))
def test_local_scales_lie_between_1_by_e_and_e_and_global_ones_sum_to_1(seed, gain, first, second) -> None:
    made = network(seed, (first, second), gain)
    patches, neighbours = pairs(seed)
    with torch.no_grad():
        scales = made(100 * (patches - neighbours), neighbours)
        shares = made.shares()
    assert scales.shape == (12, 2)
    assert scales.min() >= (1 - 1e-6) / np.e
    assert scales.max() <= np.e * (1 + 1e-6)
    assert shares.min() > 0
    assert float(shares.sum()) == pytest.approx(1, abs=1e-6)


def test_normalised_distances_do_not_change_with_the_scale_of_a_modality_but_the_networks_input_does() -> None:
    patches, neighbours = pairs(3)
    other = torch.cat([torch.full((IMAGE,), 7.0), torch.ones(CLOUD)])
    made, found, scales = network(gain=3), [], []
    for factor in (torch.ones(IMAGE + CLOUD), other):
        differences = factor * (patches - neighbours)
        lengths = modality_distances(differences, IMAGE)
        found.append(lengths / lengths.mean(0))
        scales.append(made(differences, neighbours).detach())
    torch.testing.assert_close(found[0], found[1])
    assert (scales[0] - scales[1]).abs().max() > 0.01
    expected = [oracle.distances(p, n, IMAGE, (1, 1)) for p, n in zip(patches.numpy(), neighbours.numpy(), strict=True)]
    np.testing.assert_allclose(modality_distances(patches - neighbours, IMAGE), expected, rtol=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 9), st.integers(1, 9), st.floats(0.5, 30))
def test_losses_of_scores_equal_the_oracle(seed: int, normal: int, anomalous: int, margin: float) -> None:
    draw = np.random.default_rng(seed)
    near, far = draw.uniform(0, 2.5, normal), draw.uniform(0, 2.5, anomalous)
    scales = draw.uniform(1 / np.e, np.e, (normal, 2)), draw.uniform(1 / np.e, np.e, (anomalous, 2))
    tensors = torch.from_numpy(near), torch.from_numpy(far)
    for how in ("weighted", "plain"):
        assert losses.separation_loss(*tensors, margin, how).item() == pytest.approx(
            oracle.separation(near, far, margin, how), rel=1e-9
        )
    assert losses.margin_loss(*tensors).item() == pytest.approx(oracle.margin(near, far), rel=1e-9)
    assert losses.scaling_loss(*map(torch.from_numpy, scales)).item() == pytest.approx(
        oracle.scaling(*scales), rel=1e-5
    )


@pytest.mark.parametrize("how", ["broadcast", "rowwise"])
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12))
def test_consistency_equals_the_oracle_with_its_gradient(how, seed: int, count: int) -> None:
    draw = np.random.default_rng(seed)
    scores, lengths = draw.uniform(0, 3, (count, 11)), np.sort(draw.uniform(0.1, 2, (count, 11)), 1)
    given_scores = torch.from_numpy(scores).requires_grad_()
    found = losses.consistency_loss(given_scores, torch.from_numpy(lengths), how)
    assert found.item() == pytest.approx(oracle.consistency(scores, lengths, how), rel=1e-9, abs=1e-12)
    found.backward()
    step = 1e-6 * draw.normal(0, 1, scores.shape)
    change = oracle.consistency(scores + step, lengths, how) - oracle.consistency(scores - step, lengths, how)
    assert float((given_scores.grad.numpy() * 2 * step).sum()) == pytest.approx(change, rel=1e-3, abs=1e-10)


def test_the_switches_of_the_losses_are_not_without_effect() -> None:
    draw = torch.Generator().manual_seed(0)
    scores, lengths = 3 * torch.rand(8, 11, generator=draw), 0.1 + torch.rand(8, 11, generator=draw)
    found = {how: losses.consistency_loss(scores, lengths, how).item() for how in ("broadcast", "rowwise")}
    assert found["broadcast"] != pytest.approx(found["rowwise"], rel=0.01)
    one = {how: losses.consistency_loss(scores[:1], lengths[:1], how).item() for how in ("broadcast", "rowwise")}
    assert one["broadcast"] == pytest.approx(one["rowwise"], rel=1e-6)


def made_rows(count: int = 400, *, shift: float = 3.0) -> SimpleNamespace:
    """Rows of 4 samples in two banks of 30 vectors; anomalous ones lie further off."""
    draw = torch.Generator().manual_seed(0)
    banks = PairedBanks(
        Bank(torch.randn(30, IMAGE, generator=draw), "cpu"), Bank(torch.randn(30, CLOUD, generator=draw), "cpu"), "cpu"
    )
    rows = Rows(count, 4, (IMAGE, CLOUD))
    for number in range(4):
        mask = np.zeros((56, 56), bool)
        mask[20:30, 20:40] = True
        away = shift * torch.from_numpy(patch_labels(mask))[:, None]
        cloud = torch.randn(3136, CLOUD, generator=draw) + away
        cloud[:600] = 0
        patches = {"rgb": torch.randn(784, IMAGE, generator=draw), "xyz": cloud}
        rows.add(patches, banks, mask, torch.Generator().manual_seed(number))
    return SimpleNamespace(rows=rows, banks=banks, patches=patches, mask=mask)


def test_rows_hold_a_share_of_each_sample_with_its_neighbours_and_labels() -> None:
    made = made_rows()
    rows, banks = made.rows, made.banks
    assert len(rows) == 400
    assert rows.nbytes == 400 * (2 * (IMAGE + CLOUD) + 4 * 2 * NEIGHBOURS + 4 * 2 + 1)
    last = torch.arange(300, 400)
    features, reached = rows.features(last), reached_patches(made.patches)
    assert reached[0] == 600
    for row, feature in zip(last[::9], features[::9], strict=True):
        (patch,) = ((made.patches["xyz"].half().float() == feature[IMAGE:]).all(1)).nonzero()[:, 0].tolist()
        token = patch // 56 // 2 * 28 + patch % 56 // 2
        assert torch.equal(made.patches["rgb"][token].half().float(), feature[:IMAGE])
        own = np.concatenate([made.patches["rgb"][token].double(), made.patches["xyz"][patch].double()])
        expected = [
            oracle.nearest(own[part], bank.vectors.double().numpy(), NEIGHBOURS)
            for part, bank in ((slice(IMAGE), banks.rgb), (slice(IMAGE, None), banks.xyz))
        ]
        assert rows.neighbours(row[None])[0].T.tolist() == expected
        assert bool(rows._anomalous[row]) == bool(patch_labels(made.mask)[patch])
        nearest = np.concatenate([banks.rgb.vectors[expected[0][0]], banks.xyz.vectors[expected[1][0]]])
        np.testing.assert_allclose(rows.distances(row[None])[0], oracle.distances(own, nearest, IMAGE, (1, 1)), 1e-5)


def test_a_patch_is_anomalous_where_the_widened_mask_is() -> None:
    mask = np.zeros((112, 112), bool)
    mask[21, 40] = True  # widened to rows 20-22, of which patches see the even ones
    expected = np.zeros((56, 56), bool)
    expected[10:12, 20:21] = True
    np.testing.assert_array_equal(patch_labels(mask).reshape(56, 56), expected)


def trainer(schedule: Schedule | None = None) -> Trainer:
    made = made_rows()
    return Trainer(
        network(),
        made.banks,
        IMAGE,
        torch.tensor([0.5, 2.0]),
        8.0,
        schedule or Schedule(2, 1e-3, 16, "broadcast", "weighted"),
        torch.Generator().manual_seed(5),
    )


def test_noise_is_positive_and_of_at_most_a_tenth_of_the_mean_distance_in_each_modality() -> None:
    before = torch.randn(500, 3, IMAGE + CLOUD, generator=torch.Generator().manual_seed(1))
    noise = trainer().noisy(before.clone()) - before
    assert noise.min() > -1e-6
    lengths = modality_distances(noise, IMAGE) / torch.tensor([0.05, 0.2])
    assert lengths.max() < 1 + 1e-4
    assert lengths.mean((0, 1)).tolist() == pytest.approx([0.5, 0.5], abs=0.03)


def test_all_losses_of_a_batch_equal_the_oracle(monkeypatch) -> None:
    """With dropout off; the permuted pairs are compared by their kinds."""
    subject = trainer(Schedule(1, 1e-3, 16, "rowwise", "plain"))
    seen = []
    plain = LSPN.forward

    def without_dropout(self, differences, neighbours, drop=None):
        seen.append((differences + neighbours, neighbours))
        return plain(self, differences, neighbours)

    monkeypatch.setattr(LSPN, "forward", without_dropout)
    draw = torch.Generator().manual_seed(2)
    features = torch.randn(8, IMAGE + CLOUD, generator=draw)
    neighbours = features[:, None] + 0.5 * torch.randn(8, 11, IMAGE + CLOUD, generator=draw)
    with torch.no_grad():
        found = subject.losses(features, neighbours, 4)
    weights, means = weights_of(subject.network), (0.5, 2.0)
    arrays = features.double().numpy(), neighbours.double().numpy()
    scores = np.array(
        [[oracle.pair_score(f, c, IMAGE, means, weights) for c in row] for f, row in zip(*arrays, strict=True)]
    )
    lengths = np.array(
        [[oracle.distances(f, c, IMAGE, means).mean() for c in row] for f, row in zip(*arrays, strict=True)]
    )
    scales = np.array([oracle.local_scales(f, row[0], weights) for f, row in zip(*arrays, strict=True)])
    permuted = [oracle.local_scales(f, c, weights) for f, c in zip(*(t.double().numpy() for t in seen[1]), strict=True)]
    expected = {
        "separation": oracle.separation(scores[:4, 0], scores[4:, 0], 8.0, "plain"),
        "margin": oracle.margin(scores[:4, 0], scores[4:, 0]),
        "scaling": oracle.scaling(scales[:4], scales[4:]),
        "permutation": np.mean([np.e - one for one in permuted]),
        "consistency": oracle.consistency(scores, lengths, "rowwise"),
        "l1": sum(np.abs(array).sum() for name, array in weights.items() if name.endswith("weight")),
    }
    assert found.keys() == expected.keys() == losses.WEIGHTS.keys()
    for name, value in expected.items():
        assert found[name].item() == pytest.approx(value, rel=1e-4), name
    patches, others = seen[1]
    own = {tuple(row.tolist()) for row in neighbours[:, 0]}
    assert all((patch - features).abs().sum(1).min() < 1e-5 for patch in patches[4:])
    assert all(tuple(row.tolist()) in own for row in others[:4])
    for rows, whole in ((patches[:4], features), (others[4:], neighbours[:, 0])):
        for part in (slice(IMAGE), slice(IMAGE, None)):
            assert all((row[part] - whole[:, part]).abs().sum(1).min() < 1e-5 for row in rows)


def test_units_margin_and_batch_follow_from_the_rows_trained_on(monkeypatch) -> None:
    made, seen = made_rows(800), []
    monkeypatch.setattr("methods.parts.g2sf.training._run", lambda *given: seen.extend(given))
    schedule = Schedule(1, 1e-3, 8192, "rowwise", "plain")
    train(made.rows, made.banks, (IMAGE, CLOUD), schedule, seed=0, device="cpu", progress=no_progress)
    subject, half, _, size = seen[:4]
    normal, anomalous = (made.rows.distances(kind).double().numpy() for kind in (half.normal, half.anomalous))
    means = normal.mean(0)
    np.testing.assert_allclose(subject.means, means, rtol=1e-6)
    assert subject.margin == pytest.approx(2 * (anomalous / means).max(), rel=1e-6)
    assert (len(half), 2 * size) == (400, 14)  # 0.7 * 400 / 20 rows


def test_training_separates_the_rows_and_keeps_the_best_epoch() -> None:
    made = made_rows(800)
    values: list[float] = []
    validate = Trainer.validate
    schedule = Schedule(6, 4e-3, 64, "broadcast", "weighted")

    def recorded(self, part):
        values.append(validate(self, part))
        return values[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "validate", recorded)
        fitted, means = train(
            made.rows, made.banks, (IMAGE, CLOUD), schedule, seed=1, device="cpu", progress=no_progress
        )
    again, _ = train(made.rows, made.banks, (IMAGE, CLOUD), schedule, seed=1, device="cpu", progress=no_progress)
    assert all(torch.equal(one, other) for one, other in zip(fitted.parameters(), again.parameters(), strict=True))
    assert len(values) == 6
    assert min(values) < values[0]
    training, held_out = made.rows.split(torch.Generator().manual_seed(0))
    assert len(training) == len(held_out) == 400
    assert not set(training.normal.tolist()) & set(held_out.normal.tolist())
    subject = Trainer(fitted, made.banks, IMAGE, means, 8.0, schedule, torch.Generator())
    normal, anomalous = (subject._scores(made.rows, kind) for kind in (held_out.normal, held_out.anomalous))
    assert anomalous.mean() > 1.5 * normal.mean()


def test_steps_are_those_of_adam_as_the_authors_set_it(monkeypatch) -> None:
    """Layers learn at the method's rate, the balance of modalities faster; both decay."""
    made, groups = made_rows(400), []
    monkeypatch.setattr(torch.optim, "Adam", adam_noting(groups))
    schedule = Schedule(1, 1.5e-4, 16, "rowwise", "plain")
    fitted, _ = train(made.rows, made.banks, (IMAGE, CLOUD), schedule, seed=0, device="cpu", progress=no_progress)
    assert [(group["lr"], group["weight_decay"], group["betas"]) for group in groups] == [
        (1.5e-4, 1e-4, (0.9, 0.999)),
        (5e-3, 1e-4, (0.9, 0.999)),
    ]
    assert [len(group["params"]) for group in groups] == [len([*fitted.parameters()]) - 1, 1]


def test_rows_that_cannot_be_trained_on_are_refused() -> None:
    schedule = Schedule(1, 1e-3, 16, "rowwise", "plain")
    few = made_rows(100)
    with pytest.raises(MethodError, match="'images' or 'rows'"):
        train(few.rows, few.banks, (IMAGE, CLOUD), schedule, seed=0, device="cpu", progress=no_progress)
    same = made_rows(400)
    same.rows._distances.zero_()
    with pytest.raises(MethodError, match="'coreset'"):
        train(same.rows, same.banks, (IMAGE, CLOUD), schedule, seed=0, device="cpu", progress=no_progress)
