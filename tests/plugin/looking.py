"""A method that notes whatever content of a sample it gets."""

from pathlib import Path
from typing import Literal

import numpy as np

from harness.contract import Meta, Prediction
from harness.geometry import square_pad


class Looking:
    """Its map is the brightness of the image, or the depth, zero-padded to a square.

    Parameters
    ----------
    uses
        Modalities that it declares.
    where
        File that gets a line for each sample that it looks at: when, and the fields that are not all 0.
    """

    meta = Meta("looking", "Looking", "example", uses_torch=False, needs=("measured",))

    def __init__(
        self, *, uses: Literal["rgb", "depth", "xyz", "rgb+depth", "rgb+xyz"] = "rgb", where: str = ""
    ) -> None:
        self.uses, self.where = uses, where

    def modalities(self):
        return tuple(self.uses.split("+"))

    def wants_validation(self):
        return True

    def use_validation(self, samples):
        self._look("validation", samples[0])

    def fit(self, samples, *, seed, device, progress):
        for position, sample in enumerate(samples):
            self._look("fit", sample)
            progress("look", position + 1, len(samples))
        self.fitted = True

    def prepare(self, sample):
        self._look("prepare", sample)
        return square_pad(sample.rgb.mean(2) + 100 * sample.xyz[..., 2])

    def infer(self, inputs):
        return Prediction(inputs.astype(np.float32), float(inputs.max()))

    def explain(self, inputs):
        return {"brightness": inputs.astype(np.float32)}

    def state_bytes(self):
        return {"weights": 0, "bank": 0, "other": 0}

    def state(self):
        return {"fitted": np.ones(1)}

    def restore(self, state, *, seed, device):
        self.fitted = True

    def _look(self, when, sample):
        if self.where:
            seen = [name for name, array in sample.arrays.items() if array.any()]
            if sample.xyz.any() and (sample.xyz == sample.xyz[..., 2:]).all():
                seen[seen.index("xyz")] = "depth"
            with Path(self.where).open("a") as stream:
                print(when, *sample.rgb.shape[:2], *sample.xyz.shape[:2], "+".join(seen), file=stream)
