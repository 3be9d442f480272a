"""Many samples through a fitted method: the next are read while one is predicted, and a bad one stops nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, Queue
from threading import Event, Thread

from harness.data.pairs import NewFiles
from harness.errors import HarnessError
from harness.metrics.threads import usable_cores
from harness.running.new_samples import NewSample, SampleReader
from harness.running.predict import FittedMethod, PredictedSample

__all__ = ["Answer", "predict_each"]

_MOST_READERS = 8
"""Threads that read and clean: one keeps up with 5 to 15 samples a second, and each holds a sample."""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """The prediction of a sample's files, or why there is none.

    Parameters
    ----------
    files
        Of the sample.
    predicted
        None where it could not be predicted.
    error
        Why, a sentence; empty where it was.
    """

    files: NewFiles
    predicted: PredictedSample | None
    error: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    """What was read of a sample's files, or why nothing was."""

    sample: NewSample | None
    error: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class _End:
    """The last sample is behind, or the source of files raised an error."""

    raised: BaseException | None = None


_Coming = tuple[NewFiles, Future[_Read]] | _End


def predict_each(method: FittedMethod, files: Iterable[NewFiles]) -> Iterator[Answer]:
    """Yield the answer to each sample, in order and as soon as it is there.

    Parameters
    ----------
    method
        Predicts, in this thread.
    files
        Of the samples; taken and read by other threads, a few ahead. It may wait for its next sample.
    """
    readers = min(usable_cores(), _MOST_READERS)
    coming: Queue[_Coming] = Queue(maxsize=readers)
    left = Event()

    def read_all() -> None:
        with ThreadPoolExecutor(readers) as pool:
            try:
                for one in files:
                    if left.is_set():
                        return
                    coming.put((one, pool.submit(_read, method.reader, one)))
            except BaseException as error:  # it is raised again where the answers are asked for
                coming.put(_End(error))
            else:
                coming.put(_End())

    Thread(target=read_all, daemon=True).start()
    try:
        while not isinstance(one := coming.get(), _End):
            yield _answer(method, one[0], one[1].result())
        if one.raised is not None:
            raise one.raised
    finally:
        left.set()
        with suppress(Empty):
            coming.get_nowait()  # the thread may wait for this place


def _answer(method: FittedMethod, files: NewFiles, read: _Read) -> Answer:
    if read.sample is None:
        return Answer(files, None, read.error)
    try:
        return Answer(files, method.predict_sample(read.sample))
    except Exception as error:
        return Answer(files, None, _sentence(error, files))


def _read(reader: SampleReader, one: NewFiles) -> _Read:
    if one.problem or one.rgb is None or one.xyz is None:
        return _Read(None, one.problem)
    try:
        return _Read(reader.read(one.rgb, one.xyz, one.camera, id=one.id))
    except Exception as error:  # what reading or cleaning an odd file raises, or too little memory
        return _Read(None, _sentence(error, one))


def _sentence(error: Exception, files: NewFiles) -> str:
    """Return why a sample has no prediction; the type of an error that was not written for users is named."""
    if isinstance(error, HarnessError):
        return str(error)
    reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"{files.rgb} and {files.xyz} can't be predicted ({reason})."
