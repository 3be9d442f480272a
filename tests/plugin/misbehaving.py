"""A method that goes wrong on demand."""

import ctypes
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Literal
from zlib import crc32

import numpy as np
from colour_distance import ColourDistance

from harness.contract import Meta, MethodError, UnsupportedError


class Misbehaving(ColourDistance):
    meta = Meta("misbehaving", "Misbehaving", "example", uses_torch=False, uses_gpu=False, cores=1)

    def __init__(
        self,
        *,
        how: Literal[
            "raise",
            "refuse",
            "unsupported",
            "nan",
            "die",
            "die-writing",
            "die-counting",
            "sleep",
            "hold",
            "allocate",
            "fill",
            "litter",
            "thread",
            "tell",
            "no",
        ] = "no",
        category: str = "",
        where: str = "",
        seconds: float = 600.0,
    ) -> None:
        super().__init__()
        self.how, self.category, self.where, self.seconds = how, category, where, seconds

    def fit(self, samples, *, seed, device, progress):
        super().fit(samples, seed=seed, device=device, progress=progress)
        if self.category not in ("", samples[0].category):
            self.how = "no"
        wrong = {
            "unsupported": self._refuse_all,
            "die": die,
            "die-writing": lambda: self._die_writing("cells"),
            "die-counting": lambda: self._die_writing("counts"),
            "sleep": self._sleep_with_children,
            "hold": self._hold_the_interpreter,
            "litter": self._start_children,
            "allocate": self._allocate,
            "fill": self._fill_disk,
            "thread": threading.Thread(target=time.sleep, args=(self.seconds,)).start,
        }
        wrong.get(self.how, lambda: None)()

    def prepare(self, sample):
        if self.how == "tell":
            with Path(self.where).open("a") as stream:
                stream.write(f"{sample.id} {crc32(sample.rgb.tobytes())} {threading.active_count()}\n")
        return super().prepare(sample)

    def infer(self, inputs):
        if self.how == "raise":
            raise RuntimeError("the method broke")
        if self.how == "refuse":
            raise MethodError("this sample can't be used")
        prediction = super().infer(inputs)
        if self.how == "tell":
            time.sleep(self.seconds)
        if self.how == "nan":
            prediction.anomaly_map[0, 0] = np.nan
        return prediction

    def _refuse_all(self):
        raise UnsupportedError("this method needs two suns")

    def _die_writing(self, folder):
        def half_of_it(handle):
            if Path(f"/proc/self/fd/{handle}").readlink().parent.name == folder:
                os.ftruncate(handle, os.fstat(handle).st_size // 2)
                die()

        os.fsync = half_of_it

    def _start_children(self):
        for own_session in (False, True):
            child = subprocess.Popen(["sleep", str(self.seconds)], start_new_session=own_session)
            with Path(self.where).open("a") as stream:
                stream.write(f"{child.pid}\n")

    def _sleep_with_children(self):
        if self.where:
            self._start_children()
        print("sleeping now", flush=True)
        time.sleep(self.seconds)

    def _hold_the_interpreter(self):
        self._start_children()
        ctypes.PyDLL(None).sleep(int(self.seconds))  # native code that does not release the interpreter lock

    def _allocate(self):
        blocks = []
        while True:
            blocks.append(np.ones(25_000_000))

    def _fill_disk(self):
        with Path(self.where).open("wb") as stream:
            try:
                while True:
                    stream.write(bytes(100_000))
                    stream.flush()
            except OSError:
                return


def die():
    os.kill(os.getpid(), signal.SIGKILL)
