"""Channel means of CFM's features, real and predicted, as images (Figure 6 of the paper)."""

from __future__ import annotations

import torch
from torch import Tensor

from methods.parts.cfm.mapping import MappingPair, TokenMapping
from methods.parts.cfm.maps import as_image
from methods.parts.features import Tokens
from methods.parts.sparse_rows import SparseRows

__all__ = ["feature_means"]

_CHUNK = 8192


def feature_means(pair: MappingPair, tokens: Tokens) -> dict[str, Tensor]:
    """Return channel means of real and predicted features, (224, 224) float32 each; 0 where a pixel has none.

    ``e2d`` and ``e3d`` are the real features, ``e2d_mapped`` and ``e3d_mapped`` the predicted ones. The mean of real
    features is taken over the channels of tokens, before the interpolation to pixels, since both are linear. Predicted
    features are computed for 8192 pixels at a time.
    """
    crossing = pair.direction == "cross"
    image, cloud = (tokens.to_image_pixels, tokens.image), (tokens.to_cloud_pixels, tokens.cloud)
    means = {
        "e2d": _real(*image),
        "e3d": _real(*cloud),
        "e2d_mapped": _mapped(pair.to_2d, *(cloud if crossing else image)),
        "e3d_mapped": _mapped(pair.to_3d, *(image if crossing else cloud)),
    }
    return {name: as_image(values.float(), tokens.pixels) for name, values in means.items()}


def _real(to_pixels: SparseRows, features: Tensor) -> Tensor:
    return (to_pixels @ features.mean(1, keepdim=True))[:, 0]


def _mapped(mapping: TokenMapping, to_pixels: SparseRows, features: Tensor) -> Tensor:
    started = mapping.start(features).to(features)
    parts = (to_pixels.slice(start, start + _CHUNK) @ started for start in range(0, len(to_pixels), _CHUNK))
    return torch.cat([mapping.finish(part).float().mean(1) for part in parts])
