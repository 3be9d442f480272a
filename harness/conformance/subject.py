"""The method under test: build, fit and call it, and record its side effects."""

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
from harness.conformance.samples import SampleTracker, TrainingSamples, with_fields
from harness.conformance.side_effects import Touch, captured_output, changed_settings, watched
from harness.contract import Explained, Method, MethodError, ParameterValue, Prediction, Sample, UsesValidation
from harness.data.registry import DEFAULT_DATASET
from harness.errors import HarnessError
from harness.measure import torch_state
from harness.measure.state import AllocatorLevel
from harness.plan.modalities import used_modalities
from harness.protocol import Protocol

__all__ = ["PRESET", "SideEffects", "Steps", "Subject"]

PRESET = "quick"
"""The preset of all parameters that the user did not name."""

_Progress = Callable[[str, int, int], None]


@dataclass(slots=True)
class SideEffects:
    """The side effects of all calls of a method so far."""

    printed: list[str] = field(default_factory=list)
    touched: list[Touch] = field(default_factory=list)
    settings: list[str] = field(default_factory=list)


class Steps:
    """The progress callback that a method gets: records every call, and passes on those with whole numbers."""

    def __init__(self, progress: _Progress) -> None:
        self.progress, self.calls, self.values = progress, list[tuple[Any, Any, Any]](), dict[str, Any]()

    def __call__(self, stage: str, done: int, total: int, **values: float) -> None:
        """Record a call, whatever its arguments."""
        self.calls.append((stage, done, total))
        self.values |= values
        if all(isinstance(count, int) for count in (done, total)):
            self.progress(str(stage), done, total)


class Subject:
    """A method under test.

    Parameters
    ----------
    spec
        Registered name, and parameters that the user named.
    train, test
        Samples, with or without labels and masks; the method gets blind copies, with made-up optional fields where it
        needs some.
    validation
        Likewise, for a method that wants validation samples (:class:`harness.contract.UsesValidation`).
    device
        Torch device name.
    root
        Folder of the dataset, which the method must not read itself; None where the samples come from no folder.
    progress
        Called with (stage, done, total) while the method is fitted.

    Attributes
    ----------
    fitted
        The first fitted method; there once the check ``fit`` has passed.
    level
        State of the allocators before it was made.
    first
        Its predictions of the test samples, in order; there once the check ``predict`` has passed.
    validation_reads
        How many validation samples were read while a method was fitted; None where it wants none.
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
        validation: Sequence[Sample] = (),
        device: str = "cpu",
        root: Path | None = None,
        progress: _Progress = lambda stage, done, total: None,
    ) -> None:
        self.spec, self.device, self.root = spec, device, root
        self._train, self._validation, self._test = tuple(train), tuple(validation), tuple(test)
        self.validation_reads: int | None = None
        self.side_effects, self.tracker, self.steps = SideEffects(), SampleTracker(), Steps(progress)
        self.torch_was_loaded = "torch" in sys.modules

    @property
    def kind(self) -> type[Method]:
        """The class of the method."""
        return registry.load(self.spec.name)

    @cached_property
    def parameters(self) -> Mapping[str, ParameterValue]:
        """All parameters of the method under test."""
        return registry.resolve(self.spec, PRESET)

    @cached_property
    def train(self) -> tuple[Sample, ...]:
        """Training samples as the method gets them: its modalities, and the optional fields that it needs."""
        return self._as_given(self._train)

    @cached_property
    def validation(self) -> tuple[Sample, ...]:
        """Validation samples, likewise."""
        return self._as_given(self._validation)

    @cached_property
    def test(self) -> tuple[Sample, ...]:
        """Test samples, likewise."""
        return self._as_given(self._test)

    def _as_given(self, samples: Sequence[Sample]) -> tuple[Sample, ...]:
        used = used_modalities(self.spec.name, self.parameters)
        return tuple(with_fields(sample, self.kind.meta.needs).only(used) for sample in samples)

    @property
    def cell(self) -> Cell:
        """The cell that a fitted method is saved for."""
        return Cell(
            method=self.spec.name,
            parameters=self.parameters,
            given=self.spec.parameters,
            dataset=DEFAULT_DATASET,
            category=self.train[0].category,
            data_digest="",
            shots=len(self.train),
            split="first",
            split_digest="",
            protocol=Protocol.for_preset(PRESET, "random"),
        )

    @contextmanager
    def calling(self, what: str) -> Iterator[None]:
        """Call the method inside the block, and record its side effects.

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
        effects = self.side_effects
        try:
            with captured_output(effects.printed), watched(effects.touched), changed_settings(effects.settings):
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
        samples, held_out = (TrainingSamples(sources, self.tracker) for sources in (self.train, self.validation))
        try:
            if wants := isinstance(method, UsesValidation) and self.wants_validation(method):
                with self.calling("use_validation"):
                    method.use_validation(held_out)
            with self.calling("fit"):
                method.fit(samples, seed=seed, device=self.device, progress=self.steps)
                torch_state.synchronise(self.device)
        finally:
            samples.close()
            held_out.close()
            self.tracker.settle("fit")
        self.validation_reads = held_out.reads if wants else None

    def wants_validation(self, method: UsesValidation) -> bool:
        """Ask a method whether it wants validation samples."""
        with self.calling("wants_validation()"):
            return method.wants_validation()

    def predict(self, source: Sample, method: Method | None = None) -> Prediction:
        """Return the prediction for a sample, unchecked; by the first fitted method where none is given."""
        method = self.fitted if method is None else method
        sample = self.tracker.give(source)
        try:
            with self.calling("prepare"):
                inputs = method.prepare(sample)
            with self.calling("infer"):
                prediction = method.infer(inputs)
                torch_state.synchronise(self.device)
        finally:
            self.tracker.settle("prepare or infer")
        return prediction

    def explain(self, source: Sample) -> Any:
        """Return the further maps of the first fitted method, unchecked; empty where it has no ``explain``."""
        method = self.fitted
        if not isinstance(method, Explained):
            return {}
        sample = self.tracker.give(source)
        try:
            with self.calling("prepare"):
                inputs = method.prepare(sample)
            with self.calling("explain"):
                return method.explain(inputs)
        finally:
            self.tracker.settle("prepare or explain")


def _is_of(file: str, kind: type) -> bool:
    """Whether a source file belongs to the package, or is the module, that a class was written in."""
    home = Path(inspect.getfile(kind)).resolve()
    path = Path(file).resolve()
    return path.is_relative_to(home.parent) if "." in kind.__module__ else path == home
