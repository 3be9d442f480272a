"""A method whose fit waits for a file, so that a test decides when a cell goes on; it notes each fit."""

import os
import time
from pathlib import Path

from colour_distance import ColourDistance

from harness.contract import Meta


class Gated(ColourDistance):
    meta = Meta("gated", "Gated", "example", uses_torch=False, uses_gpu=False, cores=1)

    def __init__(self, *, size: int = 56, folder: str = "", seconds: float = 600.0) -> None:
        super().__init__(size=size)
        self.folder, self.seconds = folder, seconds

    def fit(self, samples, *, seed, device, progress):
        gate = Path(self.folder) / samples[0].category
        end = time.monotonic() + self.seconds
        while not gate.exists() and time.monotonic() < end:
            time.sleep(0.05)
        super().fit(samples, seed=seed, device=device, progress=progress)
        with (Path(self.folder) / "fits").open("a") as stream:
            stream.write(f"{samples[0].category} {self.size} {os.getpid()}\n")
