"""From features to MAFR's anomaly maps and score."""

from __future__ import annotations

import torch
from torch import Tensor

from methods.parts.cfm.maps import Maps, as_image, finisher
from methods.parts.features import Tokens
from methods.parts.mafr.cells import Cells
from methods.parts.mafr.network import Dropout, Features, FusedReconstruction

__all__ = ["anomaly_maps"]

_CHUNK = {"cpu": 2048, "cuda": 16384}
"""Cells processed at a time."""


def anomaly_maps(network: FusedReconstruction, tokens: Tokens, side: int) -> Maps:
    """Compare reconstructed with real features at the pixels that have both; all other pixels are 0.

    A pixel has the two distances of its cell. Their product is smoothed and scaled as that of CFM. The head doesn't run
    on the background, which has no part in it.

    Parameters
    ----------
    network
        The trained head.
    tokens
        Of the sample.
    side
        Of the grid of cells.
    """
    cells = Cells.of(tokens, side, everywhere=False)
    distances = _distances(network, tokens, cells)
    finish = finisher("product", "box")
    return Maps.unpacked(finish(*(as_image(of_cells[cells.of_pixels], tokens.pixels) for of_cells in distances)))


def _distances(network: FusedReconstruction, tokens: Tokens, cells: Cells) -> tuple[Tensor, ...]:
    """Return the Euclidean distances of reconstructed and real features in 2D and in 3D, (n,) each."""
    started = network.encoder.start(Features(tokens.image, tokens.cloud))
    parts = []
    for from_image, from_cloud in cells.chunks(_CHUNK[tokens.image.device.type]):
        of_image, of_cloud = network.finish(from_image @ started.image + from_cloud @ started.cloud, Dropout())
        distances = (
            torch.linalg.vector_norm(of_image - from_image @ tokens.image, dim=1),
            torch.linalg.vector_norm(of_cloud - from_cloud @ tokens.cloud, dim=1),
        )
        parts.append(torch.stack(distances, 1))
    return torch.cat(parts).unbind(1)
