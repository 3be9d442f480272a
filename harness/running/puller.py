"""A puller: takes cells of a plan that nobody has claimed, measures them, and ends when none is left.

Any number of pullers, on any machines that see the results folder, split the cells of a plan between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness import registry
from harness.errors import PrerequisiteError
from harness.measure.environment import machine_of
from harness.plan.job import Job
from harness.plan.plan_file import PlanEntry, PlanFile, cells_left, record_since
from harness.running.post_mortem import failure_record
from harness.running.scheduler import OnEvent, outcomes
from harness.running.tasks import Limits
from harness.store.claims import Claim, Holder, holders, lost_holders
from harness.store.environment import Environment
from harness.store.record import Record
from harness.store.store import Store

__all__ = ["Puller", "record_lost"]


class Puller:
    """The cells of a plan that this process measures.

    Parameters
    ----------
    plan
        As read from its file.
    results
        Results folder that is shared with the other pullers.
    devices
        Torch device names; one cell runs at a time on each.
    until
        No cell is taken whose timeout ends after this time, seconds since the epoch; None for no such time.
    most
        Number of cells that are taken at most; None for no limit.

    Attributes
    ----------
    measured, elsewhere, held, left
        Cells that were measured here, that have a record of another run, that another run is measuring, and that
        nobody has taken, because too little time is left or ``most`` is reached. Together they are those of the plan
        once :meth:`run` has ended.

    Raises
    ------
    HarnessError
        Where a method can't be loaded here, or a folder or file that the plan names is not there: a machine that can
        measure nothing must not turn all cells into failures.
    """

    def __init__(
        self,
        plan: PlanFile,
        results: Path,
        *,
        devices: Sequence[str],
        until: float | None = None,
        most: int | None = None,
    ) -> None:
        self.plan, self.results, self.devices = plan, results, tuple(devices)
        self._limits = Limits(plan.timeout, waits=False, until=until, most=most)
        self.measured: list[Record] = []
        self.elsewhere: list[Job] = []
        self.held: list[Job] = []
        self.left: list[Job] = []
        _require_all(entry.job for entry in plan.entries if record_since(entry, results) is None)

    def run(self, on_event: OnEvent = lambda job, event: None) -> Iterator[tuple[Job, Record]]:
        """Measure cells until none is unclaimed, and yield each record of this process as soon as it is written.

        When the iteration is left (Ctrl-C, SIGTERM, an error), the running cells are ended, their claims are released,
        and they stay without a record.

        Parameters
        ----------
        on_event
            Called with every event, from several threads; the job carries its device.

        Raises
        ------
        PrerequisiteError
            Where a record can't be written: the disk is full or the folder is gone.
        """
        machines = {device: machine_of(device) for device in self.devices}
        tasks = [_PlannedTask(entry, self.plan, self.results, machines) for entry in self.plan.entries]
        others = {"elsewhere": self.elsewhere, "held": self.held, "late": self.left}
        for outcome in outcomes(tasks, on_event, devices=self.devices, limits=self._limits):
            if outcome.why == "measured" and outcome.record is not None:
                self.measured.append(outcome.record)
                yield outcome.job, outcome.record
            else:
                cells = outcome.job.cells if outcome.record is None else (outcome.job.cell,)
                others[outcome.why] += [outcome.job.of([cell]) for cell in cells]

    def holders_of_held(self) -> list[Holder]:
        """Return who measures the cells that were held, as far as they still do."""
        now = holders(self.results)
        return [now[job.cell.stem] for job in self.held if job.cell.stem in now]


@dataclass(frozen=True, slots=True)
class _PlannedTask:
    """A cell of a plan."""

    entry: PlanEntry
    plan: PlanFile
    folder: Path
    machines: Mapping[str, str]

    @property
    def job(self) -> Job:
        return self.entry.job

    def on(self, device: str) -> Job:
        job = self.job.of(cells_left(self.entry, self.folder) or self.job.cells)
        place, _ = Store(self.folder).place_of(job.cell, (self.machines[device],))
        fitted = place.fitted_path(job.cell) if self.plan.save_fitted else None
        maps = place.maps_path(job.cell) if self.plan.save_maps else None
        return job.placed(place.folder, fitted, maps).on(device)

    def written(self) -> Record | None:
        return record_since(self.entry, self.folder)


def record_lost(entry: PlanEntry, results: Path, reason: str) -> Record | None:
    """Write the record of the cell that a puller measured when it went, with status ``killed`` and the end of its log.

    Parameters
    ----------
    entry
        The cell.
    results
        Results folder.
    reason
        What ended the puller, without a full stop.

    Returns
    -------
    Record or None
        None where the cell has a record, or is claimed, meanwhile: then nothing is written.
    """
    own, holder = entry.job.cell, lost_holders(results).get(entry.job.cell.stem, Holder())
    claim = Claim(results, own)
    if not claim.take():
        return None
    with claim:
        left = cells_left(entry, results)
        if not left:
            return None
        record = failure_record(entry.job.of(left), "killed", reason, results / "logs" / f"{own.stem}.log")
        record = replace(record, environment=Environment(host=holder.host, job=holder.job_name))
        Store(results).write(record)
    return record


def _require_all(jobs: Iterable[Job]) -> None:
    """Raise an error where this machine lacks what some job needs."""
    methods: dict[str, str] = {}
    paths: dict[Path, str] = {}
    for job in jobs:
        methods[job.cell.method] = job.reference
        named = {"the dataset": job.data, "released weights": job.checkpoint}
        named |= {f"the weights {name}": file.path for name, file in job.weights.items()}
        paths |= {path: what for what, path in named.items() if path is not None}
    for name, reference in methods.items():
        if reference:
            registry.load_reference(reference)
        registry.load(name)
    for path, what in paths.items():
        if not path.exists():
            raise PrerequisiteError(
                f"This machine does not see {path}, where the plan has {what}: mount it here, or write the plan again "
                "with a folder that all machines see."
            )
