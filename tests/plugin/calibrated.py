"""A method that scales its maps by nominal samples that it was not fitted on."""

from typing import Literal

import numpy as np
from colour_distance import ColourDistance

from harness.contract import Meta, MethodError, Prediction


class Calibrated(ColourDistance):
    """Colour distance, minus the median and over the spread of what it is on validation samples.

    Parameters
    ----------
    by
        Samples of which the median and the spread are taken.
    """

    meta = Meta(name="calibrated", title="Calibrated", family="example", modalities=("rgb", "depth"), uses_torch=False)

    def __init__(self, *, by: Literal["validation", "training"] = "validation") -> None:
        super().__init__()
        self.by = by
        self.held_out = ()

    def wants_validation(self):
        return self.by == "validation"

    def use_validation(self, samples):
        self.held_out = samples

    def fit(self, samples, *, seed, device, progress):
        super().fit(samples, seed=seed, device=device, progress=progress)
        nominal, self.held_out = self.held_out or samples, ()
        distances = []
        for sample in nominal:
            inputs = self.prepare(sample)
            distances.append(super().infer(inputs).anomaly_map[inputs[1]])
        low, median, high = np.quantile(np.concatenate(distances), (0.1, 0.5, 0.9))
        if low == high:
            raise MethodError("All nominal pixels have one colour.")
        self.scale_ = np.array([median, high - low])

    def infer(self, inputs):
        distance = super().infer(inputs)
        median, spread = self.scale_
        scaled = (distance.anomaly_map - median) / spread * inputs[1]
        return Prediction(scaled.astype(np.float32), float(scaled.max()))

    def state_bytes(self):
        held = super().state_bytes()
        return held | {"bank": held["bank"] + self.scale_.nbytes}

    def state(self):
        return {"mean": self.mean_, "whiten": self.whiten_, "scale": self.scale_}

    def restore(self, state, *, seed, device):
        self.mean_, self.whiten_, self.scale_ = state["mean"], state["whiten"], state["scale"]
