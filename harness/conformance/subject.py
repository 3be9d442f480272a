"""The method under test: building, fitting and asking it, with everything noted that it does meanwhile."""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from harness import registry
from harness.cell import Cell
from harness.conformance.outcome import CheckFailedError
from harness.conformance.samples import Ledger, TrainingSamples
from harness.conformance.surroundings import Touch, captured_output, changed_settings, watched
from harness.contract import Explained, Method, MethodError, ParameterValue, Prediction, Sample
from harness.errors import HarnessError
from harness.measure import torch_state
from harness.measure.state import AllocatorLevel
from harness.protocol import Protocol

__all__ = ["PRESET", "Seen", "Steps", "Subject"]

PRESET = "quick"
"""Parameters that the user did not name come from this preset."""

_Told = Callable[[str, int, int], None]


@dataclass(slots=True)
class Seen:
    """What a method did beside its work, in all calls so far."""

    printed: list[str] = field(default_factory=list)
    touched: list[Touch] = field(default_factory=list)
    settings: list[str] = field(default_factory=list)


class Steps:
    """The progress callback that a method gets: keeps what it is told, and passes it on where it makes sense."""

    def __init__(self, told: _Told) -> None:
        self.told, self.kept = told, list[tuple[Any, Any, Any]]()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Keep a step, whatever it is."""
        self.kept.append((stage, done, total))
        if all(isinstance(count, int) for count in (done, total)):
            self.told(str(stage), done, total)


class Subject:
    """A method under test.

    Parameters
    ----------
    spec
        Registered name, and parameters that the user named.
    train, test
        Samples, with whatever labels and masks; the method gets blind copies.
    device
        Torch device name.
    root
        Folder of the dataset, which the method must not read by itself; None where the samples have none.
    told
        Called with (stage, done, total) while the method is fitted.

    Attributes
    ----------
    fitted
        The first fitted method; there once the check ``fit`` has passed.
    level
        What the allocators had handed out before it was made.
    first
        Its predictions of the test samples, in order; there once the check ``predict`` has passed.
    torch_was_loaded
        Whether this process had imported torch before it imported the method.
    """

    fitted: Method
    level: AllocatorLevel
    first: tuple[Prediction, ...]

    def __init__(
        self,
        spec: registry.MethodSpec,
        train: Sequence[Sample],
        test: Sequence[Sample],
        *,
        device: str = "cpu",
        root: Path | None = None,
        told: _Told = lambda stage, done, total: None,
    ) -> None:
        self.spec, self.device, self.root = spec, device, root
        self.train, self.test = tuple(train), tuple(test)
        self.seen, self.ledger, self.steps = Seen(), Ledger(), Steps(told)
        self.torch_was_loaded = "torch" in sys.modules

    @property
    def kind(self) -> type[Method]:
        """The class of the method."""
        return registry.load(self.spec.name)

    @cached_property
    def parameters(self) -> Mapping[str, ParameterValue]:
        """All parameters that it is tried with."""
        return registry.resolve(self.spec, PRESET)

    @property
    def cell(self) -> Cell:
        """The cell that a fitted method is saved for."""
        return Cell(
            method=self.spec.name,
            parameters=self.parameters,
            given=self.spec.parameters,
            dataset="toy",
            category=self.train[0].category,
            data_digest="",
            shots=len(self.train),
            split="first",
            split_digest="",
            protocol=Protocol.for_preset(PRESET, "random"),
        )

    @contextmanager
    def calling(self, what: str) -> Iterator[None]:
        """Hand control to the method, and note what it does.

        Parameters
        ----------
        what
            The function called, for the sentence of a failure.

        Raises
        ------
        MethodError
            As the method raised it.
        CheckFailedError
            For any other error.
        """
        seen = self.seen
        try:
            with captured_output(seen.printed), watched(seen.touched), changed_settings(seen.settings):
                yield
        except MethodError:
            raise
        except HarnessError as error:
            raise CheckFailedError(str(error)) from error
        except (Exception, SystemExit) as error:
            raise CheckFailedError(f"{what} raises {self.describe(error)}.") from error

    def describe(self, error: BaseException) -> str:
        """Return type and text of an error, with the last line of the method's own code that it went through."""
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if _is_of(frame.filename, self.kind)]
        text = " ".join(str(error).split()).rstrip(".")
        where = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
        return f"{type(error).__name__}{': ' if text else ''}{text}{where}"

    def build(self) -> Method:
        """Return a new method."""
        with self.calling("the constructor"):
            return self.kind(**self.parameters)

    def fit(self, method: Method) -> None:
        """Fit a method on the training samples, in a process state as in a run."""
        seed = self.cell.seed
        torch_state.configure(self.device, seed)
        samples = TrainingSamples(self.train, self.ledger)
        try:
            with self.calling("fit"):
                method.fit(samples, seed=seed, device=self.device, progress=self.steps)
                torch_state.synchronise(self.device)
        finally:
            samples.close()
            self.ledger.settle("fit")

    def predict(self, source: Sample, method: Method | None = None) -> Prediction:
        """Return what a method says about a sample, unchecked; the first fitted one where none is named."""
        asked = self.fitted if method is None else method
        sample = self.ledger.give(source)
        try:
            with self.calling("prepare"):
                inputs = asked.prepare(sample)
            with self.calling("infer"):
                prediction = asked.infer(inputs)
                torch_state.synchronise(self.device)
        finally:
            self.ledger.settle("prepare or infer")
        return prediction

    def explain(self, source: Sample) -> Any:
        """Return what the first fitted method explains a sample with, unchecked; nothing where it never explains."""
        method = self.fitted
        if not isinstance(method, Explained):
            return {}
        sample = self.ledger.give(source)
        try:
            with self.calling("prepare"):
                inputs = method.prepare(sample)
            with self.calling("explain"):
                return method.explain(inputs)
        finally:
            self.ledger.settle("prepare or explain")


def _is_of(file: str, kind: type) -> bool:
    """Whether a source file belongs to the package, or is the module, that a class was written in."""
    home = Path(inspect.getfile(kind)).resolve()
    path = Path(file).resolve()
    return path.is_relative_to(home.parent) if "." in kind.__module__ else path == home
