"""A method in one file: distance of each pixel's colour to the colours of nominal objects."""

import numpy as np

from harness.contract import Meta, Prediction
from harness.geometry import resize_nearest, square_pad


class ColourDistance:
    meta = Meta("colour-distance", "Colour distance", "example", modalities=("rgb", "depth"), uses_torch=False)

    def __init__(self, *, size: int = 56, floor: float = 1.0) -> None:
        if size < 8:
            raise ValueError(f"size must be at least 8, not {size}")
        self.size, self.floor = size, floor

    def fit(self, samples, *, seed, device, progress):
        pixels = []
        for position, sample in enumerate(samples):
            colours, inside = self.prepare(sample)
            pixels.append(colours[inside])
            progress("fit", position + 1, len(samples))
        colours = np.concatenate(pixels)
        self.mean_ = colours.mean(0)
        self.whiten_ = np.linalg.inv(np.cov(colours.T) + self.floor * np.eye(3))

    def prepare(self, sample):
        small = resize_nearest(square_pad(sample.rgb), self.size).astype(np.float64)
        return small, resize_nearest(square_pad(sample.xyz), self.size).all(-1)

    def infer(self, inputs):
        colours, inside = inputs
        centred = colours - self.mean_
        distance = np.sqrt(np.einsum("hwc,cd,hwd->hw", centred, self.whiten_, centred)) * inside
        return Prediction(distance.astype(np.float32), float(distance.max()))

    def state_bytes(self):
        return {"weights": 0, "bank": self.mean_.nbytes + self.whiten_.nbytes, "other": 0}
