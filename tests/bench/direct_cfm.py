"""CFM without any shortcut: features of every pixel, both mappings on every pixel, the extractors run for every use.

What the fast path in ``methods/parts`` is compared with, in speed, memory and results. Same networks, same weights,
same arithmetic, written as the paper and its code describe it: dense images of features, groups through ordinary
convolutions, full sorts of distances.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from methods.cfm import CFM
from methods.parts.cfm.mapping import MappingPair, cosine_loss, unit_distance
from methods.parts.cfm.maps import aggregate_maps
from methods.parts.features import Extractors, Inputs
from methods.parts.inputs import SIZE
from methods.parts.smoothing import smooth

PIXELS = SIZE * SIZE
NEVER_WITHIN = 1e-3
WEIGHT_FLOOR = 1e-8


@dataclass(frozen=True)
class Dense:
    """Features of all pixels: (50176, 768), (50176, C), and where the 3D ones are not zero: (50176,) bool."""

    image: Tensor
    cloud: Tensor
    valid: Tensor


def farthest(points: Tensor, count: int) -> Tensor:
    closest = torch.full((len(points),), 1e10)
    closest[points.square().sum(1) <= NEVER_WITHIN] = -1
    chosen = [0]
    while len(chosen) < count:
        closest = torch.minimum(closest, (points - points[chosen[-1]]).square().sum(1))
        chosen.append(int(closest.argmax()))
    return torch.tensor(chosen)


def encode(network, offsets: Tensor) -> Tensor:
    """Run the point encoder by its own convolutions; BatchNorm takes the statistics of the cloud."""
    members = offsets.shape[1]
    norms = [network.encoder.first_conv[1], network.encoder.second_conv[1]]
    for norm in norms:
        norm.train()
        norm.track_running_stats = False
    local = network.encoder.first_conv(offsets.transpose(1, 2))
    whole = local.amax(2, keepdim=True).expand(-1, -1, members)
    tokens = network.encoder.second_conv(torch.cat([whole, local], 1)).amax(2)
    for norm in norms:
        norm.eval()
        norm.track_running_stats = True
    return tokens


def squared_distances(queries: Tensor, points: Tensor, dtype: torch.dtype) -> Tensor:
    return (queries.to(dtype)[:, None] - points.to(dtype)[None]).square().sum(2)


def dense_features(extractors: Extractors, inputs: Inputs, dtype: torch.dtype = torch.float32) -> Dense:
    """Return all features; distances between points in ``dtype``: float32 may swap neighbours that are equally far."""
    grid = extractors.vit.forward_features(inputs.image[None])[0, 1:].T.reshape(1, -1, 28, 28)
    image = functional.interpolate(grid, size=SIZE, mode="bilinear", align_corners=False)[0]
    points = inputs.points
    centres = points[farthest(points, extractors.centres)]
    order = squared_distances(centres, points, dtype).argsort(dim=1, stable=True)[:, : extractors.group_size]
    tokens = encode(extractors.points, points[order] - centres[:, None])
    tokens = extractors.points.transform(tokens, centres)
    squared, index = squared_distances(points, centres, dtype).sort(dim=1, stable=True)
    share = 1 / (squared[:, :3].float() + WEIGHT_FLOOR)
    share = share / share.sum(1, keepdim=True)
    at_points = (tokens[index[:, :3]] * share[..., None]).sum(1)
    scattered = torch.zeros(PIXELS, tokens.shape[1])
    scattered[inputs.pixels] = at_points
    plane = scattered.T.reshape(1, -1, SIZE, SIZE)
    plane = functional.adaptive_avg_pool2d(functional.avg_pool2d(plane, 3, stride=1), SIZE)[0]
    cloud = plane.flatten(1).T.contiguous()
    reached = torch.zeros(1, 1, SIZE, SIZE)
    reached.view(-1)[inputs.pixels] = 1
    reached = functional.adaptive_avg_pool2d(functional.avg_pool2d(reached, 3, stride=1), SIZE)
    return Dense(image.flatten(1).T.contiguous(), cloud, reached.flatten() > 0)


@torch.inference_mode()
def direct_map(method: CFM, inputs: Inputs, dtype: torch.dtype = torch.float32) -> tuple[Tensor, float]:
    """Return the localisation map (224, 224) and the score."""
    extractors, pair = method._fitted()
    dense = dense_features(extractors, inputs, dtype)
    predicted_2d, predicted_3d = pair(dense.image, dense.cloud)
    distance_2d = unit_distance(predicted_2d, dense.image) * dense.valid
    distance_3d = unit_distance(predicted_3d, dense.cloud) * dense.valid
    raw = aggregate_maps(distance_2d, distance_3d, method.aggregate) * dense.valid
    smoothed = smooth(raw.view(SIZE, SIZE), method.smoothing)
    mean = smoothed[smoothed != 0].mean()
    return smoothed / mean, float(smoothed.max() / mean.sqrt())


def direct_epoch(extractors: Extractors, pair: MappingPair, optimizer, inputs: list[Inputs], batch: int) -> list[float]:
    """Train one epoch in the order given: extractors again for every batch, losses over all valid pixels."""
    losses = []
    for start in range(0, len(inputs), batch):
        with torch.no_grad():
            found = [dense_features(extractors, one) for one in inputs[start : start + batch]]
        optimizer.zero_grad()
        total = sum(int(dense.valid.sum()) for dense in found)
        loss = 0.0
        for dense in found:
            predicted_2d, predicted_3d = pair(dense.image, dense.cloud)
            inside = dense.valid
            part = cosine_loss(predicted_2d[inside], dense.image[inside])
            part = (part + cosine_loss(predicted_3d[inside], dense.cloud[inside])) * (int(inside.sum()) / total)
            part.backward()
            loss += part.item()
        optimizer.step()
        losses.append(loss)
    return losses
