"""Recordings on a CPU in the place of CUDA graphs."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor


class Recorded:
    """Computes again into the same output, as a graph does."""

    def __init__(self, function: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> None:
        self.function, self.inputs, self.replays = function, inputs, 0
        self.output = function(*inputs).clone()

    def replay(self) -> None:
        self.replays += 1
        self.output.copy_(self.function(*self.inputs))


class HostMemory:
    """Memory of recordings on a CPU, which writes down what is asked of it."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.recordings: list[Recorded] = []
        self.nbytes = 0

    def record(self, function: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> Recorded:
        self.log.append("record")
        self.recordings.append(Recorded(function, inputs))
        return self.recordings[-1]

    def hold(self) -> None:
        self.log.append("hold")
        self.nbytes = 1000

    def release(self) -> None:
        self.log.append("release")
        self.nbytes = 0
