"""Networks whose shapes are fixed as CUDA graphs: the host launches one graph where it had launched every kernel.

A graph is used if its result equals that of the same functions called one by one, bit for bit; this is checked on the
device when the graph is captured.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from harness.contract import Implementation
from methods.parts.graph_memory import GraphMemory

__all__ = ["Graphs", "Step", "graphs_on"]

_REQUEST = "HARNESS_CUDA_GRAPHS"
"""Environment variable without graphs where it is ``0``."""

_GRAPHS, _SINGLY = "CUDA graphs", "one launch a kernel"


class Recording(Protocol):
    """Work on the device that can be repeated."""

    output: Tensor

    def replay(self) -> None:
        """Queue the work again; it reads the same inputs and writes the same output."""


class Memory(Protocol):
    """Memory that recordings share, since only one of them runs at a time."""

    def record(self, function: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> Recording:
        """Record a function of tensors that stay where they are."""

    def hold(self) -> None:
        """Keep what recordings use between calls, so that the allocator counts it."""

    def release(self) -> None:
        """Undo :meth:`hold`; before a further recording."""

    @property
    def nbytes(self) -> int:
        """Bytes that are held."""


class Step:
    """A function of tensors, computed by its recording where there is one that fits.

    It does where gradients are off and the inputs have the shapes and dtypes of the buffers. Everything else is
    computed by the function itself.

    Parameters
    ----------
    function
        Returns one tensor.
    buffers
        Tensors that the recording reads, with values that the function can compute.
    graphs
        Asked at every call whether recordings are valid.
    by_rows
        Whether rows are independent: then the inputs after those of :meth:`bind` may have fewer rows than the buffers,
        and the output has as many.
    """

    def __init__(
        self, function: Callable[..., Tensor], buffers: tuple[Tensor, ...], graphs: Graphs, *, by_rows: bool
    ) -> None:
        self.function, self.buffers, self._graphs, self._by_rows = function, buffers, graphs, by_rows
        self.recording: Recording | None = None

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Return the function's result in a new tensor."""
        return self.bind()(*inputs)

    def bind(self, *first: Tensor) -> Callable[..., Tensor]:
        """Copy the first inputs once and return the function of the others, to be called before the next ``bind``."""
        if torch.is_grad_enabled() or not self._graphs.are_valid() or not self._load(first, 0, by_rows=False):
            return partial(self.function, *first)
        return partial(self._replayed, first)

    def _replayed(self, first: tuple[Tensor, ...], *others: Tensor) -> Tensor:
        recording = self.recording
        if recording is None or not self._load(others, len(first), by_rows=self._by_rows):
            return self.function(*first, *others)
        recording.replay()
        return (recording.output[: len(others[0])] if self._by_rows else recording.output).clone()

    def _load(self, inputs: tuple[Tensor, ...], start: int, *, by_rows: bool) -> bool:
        """Copy inputs to the buffers from ``start`` on; return whether they fit."""
        buffers = self.buffers[start : start + len(inputs)]
        if self.recording is None or not all(_fits(*pair, by_rows) for pair in zip(inputs, buffers, strict=True)):
            return False
        for given, buffer in zip(inputs, buffers, strict=True):
            buffer[: len(given)].copy_(given)
        return True

    @property
    def nbytes(self) -> int:
        """Bytes of the inputs and the output of the recording."""
        output = () if self.recording is None else (self.recording.output,)
        return sum(tensor.numel() * tensor.element_size() for tensor in (*self.buffers, *output))


class Graphs:
    """The recordings of a method's inference, one after the other in the same memory.

    They belong to the arithmetic they were made in (TF32, determinism): where that has changed, the next call makes all
    of them again.

    Parameters
    ----------
    memory
        Where recordings are made; None for none.
    reason
        Why there are none though the device could.
    """

    def __init__(self, memory: Callable[[], Memory] | None, reason: str = "") -> None:
        self._new_memory, self._reason = memory, reason
        self._memory: Memory | None = None
        self._steps: dict[str, Step] = {}
        self._arithmetic: tuple[bool, ...] | None = None

    def captured(self, name: str, function: Callable[..., Tensor], *examples: Tensor, by_rows: bool = False) -> Step:
        """Record a function.

        Parameters
        ----------
        name
            A noun phrase for the notice, ``image network``.
        function
            From tensors to a tensor; it waits for nothing and allocates on the device alone.
        examples
            Inputs that it can compute.
        by_rows
            See :class:`Step`.
        """
        step = self._steps[name] = Step(function, (), self, by_rows=by_rows)
        if self._new_memory is not None:
            with torch.inference_mode(False):  # tensors of inference mode could not be written outside it
                step.buffers = tuple(example.clone() for example in examples)
            self._record_all()
        return step

    def are_valid(self) -> bool:
        """Return whether there are recordings for the present arithmetic; make them again where it has changed."""
        if self._new_memory is not None and self._arithmetic != _arithmetic():
            self._record_all()
        return self._new_memory is not None

    def _record_all(self) -> None:
        """Record what is not recorded in the present arithmetic; without all, there is none."""
        assert self._new_memory is not None
        try:
            if self._memory is None or self._arithmetic != _arithmetic():
                self._forget()
                self._memory, self._arithmetic = self._new_memory(), _arithmetic()
            self._memory.release()
            for name, step in self._steps.items():
                if step.recording is None:
                    self._record(name, step, self._memory)
            self._memory.hold()
        except Exception as error:
            self._forget()
            for step in self._steps.values():
                step.buffers = ()
            self._new_memory = None
            self._reason = f"CUDA graphs failed: {str(error).strip().partition(chr(10))[0] or type(error).__name__}"
            warnings.warn(f"Inference launches every kernel by itself: {self._reason}", RuntimeWarning, 4)

    @staticmethod
    def _record(name: str, step: Step, memory: Memory) -> None:
        with torch.inference_mode(False), torch.no_grad(), _no_autocast(step.buffers[0].device):
            recording = memory.record(step.function, step.buffers)
            expected = step.function(*step.buffers)
            recording.replay()
            if not _equal(recording.output, expected):
                raise RuntimeError(f"the graph of the {name} has another result than its kernels")
        step.recording = recording

    def _forget(self) -> None:
        for step in self._steps.values():
            step.recording = None
        if self._memory is not None:
            self._memory.release()
        self._memory = None

    @property
    def nbytes(self) -> int:
        """Bytes of all recordings and of the memory that they share."""
        return sum(step.nbytes for step in self._steps.values()) + (self._memory.nbytes if self._memory else 0)

    def implementations(self) -> dict[str, Implementation]:
        """Return how the networks are launched (:class:`harness.contract.NamesImplementations`)."""
        if self._new_memory is not None and self._steps:
            return {"networks": Implementation(_GRAPHS)}
        return {"networks": Implementation(_SINGLY, self._reason)} if self._reason else {}


def graphs_on(device: torch.device) -> Graphs:
    """Return the graphs of a device, without recordings as yet; on a CPU there are never any."""
    if device.type != "cuda":
        return Graphs(None)
    if os.environ.get(_REQUEST) == "0":
        return Graphs(None, f"{_REQUEST} is 0")
    return Graphs(partial(GraphMemory, device))


def _fits(given: Tensor, buffer: Tensor, by_rows: bool) -> bool:
    same = given.dtype == buffer.dtype and given.device == buffer.device and given.shape[1:] == buffer.shape[1:]
    return same and (0 < len(given) <= len(buffer) if by_rows else len(given) == len(buffer))


def _no_autocast(device: torch.device) -> torch.autocast:
    """Return a context in which no autocast of the caller keeps a cast that lies in the memory of a recording."""
    return torch.autocast(device.type, enabled=False, cache_enabled=False)


def _equal(recorded: Tensor, expected: Tensor) -> bool:
    return torch.equal(recorded, expected)


def _arithmetic() -> tuple[bool, ...]:
    cudnn = torch.backends.cudnn
    return (
        torch.backends.cuda.matmul.allow_tf32,
        cudnn.allow_tf32,
        cudnn.deterministic,
        cudnn.benchmark,
        torch.are_deterministic_algorithms_enabled(),
    )
