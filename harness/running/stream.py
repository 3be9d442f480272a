"""Many samples through a fitted method: the next is read while one is predicted, and a bad one stops nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, Queue
from threading import Event, Thread

from harness.data.pairs import NewFiles
from harness.errors import HarnessError
from harness.running.new_samples import NewSample, SampleReader
from harness.running.predict import FittedMethod, PredictedSample

__all__ = ["Answer", "predict_each"]


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
    """A sample's files with what was read of them; without files the end, or what the source of files raised."""

    files: NewFiles | None
    sample: NewSample | None = None
    error: str = ""
    raised: BaseException | None = None


def predict_each(method: FittedMethod, files: Iterable[NewFiles]) -> Iterator[Answer]:
    """Yield the answer to each sample, in order and as soon as it is there.

    Parameters
    ----------
    method
        Predicts, in this thread.
    files
        Of the samples; taken and read by another thread, at most two ahead. It may wait for its next sample.
    """
    coming: Queue[_Read] = Queue(maxsize=1)
    left = Event()
    Thread(target=_read_all, args=(method.reader, files, coming, left), daemon=True).start()
    try:
        while (read := coming.get()).files is not None:
            yield _answer(method, read.files, read)
        if read.raised is not None:
            raise read.raised
    finally:
        left.set()
        with suppress(Empty):
            coming.get_nowait()  # the thread may wait for this place


def _answer(method: FittedMethod, files: NewFiles, read: _Read) -> Answer:
    if read.sample is None:
        return Answer(files, None, read.error)
    try:
        return Answer(files, method.predict_sample(read.sample))
    except HarnessError as error:
        return Answer(files, None, str(error))


def _read_all(reader: SampleReader, files: Iterable[NewFiles], coming: Queue[_Read], left: Event) -> None:
    """Read all samples in order and hand them over, until nobody takes them any more; the last is an end."""
    try:
        for one in files:
            if left.is_set():
                return
            coming.put(_read(reader, one))
    except BaseException as error:  # it is raised again where the answers are asked for
        coming.put(_Read(None, raised=error))
    else:
        coming.put(_Read(None))


def _read(reader: SampleReader, one: NewFiles) -> _Read:
    if one.problem or one.rgb is None or one.xyz is None:
        return _Read(one, error=one.problem)
    try:
        return _Read(one, reader.read(one.rgb, one.xyz, one.camera, id=one.id))
    except HarnessError as error:
        return _Read(one, error=str(error))
