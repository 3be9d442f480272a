"""``harness leaderboard submit`` and ``verify``: a folder for a pull request, and what its review checks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.boards import first_few
from harness.cli.options import FOLDER, json_option, variable_option
from harness.cli.output import bytes_text, counted, echo, echo_notes, print_json
from harness.cli.query_options import nothing_measured, query_options, tell_elsewhere
from harness.errors import DataError, ExitCode

if TYPE_CHECKING:
    from harness.store.query import RecordQuery
    from harness.store.record import Record
    from harness.store.store import Store

__all__ = ["submissions_option", "submit", "verify"]

_DEFAULT_FOLDER = Path("results") / "submissions"

submissions_option = variable_option(
    "--submissions",
    type=FOLDER,
    variable="HARNESS_SUBMISSIONS",
    default=_DEFAULT_FOLDER,
    help="Folder of submissions.",
)


@click.command("submit", short_help="Write measured cells to a folder for a pull request.")
@click.argument("name")
@submissions_option
@query_options
@json_option
def submit(name: str, submissions: Path, as_json: bool, query: RecordQuery, store: Store) -> int:
    """Write cells that are ok, with their counts, to the submission NAME, and say how to open the pull request.

    A cell that the review would refuse is left out, with the reason. Names of hosts, jobs and devices are left out of
    records.

    \b
    harness leaderboard submit lab-cfm-h200 --dataset mvtec3d --methods cfm
    """
    from harness.gate.acceptance import objections
    from harness.gate.submission import write_submission

    records = query.select(store.all())
    tell_elsewhere(store, query)
    if not any(record.status == "ok" for record in records):
        raise nothing_measured(query, store, records)
    against = {record.cell.id: list(objections(store.home(record), record, ())) for record in records}
    kept = [record for record in records if not against[record.cell.id]]
    echo_notes(_left_out(records, against))
    if not kept:
        raise DataError("No cell fits the leaderboard, so nothing is written: measure them again with 'harness run'.")
    folder = submissions / name
    files = write_submission(folder, kept, store)
    if as_json:
        return print_json({"folder": folder, "records": [record.cell.stem for record in kept], "files": files})
    methods = len({record.cell.label for record in kept})
    size = bytes_text(sum(path.stat().st_size for path in files))
    echo(f"{folder}: {counted(len(kept), 'record')} of {counted(methods, 'method')}, {size}")
    echo("To open the pull request, in a checkout of your fork of harness:")
    for line in _pull_request(folder, name):
        echo(f"    {line}")
    return ExitCode.OK


@click.command("verify", short_help="Check submissions: what the review of a pull request does.")
@click.argument("folders", type=FOLDER, nargs=-1, required=True)
@submissions_option
@json_option
def verify(folders: tuple[Path, ...], submissions: Path, as_json: bool) -> int:
    """Compute every metric of submissions again from their counts, and refuse what does not fit.

    Exits with 3, and one line for each reason, where a file is odd or was changed, a number is not that of the counts,
    samples are not those of the dataset or of the accepted submissions in --submissions, the version of harness is not
    known or the code of a method has changed since, times were taken on a busy machine, or a cell is comparable with no
    other. Nothing of a submission is run, and no file outside its folder is read.

    \b
    harness leaderboard verify results/submissions/lab-cfm-h200
    """
    from harness.gate.acceptance import verify_submission
    from harness.gate.history import History
    from harness.gate.submission import find_submissions

    history = History.of_this_package()
    names = {folder.name for folder in folders}
    accepted = _records(folder for folder in find_submissions(submissions) if folder.name not in names)
    results = [verify_submission(folder, accepted, history) for folder in folders]
    if as_json:
        print_json([result.to_json() for result in results])
    for result in () if as_json else results:
        for objection in result.objections:
            inside = objection.path.relative_to(result.folder)
            echo(f"{result.folder.name}: {inside}: {objection.to_json()['reason']}")
        verdict = f"refused, for {counted(len(result.objections), 'reason')}" if result.objections else "accepted"
        echo(f"{result.folder.name}: {counted(len(result.records), 'record')}: {verdict}")
    return ExitCode.CELL_NOT_OK if any(result.objections for result in results) else ExitCode.OK


def _left_out(records: Sequence[Record], against: dict[str, list[str]]) -> list[str]:
    """Return sentences on the cells that are left out, one for each reason."""
    from harness.report.groups import cell_title

    cells = {record.cell.id: cell_title(record.cell) for record in records}
    reasons = Counter(reason for those in against.values() for reason in those)
    return [
        f"left out, because {reason}: {first_few([cells[id] for id, those in against.items() if reason in those])}"
        for reason in reasons
    ]


def _records(folders: Iterable[Path]) -> list[Record]:
    from harness.store.store import Store

    return [record for folder in folders for record in Store(folder).all()]


def _pull_request(folder: Path, name: str) -> list[str]:
    place = _DEFAULT_FOLDER / name
    copy = [] if folder == place else [f"mkdir -p {_DEFAULT_FOLDER} && cp -r {folder.absolute()} {place}"]
    return [
        *copy,
        f"git switch -c {name} && git add {place}",
        f"git commit -m 'Leaderboard: {name}' && git push -u origin {name}",
    ]
