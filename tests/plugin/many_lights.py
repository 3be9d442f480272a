"""A method that needs fields of a sample which few datasets offer."""

import numpy as np
from colour_distance import ColourDistance

from harness.contract import Meta
from harness.geometry import resize_nearest, square_pad


class ManyLights(ColourDistance):
    meta = Meta(
        name="many-lights",
        title="Many lights",
        family="example",
        uses_torch=False,
        needs=("normals", "lights", "measured"),
    )

    def prepare(self, sample):
        values = sample.lights.mean(axis=0) + sample.normals * 127
        small = resize_nearest(square_pad(values), self.size).astype(np.float64)
        return small, resize_nearest(square_pad(sample.measured), self.size).all(-1)
