"""Running cells on this machine: one at a time on each device, each in a process and a session of its own."""

from __future__ import annotations

import signal
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue

from harness.cell import Cell
from harness.errors import ExitCode, PrerequisiteError
from harness.files.atomic import sweep_temporaries
from harness.files.locks import is_locked
from harness.plan.job import Job, write_job
from harness.running.events import Event
from harness.running.interrupts import SIGNALS, raise_if_interrupted, was_interrupted
from harness.running.post_mortem import failure_record, last_lines, oom_kills, record_of_dead_worker
from harness.running.process import WorkerProcess
from harness.running.tasks import Limits, Outcome, Task
from harness.store.claims import Claim
from harness.store.record import Record
from harness.store.store import Store

__all__ = ["OnEvent", "outcomes", "run_jobs"]

OnEvent = Callable[[Job, Event], None]

_CLAIM_SECONDS = 0.5
"""Pause before cells that another run is measuring are tried again."""
_ROUNDS = 3
"""How often all that is left must be another run's before a puller believes it: who only looks locks for a moment."""
_LOOK_SECONDS = 1.0
"""Time after which a Ctrl-C that Python swallowed is noticed."""
_SIGNAL_SECONDS = 2.0
"""Time after which a worker that a signal has ended was not ended together with this process."""

_ENDS = (ExitCode.OK, ExitCode.CELL_NOT_OK)
"""Exit codes of a worker that came to the end of its job."""

_Version = tuple[tuple[int, int] | None, ...]
_Versions = Mapping[str, _Version]


def run_jobs(
    jobs: Sequence[Job], on_event: OnEvent, *, devices: Sequence[str], timeout: float | None = None
) -> Iterator[tuple[Job, Record]]:
    """Run jobs over devices and yield each record as soon as it is written.

    A cell that another run is measuring is not measured twice: its record is awaited and yielded. For a worker that
    dies without a record, one of status ``killed``, ``oom`` or ``failed`` is written; a worker that takes too long is
    ended, status ``timeout``. When the iteration is left (Ctrl-C, an error), running workers are ended with everything
    that they started, and cells without a record stay without one.

    Parameters
    ----------
    jobs
        With their results folder.
    on_event
        Called with every event, from several threads; the job carries its device.
    devices
        Torch device names, at least one; each runs a single job at a time.
    timeout
        Seconds a cell may take from the start of its process; None for no limit.

    Raises
    ------
    PrerequisiteError
        Where a record can't be written: the disk is full or the folder is gone.
    """
    tasks = [_OwnTask(job, _versions(job)) for job in jobs]
    for outcome in outcomes(tasks, on_event, devices=devices, limits=Limits(timeout)):
        if outcome.record is not None:
            yield outcome.job, outcome.record


def outcomes(tasks: Sequence[Task], on_event: OnEvent, *, devices: Sequence[str], limits: Limits) -> Iterator[Outcome]:
    """Yield what has become of each task as soon as it is known; as :func:`run_jobs` otherwise."""
    if not devices:
        raise ValueError("no device is named, so no job would ever end")
    scheduler = _Scheduler(tasks, on_event, limits)
    threads = [threading.Thread(target=scheduler.serve, args=(device,), daemon=True) for device in devices]
    try:
        for thread in threads:
            thread.start()
        left = len(tasks)
        while left:
            outcome = scheduler.next_outcome()
            if isinstance(outcome, BaseException):
                raise outcome
            left -= not outcome.more
            yield outcome
    finally:
        with _uninterrupted():
            scheduler.stop()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()


@dataclass(frozen=True, slots=True)
class _OwnTask:
    """A task of ``harness run``: what is written after this object was made counts."""

    job: Job
    before: _Versions

    @property
    def folder(self) -> Path:
        return self.job.results

    def on(self, device: str) -> Job:
        return self.job.of(self._left() or self.job.cells).on(device)

    def written(self) -> Record | None:
        return None if self._left() else _written_since(self.job, self.job.cell, self.before)

    def _left(self) -> list[Cell]:
        return [cell for cell in self.job.cells if _written_since(self.job, cell, self.before) is None]


class _Scheduler:
    """Shared by the threads of all devices."""

    def __init__(self, tasks: Sequence[Task], on_event: OnEvent, limits: Limits) -> None:
        self._outcomes: SimpleQueue[Outcome | BaseException] = SimpleQueue()
        self._pending = deque(tasks)
        self._on_event, self._limits = on_event, limits
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._workers: set[WorkerProcess] = set()
        self._taken = 0

    def serve(self, device: str) -> None:
        """Run pending tasks on a device until none is left; a cell claimed by another run goes to the end."""
        refused = 0
        while not self._stopping.is_set() and (task := self._next()) is not None:
            try:
                outcome = self._outcome(task, device)
            except OSError as error:
                self._outcomes.put(PrerequisiteError(f"The worker of {task.job.cell.stem} can't be started ({error})."))
                return
            except BaseException as error:  # passed to the thread that iterates, which stops all
                self._outcomes.put(error)
                return
            if outcome is not None:
                self._outcomes.put(outcome)
                refused = 0
                continue
            refused += 1
            left = len(self._pending) + 1
            if not self._limits.waits and refused >= _ROUNDS * left:
                self._outcomes.put(Outcome(task.job, None, "held"))
                continue
            self._pending.append(task)
            if refused % left == 0:
                self._stopping.wait(_CLAIM_SECONDS)

    def next_outcome(self) -> Outcome | BaseException:
        """Wait for the next outcome or error; Ctrl-C ends the waiting."""
        while True:
            raise_if_interrupted()
            with suppress(Empty):
                return self._outcomes.get(timeout=_LOOK_SECONDS)

    def stop(self) -> None:
        """End all running workers; their threads come to an end."""
        with self._lock:
            self._stopping.set()
            running = tuple(self._workers)
        enders = [threading.Thread(target=worker.end) for worker in running]
        for ender in enders:
            ender.start()
        for ender in enders:
            ender.join()

    def _next(self) -> Task | None:
        try:
            return self._pending.popleft()
        except IndexError:
            return None

    def _outcome(self, task: Task, device: str) -> Outcome | None:
        """Run a cell, or read the record that another run has written; None while that run is still measuring."""
        claim = Claim(task.folder, task.job.cell)
        if (record := task.written()) is not None:
            return self._elsewhere(task.job.on(device), record)
        if self._takes_no_more(task.job):
            return Outcome(task.job, None, "held" if is_locked(claim.path) else "late")
        if not self._claimed(claim):
            return None
        with claim, ExitStack() as stack:
            Store(task.folder).ensure_writable()  # a network file system now looks, and doesn't answer from memory
            if (record := task.written()) is not None:
                return self._elsewhere(task.job.on(device), record)
            with self._lock:
                if self._takes_no_more(task.job):
                    return Outcome(task.job, None, "late")
                job = task.on(device)
                self._taken += len(job.cells)
            if job.cell.id != task.job.cell.id:  # the claim on the task's own cell keeps others off all that is left
                claim = Claim(task.folder, job.cell)
                if not self._claimed(claim):
                    return None
                stack.enter_context(claim)
            job = job.claimed(task.folder, claim.holder.token)
            record = self._run(job, Store(job.results), claim)
        return None if record is None else Outcome(job, record, "measured")

    def _elsewhere(self, job: Job, record: Record) -> Outcome:
        """Return the outcome of a job whose cells other runs have measured, after those of its further cells."""
        for cell in job.also:
            further = Store(job.results).read(cell)
            self._outcomes.put(Outcome(job.of([cell]), further, "elsewhere", more=True))
        return Outcome(job, record, "elsewhere")

    def _takes_no_more(self, job: Job) -> bool:
        return self._limits.too_late(job) or (self._limits.most is not None and self._taken >= self._limits.most)

    @staticmethod
    def _claimed(claim: Claim) -> bool:
        try:
            return claim.take()
        except OSError:
            Store(claim.folder).ensure_writable()  # says what is wrong with the folder, where that is why
            raise

    def _run(self, job: Job, store: Store, claim: Claim) -> Record | None:
        before, kills, limit = _versions(job), oom_kills(), self._limits.seconds(job)
        log = job.results / "logs" / f"{job.cell.stem}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with suppress(PermissionError):
            log.unlink(missing_ok=True)  # another user's log could not be overwritten
        watch = _Watch(job, self._on_event, lambda further: self._put_further(further, before))
        with tempfile.TemporaryDirectory(prefix="harness-job-") as folder:
            path = Path(folder) / "job.json"
            write_job(path, job)
            with self._worker(path, log, watch) as worker:
                if worker is None:
                    return None
                code = worker.wait(limit)
                if code is None:
                    worker.end()
        if not claim.is_held:
            return None
        for cell in job.cells:
            store.discard_files(cell)
        for kept in store.folders:
            sweep_temporaries(kept)
        record = _written_since(job, job.cell, before)
        unwritten = record is None or (code not in _ENDS and _written_since(job, watch.job.cell, before) is None)
        if unwritten and not self._ended_too(code):
            of_dead = (
                failure_record(watch.job, "timeout", f"The cell was ended after {limit:g} s, in {watch.where}", log)
                if code is None
                else record_of_dead_worker(watch.job, code, log, where=watch.stage, kills_before=kills)
            )
            store.write(of_dead)
            if record is not None:
                self._put_further(watch.job, before)
            record = record or of_dead
        elif record is not None and record.status != "ok" and not record.log:
            record = replace(record, log=tuple(last_lines(log)))
            store.write(record)
        return record

    def _put_further(self, job: Job, before: _Versions) -> None:
        """Pass on the record of a further cell of a job, as soon as it is written."""
        if (record := _written_since(job, job.cell, before)) is not None:
            self._outcomes.put(Outcome(job, record, "measured", more=True))

    def _ended_too(self, code: int | None) -> bool:
        """Return whether a worker ended because this process is ended, perhaps by the same signal to all of a job."""
        if code is not None and -code in SIGNALS:
            ends = time.monotonic() + _SIGNAL_SECONDS
            while time.monotonic() < ends and not was_interrupted() and not self._stopping.wait(0.05):
                pass
        return self._stopping.is_set() or was_interrupted()

    @contextmanager
    def _worker(self, path: Path, log: Path, watch: _Watch) -> Iterator[WorkerProcess | None]:
        """Start a worker that :meth:`stop` can end; None once :meth:`stop` was called."""
        with self._lock:
            worker = None if self._stopping.is_set() else WorkerProcess("harness.running", path, log, watch)
            if worker is not None:
                self._workers.add(worker)
        try:
            yield worker
        finally:
            if worker is not None:
                worker.close()
                with self._lock:
                    self._workers.discard(worker)


class _Watch:
    """Passes events on and remembers the last, and which cell of the job it is about."""

    def __init__(self, job: Job, on_event: OnEvent, on_further: Callable[[Job], None]) -> None:
        self.job, self._on_event, self._on_further = job, on_event, on_further
        self._further = {cell.id: job.of([cell]) for cell in job.also}
        self._last = Event("stage", "start")
        self.stage = "start"

    def __call__(self, event: Event) -> None:
        if event.kind == "cell":
            self.job = self._further.get(event.stage, self.job)
        if event.kind == "stage":
            self.stage = event.stage
        self._last = event
        self._on_event(self.job, event)
        if event.kind == "finished" and self.job.cell.id in self._further:
            self._on_further(self.job)

    @property
    def where(self) -> str:
        """Stage and step, for the reason in a record."""
        if self._last.kind == "progress":
            return f"stage '{self.stage}' ({self._last.stage}: {self._last.done} of {self._last.total})"
        return f"stage '{self.stage}'"


def _versions(job: Job) -> _Versions:
    """Return what distinguishes the records of a job's cells, and failed attempts beside them, from earlier files."""
    return {cell.id: _version(Store(job.results), cell) for cell in job.cells}


def _version(store: Store, cell: Cell) -> _Version:
    return tuple(map(_file_version, (store.path(cell), store.failed_path(cell))))


def _file_version(path: Path) -> tuple[int, int] | None:
    try:
        file = path.stat()
    except OSError:
        return None
    return file.st_ino, file.st_mtime_ns


def _written_since(job: Job, cell: Cell, before: _Versions) -> Record | None:
    """Return the record or the failed attempt of a cell that was written since; None where there is neither."""
    store = Store(job.results)
    record, failed = (now != then for now, then in zip(_version(store, cell), before[cell.id], strict=True))
    return (store.read(cell) if record else None) or (store.read_failed(cell) if failed else None)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ignore signals while workers are being ended, which takes a few seconds at most."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = [signal.signal(sign, signal.SIG_IGN) for sign in SIGNALS]
    try:
        yield
    finally:
        for sign, handler in zip(SIGNALS, before, strict=True):
            signal.signal(sign, handler)
