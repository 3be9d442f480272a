"""CFM's features as pictures: their means over channels, and those of what the mappings make of them (Figure 6)."""

from __future__ import annotations

import torch
from torch import Tensor

from methods.parts.cfm.mapping import Mapping, MappingPair
from methods.parts.features import Tokens
from methods.parts.inputs import SIZE
from methods.parts.sparse_rows import SparseRows

__all__ = ["feature_means"]

_CHUNK = 8192


def feature_means(pair: MappingPair, tokens: Tokens) -> dict[str, Tensor]:
    """Return channel means of real and predicted features, (224, 224) float32 each; 0 where a pixel has none.

    ``e2d`` and ``e3d`` are the features themselves, ``e2d_mapped`` and ``e3d_mapped`` what stands for them after the
    mapping from the other modality. The mean of real features is taken before tokens become pixels: both are linear.
    Predicted features are made for 8192 pixels at a time.
    """
    crossing = pair.direction == "cross"
    image, cloud = (tokens.to_image_pixels, tokens.image), (tokens.to_cloud_pixels, tokens.cloud)
    means = {
        "e2d": _real(*image),
        "e3d": _real(*cloud),
        "e2d_mapped": _mapped(pair.to_2d, *(cloud if crossing else image)),
        "e3d_mapped": _mapped(pair.to_3d, *(image if crossing else cloud)),
    }
    return {name: _as_image(values, tokens.pixels) for name, values in means.items()}


def _real(to_pixels: SparseRows, features: Tensor) -> Tensor:
    return (to_pixels @ features.mean(1, keepdim=True))[:, 0]


def _mapped(mapping: Mapping, to_pixels: SparseRows, features: Tensor) -> Tensor:
    started = mapping.start(features).to(features)
    parts = (to_pixels.slice(start, start + _CHUNK) @ started for start in range(0, len(to_pixels), _CHUNK))
    return torch.cat([mapping.finish(part).float().mean(1) for part in parts])


def _as_image(values: Tensor, pixels: Tensor) -> Tensor:
    image = values.new_zeros(SIZE * SIZE, dtype=torch.float32)
    image[pixels] = values.float()
    return image.view(SIZE, SIZE)
