"""What CFR learns, and its anomaly maps: CFM's, after doubtful predictions of the image's features are replaced."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from methods.parts.cfm.mapping import unit_distance
from methods.parts.cfm.maps import Maps, as_image, finisher
from methods.parts.cfr.banks import Banks, most_similar
from methods.parts.cfr.mapping import CyclicPair
from methods.parts.cfr.retriever import Retriever
from methods.parts.features import Tokens
from methods.parts.initialise import named_generator
from methods.parts.smoothing import Smoothing

__all__ = ["Replacer", "Rules"]

_CHUNK = {"cpu": 2048, "cuda": 8192}
"""Pixels processed at a time."""


@dataclass(frozen=True, slots=True)
class Rules:
    """When a prediction is replaced, by what, and the smoothing; :class:`methods.cfr.CFR` documents the parameters."""

    theta: float
    keys: int
    key_rows: int
    smoothing: Smoothing


class Replacer(nn.Module):
    """Mappings and retriever, and the banks, which are filled between the trainings of both.

    Parameters
    ----------
    channels_2d, channels_3d
        Channels of the image's and of the cloud's features.
    """

    def __init__(self, channels_2d: int, channels_3d: int) -> None:
        super().__init__()
        self.mapping = CyclicPair(channels_2d, channels_3d)
        self.retriever = Retriever(channels_2d, channels_3d)
        self.banks: Banks | None = None

    @property
    def filled(self) -> Banks:
        """The banks, which must be filled."""
        assert self.banks is not None
        return self.banks

    def randomise(self, seed: int) -> None:
        """Initialise both networks for training."""
        self.mapping.randomise(seed)
        self.retriever.randomise(seed)

    def maps(self, tokens: Tokens, rules: Rules, *, draw: int) -> tuple[Maps, Tensor]:
        """Return the maps, and where predictions were replaced: (224, 224) float32 of 0 and 1.

        Parameters
        ----------
        tokens
            Features of a sample.
        rules
            Which predictions are replaced.
        draw
            Seed of the pairs that are drawn from a larger bank; it depends on the sample alone.
        """
        banks = self.filled.drawn(rules.key_rows, named_generator(draw, "pairs"))
        projected = self.retriever.project(banks)
        started = self.mapping.start(tokens.image, tokens.cloud)
        parts = []
        for from_image, from_cloud in tokens.chunks(_CHUNK[tokens.pixels.device.type]):
            predicted_2d, predicted_3d = self.mapping.finish(started, from_image, from_cloud)
            real_3d = from_cloud @ tokens.cloud
            similarity, _ = most_similar(predicted_2d, banks.rgb, 1)
            doubtful = 1 - similarity[:, 0] >= rules.theta
            rows = doubtful.nonzero()[:, 0]
            if len(rows):
                predicted_2d[rows] = self.retriever.retrieve(real_3d[rows], banks, projected, rules.keys)
            in_2d = unit_distance(predicted_2d, from_image @ tokens.image)
            parts.append(torch.stack([in_2d, unit_distance(predicted_3d, real_3d), doubtful.to(in_2d)]))
        in_2d, in_3d, replaced = (as_image(values, tokens.pixels) for values in torch.cat(parts, 1))
        return Maps.unpacked(finisher("product", rules.smoothing)(in_2d, in_3d)), replaced
