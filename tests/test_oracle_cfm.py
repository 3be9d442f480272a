"""The oracle of CFM agrees with torch, timm and Pillow, and with hand arithmetic where the paper's rule is its own."""

import numpy as np
import oracle_cfm as oracle
import pytest
import torch
from oracle_cfm import Features
from PIL import Image
from timm.models.vision_transformer import Block, VisionTransformer
from torch import nn
from torch.nn import functional

HEAD_LAYERS = ("input", "projection", "output")


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def arrays(module, prefix=""):
    return {f"{prefix}{name}": tensor.detach().numpy() for name, tensor in module.state_dict().items()}


def shuffle_parameters(module, seed):
    """Draw every parameter and statistic, so that no gain is 1 and no bias is 0."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 2, generator=generator)
            elif tensor.is_floating_point():
                tensor.normal_(0.1, 0.5 / max(tensor[0].numel(), 1) ** 0.5, generator=generator)
    return module


def tiny_vit(depth=2, size=32):
    net = VisionTransformer(img_size=size, patch_size=8, embed_dim=12, depth=depth, num_heads=3, num_classes=0)
    return shuffle_parameters(net.double().eval(), 1)


class TinyPointMAE(nn.Module):
    """The published module tree in miniature, with timm's block and torch's batch norm."""

    def __init__(self, depth, dim=12):
        super().__init__()
        self.encoder = nn.Module()
        self.encoder.first_conv = nn.Sequential(nn.Conv1d(3, 4, 1), nn.BatchNorm1d(4), nn.ReLU(), nn.Conv1d(4, 6, 1))
        last = nn.Conv1d(8, dim, 1)
        self.encoder.second_conv = nn.Sequential(nn.Conv1d(12, 8, 1), nn.BatchNorm1d(8), nn.ReLU(), last)
        self.pos_embed = nn.Sequential(nn.Linear(3, 5), nn.GELU(), nn.Linear(5, dim))
        self.blocks = nn.Module()
        blocks = [Block(dim, 3, qkv_bias=False, norm_layer=nn.LayerNorm) for _ in range(depth)]
        self.blocks.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(dim)

    def patches(self, groups):
        local = self.encoder.first_conv(groups.transpose(1, 2))
        widest = local.max(2, keepdim=True)[0].expand_as(local)
        return self.encoder.second_conv(torch.cat([widest, local], 1)).max(2)[0]

    def forward(self, groups, centres, taps):
        x, position, out = self.patches(groups)[None], self.pos_embed(centres)[None], []
        for index, layer in enumerate(self.blocks.blocks):
            x = layer(x + position)
            if index in taps:
                out.append(self.norm(x))
        return torch.cat(out, 2)[0]


def tiny_point_mae(depth=1):
    return shuffle_parameters(TinyPointMAE(depth).double(), 2)


def random_head(rng, n_in, n_out):
    hidden, head = (n_in + n_out) // 2, {}
    for name, shape in zip(HEAD_LAYERS, ((hidden, n_in), (hidden, hidden), (n_out, hidden)), strict=True):
        head[f"{name}.weight"] = rng.normal(size=shape) / shape[1] ** 0.5
        head[f"{name}.bias"] = rng.normal(size=shape[0]) / shape[1] ** 0.5
    return head


def constant_head(n_in, value):
    """A mapping that answers ``value`` everywhere."""
    head = {key: np.zeros_like(array) for key, array in random_head(np.random.default_rng(0), n_in, len(value)).items()}
    return head | {"output.bias": np.asarray(value, float)}


def random_sample(rng, size=6, c2=4, c3=6):
    return Features(
        rng.normal(size=(size, size, c2)), rng.normal(size=(size, size, c3)), rng.random((size, size)) > 0.4
    )


def test_rgb_resize_is_pillows_bicubic(rng):
    rgb = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
    resized = np.asarray(Image.fromarray(rgb).resize((16, 16), Image.Resampling.BICUBIC))
    np.testing.assert_allclose((oracle.rgb_input(rgb, 16)[2] * 0.225 + 0.406) * 255, resized[:, :, 2], atol=1e-9)


@pytest.mark.parametrize("size", [56, 64, 224])
@pytest.mark.parametrize("side", [50, 100, 400, 512, 700, 900])
def test_cloud_resize_is_torchs_nearest(side, size):
    z = np.arange(1, side * side + 1, dtype=np.float64).reshape(side, side)
    points, _ = oracle.cloud_input(np.stack([z, z, z], 2), size)
    expected = functional.interpolate(torch.from_numpy(z)[None, None], size=(size, size), mode="nearest")
    np.testing.assert_array_equal(points[:, 2], expected.numpy().ravel())


@pytest.mark.parametrize("keep", [None, 1])
def test_vit_is_timms_and_pruning_keeps_the_final_norm(rng, keep):
    net, image = tiny_vit(depth=3), rng.normal(size=(3, 32, 32))
    weights = arrays(net)
    net.blocks = net.blocks[:keep]
    with torch.no_grad():
        expected = net.forward_features(torch.from_numpy(image)[None])[0, 1:].numpy()
    tokens = oracle.vit_tokens(image, weights, heads=3, keep=keep)
    np.testing.assert_allclose(tokens.reshape(16, 12), expected, atol=1e-12)


def test_upsampling_is_torchs_bilinear(rng):
    grid = rng.normal(size=(4, 4, 3))
    planes = torch.from_numpy(grid).permute(2, 0, 1)[None]
    expected = functional.interpolate(planes, size=(14, 14), mode="bilinear", align_corners=False)
    np.testing.assert_allclose(oracle.upsample(grid, 14), expected[0].permute(1, 2, 0).numpy(), atol=1e-14)


@pytest.mark.parametrize("bn_stats", ["batch", "running"])
@pytest.mark.parametrize("depth", [1, 4])
def test_point_mae_is_torchs(rng, bn_stats, depth):
    net = tiny_point_mae(depth).train(bn_stats == "batch")
    weights = arrays(net)
    points = rng.normal(1, 0.3, (60, 3))
    middle, tokens = oracle.point_tokens(points, weights, heads=3, centres=8, group_size=5, bn_stats=bn_stats)
    order = torch.cdist(torch.from_numpy(middle), torch.from_numpy(points)).argsort(1)[:, :5]
    groups = torch.from_numpy(points)[order] - torch.from_numpy(middle)[:, None]
    with torch.no_grad():
        expected = net(groups, torch.from_numpy(middle), oracle.taps(depth)).numpy()
    assert tokens.shape == (8, 12 * (3 if depth == 4 else 1))
    np.testing.assert_allclose(tokens, expected, atol=1e-11)


def on_axis(*xs):
    return np.array([[x, 0.0, 1.0] for x in xs])


def test_farthest_points_by_hand():
    assert oracle.farthest_points(on_axis(0, 1, 2, 10, 5.5), 4) == [0, 3, 4, 2]


def test_farthest_points_skips_the_origin_but_not_for_the_start():
    near, edge = [0.0, 0.0, 0.01], [0.0, 0.0, 0.031]  # squared norms 1e-4 and 9.6e-4
    points = np.array([near, edge, [0, 0, 0.04], [0, 0, 0.05]])
    assert oracle.farthest_points(points, 5) == [0, 3, 2, 2, 2]
    assert oracle.farthest_points(points[:2], 3) == [0, 0, 0]


def test_interpolation_by_hand():
    centres = on_axis(0, 3e-4, 1e-3, 9)
    tokens = np.array([[1.0], [2.0], [4.0], [1000.0]])
    shares = np.array([1 / (1e-8 + 1e-8), 1 / (4e-8 + 1e-8), 1 / (81e-8 + 1e-8)])
    expected = shares @ [1, 2, 4] / shares.sum()
    assert oracle.interpolate(on_axis(1e-4), centres, tokens).item() == pytest.approx(expected, rel=1e-9)


def test_pooling_is_torchs(rng):
    image = rng.normal(size=(14, 14, 3))
    pooled = functional.avg_pool2d(torch.from_numpy(image).permute(2, 0, 1)[None], 3, stride=1)
    expected = functional.adaptive_avg_pool2d(pooled, 14)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(oracle.pool_3d(image), expected, atol=1e-14)


def test_mapping_is_torchs(rng):
    weights = random_head(rng, 6, 8)
    x = rng.normal(size=(5, 6))
    layers = [nn.Linear(6, 7), nn.Linear(7, 7), nn.Linear(7, 8)]
    for name, layer in zip(HEAD_LAYERS, layers, strict=True):
        layer.double().load_state_dict({part: torch.tensor(weights[f"{name}.{part}"]) for part in ("weight", "bias")})
    net = nn.Sequential(layers[0], nn.GELU(), layers[1], nn.GELU(), layers[2])
    np.testing.assert_allclose(oracle.mapping_net(x, weights), net(torch.from_numpy(x)).detach(), atol=1e-14)


def test_smoothing_has_variance_22_and_support_39():
    impulse = np.zeros((61, 61))
    impulse[30, 30] = 1
    kernel = oracle.smooth(impulse)
    offsets = np.arange(61) - 30
    assert kernel.sum() == pytest.approx(1, abs=1e-12)
    assert kernel.sum(1) @ offsets**2 == pytest.approx(22, abs=1e-10)
    assert np.flatnonzero(kernel.sum(1)).tolist() == list(range(11, 50))


def test_scalings_by_hand():
    anomaly_map, pixel_map, score = oracle.scale(np.array([[0.0, 4.0], [0.0, 12.0]]))
    np.testing.assert_allclose(anomaly_map, [[0, 0.5], [0, 1.5]])
    np.testing.assert_allclose(pixel_map, [[0, 2], [0, 6]])
    assert score == pytest.approx(12 / 8**0.5)
    with pytest.raises(ValueError):
        oracle.scale(np.zeros((2, 2)))


@pytest.mark.parametrize(
    ("aggregate", "value"), [("product", 8**0.5), ("sum", 2 + 2**0.5), ("max", 2), ("2d", 2), ("3d", 2**0.5)]
)
def test_aggregates_by_hand(aggregate, value):
    """One valid pixel; the 2D answer is opposite (distance 2), the 3D answer orthogonal (distance sqrt 2)."""
    mask = np.zeros((41, 41), bool)
    mask[20, 20] = True
    sample = Features(np.full((41, 41, 2), [3.0, 0]), np.full((41, 41, 2), [0, 5.0]), mask)
    out = oracle.predict(sample, constant_head(2, [7, 0]), constant_head(2, [-1, 0]), aggregate=aggregate)
    assert out["map_2d"].sum() == out["map_2d"][20, 20] == pytest.approx(2)
    assert out["map_3d"].sum() == out["map_3d"][20, 20] == pytest.approx(2**0.5)
    kernel = oracle.smooth(mask.astype(float))
    np.testing.assert_allclose(out["anomaly_map"], kernel * 39**2, atol=1e-9)
    np.testing.assert_allclose(out["pixel_map"], kernel * value / (value / 41**2) ** 0.5, atol=1e-9)
    assert out["score"] == pytest.approx(value * kernel.max() / (value / 39**2) ** 0.5)


def test_loss_pools_the_pixels_of_the_batch():
    """One pixel of cosine 1 and three of cosine 0 mean 0.25, not 0.5; the 2D side is perfect."""
    e2d, e3d = np.ones((2, 2, 1)), np.full((2, 2, 2), [1.0, 0])
    first = Features(e2d, e3d, np.array([[True, False], [False, False]]))
    second = Features(e2d, np.full((2, 2, 2), [0, 2.0]), np.array([[True, True], [True, False]]))
    loss = oracle.batch_loss([first, second], constant_head(1, [3, 0]), constant_head(2, [1]))
    assert loss == pytest.approx(0.75)


def test_loss_is_torchs_cosine(rng):
    sample, to_3d, to_2d = random_sample(rng), random_head(rng, 4, 6), random_head(rng, 6, 4)
    expected = 2.0
    for source, net, target in ((sample.e2d, to_3d, sample.e3d), (sample.e3d, to_2d, sample.e2d)):
        pair = (torch.from_numpy(x[sample.mask]) for x in (oracle.mapping_net(source, net), target))
        expected -= nn.CosineSimilarity(dim=1, eps=1e-6)(*pair).mean().item()
    assert oracle.batch_loss([sample], to_3d, to_2d) == pytest.approx(expected, abs=1e-12)


def test_first_training_step_moves_each_weight_by_the_learning_rate_downhill(rng):
    batch = [random_sample(rng), random_sample(rng)]
    to_3d, to_2d = random_head(rng, 4, 6), random_head(rng, 6, 4)
    trained = oracle.train_steps([batch], to_3d, to_2d, lr=1e-3)
    assert trained.losses == [pytest.approx(oracle.batch_loss(batch, to_3d, to_2d), abs=1e-12)]
    step = 1e-6
    for key in ("input.weight", "projection.weight", "output.bias"):
        raised = {k: v.copy() for k, v in to_2d.items()}
        raised[key].flat[0] += step
        slope = (oracle.batch_loss(batch, to_3d, raised) - trained.losses[0]) / step
        moved = trained.to_2d[key].flat[0] - to_2d[key].flat[0]
        assert moved == pytest.approx(-1e-3 * np.sign(slope), rel=1e-3)
