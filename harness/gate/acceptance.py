"""What a submission to the leaderboard must fulfil: whole files, numbers that follow from counts, comparable cells.

Nothing that a submission says of itself is believed where it can be computed: metrics follow from the counts,
statistics of times from the raw times, lists of training samples from the published ones. What can't be computed from
it, such as memory and the times themselves, is a claim.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from harness import registry
from harness.cell import Cell
from harness.contract import ParameterValue
from harness.data.open import open_dataset
from harness.data.registry import DATASETS, OWN_DATA
from harness.data.split_files import SPLIT_NAMES
from harness.data.splits import Shots, has_published_lists, load_split, published_lists
from harness.dataset_contract import DatasetInfo
from harness.distribution import is_own_distribution
from harness.errors import HarnessError
from harness.files.left_out import LeftOut
from harness.files.names import one_line
from harness.gate.history import History
from harness.gate.recompute import recompute
from harness.gate.submission import odd_files, read_manifest, software_digest
from harness.metrics import METRICS
from harness.protocol import PRESETS
from harness.store.details import read_details
from harness.store.provenance import code_change, data_change, provider_of, reader_change, reader_of
from harness.store.record import SCHEMA, DataContent, Record, unlike_published
from harness.store.store import Store

__all__ = ["Verified", "objections", "verify_submission"]


@dataclass(frozen=True, slots=True)
class Verified:
    """What came out for a submission.

    Parameters
    ----------
    folder
        Of the submission.
    records
        That were read.
    objections
        Why it is refused, by file; none where it is accepted.
    """

    folder: Path
    records: tuple[Record, ...]
    objections: tuple[LeftOut, ...]

    def to_json(self) -> dict[str, object]:
        """Return the result as plain JSON values."""
        return {
            "submission": self.folder.name,
            "records": len(self.records),
            "accepted": not self.objections,
            "objections": [objection.to_json() for objection in self.objections],
        }


def verify_submission(folder: Path, accepted: Sequence[Record], history: History) -> Verified:
    """Check a submission of a stranger.

    Parameters
    ----------
    folder
        Of the submission.
    accepted
        Records of other submissions: samples of the same cells must be the same.
    history
        Of harness.

    Raises
    ------
    DataError
        Where the folder is not a submission.
    """
    manifest = read_manifest(folder)
    found = list(odd_files(folder, manifest))
    if found:
        return Verified(folder, (), tuple(found))
    store = Store(folder)
    records = store.all()
    found += store.left_out
    known = {store.counts_path(record.cell) for record in records}
    found += [LeftOut(path, "no record belongs to it") for path in _archives(store) if path not in known]
    if not records:
        found.append(LeftOut(folder, "it has no record"))
    for record in records:
        path = store.path(record.cell)
        reasons = [*objections(store, record, [*accepted, *records]), history.why_unknown(record.environment)]
        if manifest.software.get(path.relative_to(folder).as_posix()) != software_digest(record):
            reasons.append("the digest of its software is not that of its environment")
        found += [LeftOut(path, reason) for reason in reasons if reason]
    return Verified(folder, tuple(records), tuple(found))


def objections(store: Store, record: Record, others: Sequence[Record]) -> Iterator[str]:
    """Yield why a record can't be on the leaderboard, one clause each, whichever version of harness measured it.

    Parameters
    ----------
    store
        Where its counts lie.
    record
        Of any status.
    others
        Records whose samples must be the same where the cells are.
    """
    if record.status != "ok" or record.schema != SCHEMA:
        yield f"it is {record.status}" if record.status != "ok" else "an earlier version of harness wrote it"
        return
    yield from _of_cell(record)
    yield from _of_data(record, others)
    yield from _of_code(record)
    yield from _of_machine(record)
    result = recompute(store, record, None)
    yield from (*result.differs, *result.missing)
    if not result.missing:
        yield from _of_details(store, record)


def _archives(store: Store) -> list[Path]:
    folder = store.folder / "counts"
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _of_cell(record: Record) -> Iterator[str]:
    """Yield what makes a cell comparable with no other."""
    cell = record.cell
    preset = PRESETS.get(cell.protocol.preset)
    if preset is None or replace(preset, weights=cell.protocol.weights) != cell.protocol:
        yield "its protocol is not one of this version of harness"
    info = DATASETS.get(cell.dataset)
    if info is None or cell.dataset == OWN_DATA or cell.category not in info.categories:
        yield f"{one_line(cell.category)} of {one_line(cell.dataset)} is not a published category that harness knows"
        return
    if cell.split not in SPLIT_NAMES:
        yield f"its split '{one_line(cell.split)}' is none of {', '.join(SPLIT_NAMES)}"
    elif has_published_lists(cell.dataset) and not cell.checkpoint:
        lists = published_lists(cell.dataset, cell.category)
        if lists.split(cell.shots, cell.split).digest != cell.split_digest:
            yield "its training samples are not those of the published list"
    unverified = [name for name, used in record.weights.items() if not used.verified]
    if unverified:
        yield f"its weight file {one_line(unverified[0])} is not the published one"
    if {name: used.sha256 for name, used in record.weights.items()} != dict(cell.weights):
        yield "its weight files are not those of its cell"


def _of_data(record: Record, others: Sequence[Record]) -> Iterator[str]:
    """Yield how its samples differ from the published ones, and from those of other records."""
    cell, info = record.cell, DATASETS.get(record.cell.dataset)
    if info is None or cell.category not in info.categories:
        return
    if record.samples.train is None or record.samples.test is None:
        yield "it does not say how many samples it had"
    yield from (f"it has {text}" for text in unlike_published([record]).values())
    if not record.content.test or (not record.content.train and not cell.checkpoint):
        yield "it does not say what the files of its samples held"
    if info.embedded and (change := _unlike_made(record, info)):
        yield change
    for other in others:
        theirs = other.cell
        if other is record or (theirs.dataset, theirs.category) != (cell.dataset, cell.category):
            continue
        same = (theirs.shots, theirs.split) == (cell.shots, cell.split)
        content = other.content if same else replace(other.content, train="", nominal="")
        if other.test_images.digest != record.test_images.digest:
            yield f"its test images are not those of {other.cell.label}"
        elif change := data_change(content, record.content):
            yield f"its {change.replace(' have changed since', '')} are not those of {other.cell.label}"
        else:
            continue
        return


def _unlike_made(record: Record, info: DatasetInfo) -> str:
    """Return how its samples differ from those that harness makes, a clause; empty if they don't."""
    cell = record.cell
    content = _made_content(info.name, cell.category, cell.shots, cell.split)
    return "its samples are not those that harness makes" if data_change(content, record.content) else ""


@cache
def _made_content(dataset: str, category: str, shots: Shots, split: str) -> DataContent:
    """Return the digests of the samples of a dataset that harness makes; empty for training of an unknown list."""
    made = open_dataset(dataset, None)
    try:
        ids = set(load_split(made, category, shots, split).ids)
    except HarnessError:
        ids = set()
    train = [ref for ref in made.refs(category, "train") if ref.id in ids]
    validation, test = (made.content_digest(made.refs(category, split)) for split in ("validation", "test"))
    return DataContent(made.content_digest(train) if train else "", test, validation=validation)


def _of_code(record: Record) -> Iterator[str]:
    """Yield how the code that made its numbers differs from that of today."""
    then, method = record.environment.provider, record.cell.method
    if then is None or not then.source:
        yield "it does not say what code computed it"
    elif then.reference:
        yield f"its method is a file, {one_line(then.reference)}, and not an installed package that others can have"
    elif registry.entry_of(method) is None:
        if is_own_distribution(then.distribution):
            yield f"harness has no method {one_line(method)}"
    elif change := code_change(then, provider_of(method)):
        yield f"{change}: its software is stale"
    elif _resolved(record.cell) != dict(record.cell.parameters):
        yield "its parameters are not those of its label"
    if change := reader_change(record.cell.dataset, record.environment.reader, reader_of(record.cell.dataset)):
        yield f"{change}: its software is stale"


def _resolved(cell: Cell) -> dict[str, ParameterValue] | None:
    """Return the parameters that an installed method has where a user names some; None where it can't have these."""
    try:
        return dict(registry.resolve(registry.MethodSpec(cell.method, cell.given), cell.protocol.preset))
    except HarnessError:
        return None


def _of_machine(record: Record) -> Iterator[str]:
    environment = record.environment
    if not environment.hardware:
        yield "it does not say on which device it was measured"
    if environment.contended:
        yield f"its times were taken on a busy machine ({one_line(environment.busy_reason)})"
    if record.latency.device is None or record.latency.end_to_end is None:
        yield "it has no times of inference"


def _of_details(store: Store, record: Record) -> Iterator[str]:
    """Yield what a record has and its counts can't confirm, or the other way round."""
    if any(set(claimed) != set(METRICS) for claimed in (record.metrics, *record.by_defect.values())):
        yield f"it has other metrics than {', '.join(METRICS)}"
    details, info = read_details(store, record), DATASETS.get(record.cell.dataset)
    if not {"device", "end_to_end"} <= details.raw_ms.keys():
        yield "no raw times are stored with it"
    published = info.defects.get(record.cell.category) if info is not None else None
    if published is not None and Counter(image.defect for image in details.images) != Counter(published):
        yield "the defects of its test images are not the published ones"
