"""A method that goes wrong on demand."""

import os
import signal
import time
from typing import Literal

import numpy as np
from colour_distance import ColourDistance

from harness.contract import Meta, MethodError


class Misbehaving(ColourDistance):
    meta = Meta(name="misbehaving", title="Misbehaving", family="example")

    def __init__(
        self, *, how: Literal["raise", "refuse", "nan", "die", "sleep", "no"] = "no", category: str = ""
    ) -> None:
        super().__init__()
        self.how, self.category = how, category

    def fit(self, samples, *, seed, device, progress):
        super().fit(samples, seed=seed, device=device, progress=progress)
        if self.category not in ("", samples[0].category):
            self.how = "no"
        if self.how == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.how == "sleep":
            time.sleep(600)

    def infer(self, inputs):
        if self.how == "raise":
            raise RuntimeError("the method broke")
        if self.how == "refuse":
            raise MethodError("this sample can't be used")
        prediction = super().infer(inputs)
        if self.how == "nan":
            prediction.anomaly_map[0, 0] = np.nan
        return prediction
