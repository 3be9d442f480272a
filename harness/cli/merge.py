"""``harness merge``: several results folders into one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import FOLDER, json_option
from harness.cli.output import counted, echo, echo_notes, print_json
from harness.errors import ExitCode

if TYPE_CHECKING:
    from harness.store.merging import Conflict, Merged

__all__ = ["command"]


@click.command("merge")
@click.argument("folders", type=FOLDER, nargs=-1, required=True, metavar="FOLDER...")
@click.option(
    "--to", type=FOLDER, required=True, help="Folder to merge into; it may hold records, and may be one of FOLDER."
)
@json_option
def command(folders: tuple[Path, ...], to: Path, as_json: bool) -> ExitCode:
    """Merge results folders into one: records, counts, maps, fitted methods and logs.

    Of the records of a cell on the same hardware the newest ok one counts, else the newest; each other one is listed
    with what differs. Records of other hardware stay side by side; no mean is over several. Nothing is deleted:
    replaced files of the target folder move to its 'aside' folder; other folders stay as they are. The same command
    continues an interrupted merge.

    Exits with 3 where a file was left out, or a cell is being measured; with 6 where there is no record.

    \b
    harness merge node1/results node2/results --to results
    harness tables --results node1/results --results node2/results      the same numbers, and nothing is copied
    """
    from harness.report.console import counting
    from harness.report.tables import NothingMeasuredError
    from harness.store.merging import merge_folders

    with counting("Merging") as progress:
        merged = merge_folders(folders, to, progress)
    echo_notes(merged.warnings)
    if merged.is_empty:
        names = ", ".join(map(str, folders))
        raise NothingMeasuredError(f"There is no record in {names}: name folders that 'harness run' has written to.")
    if as_json:
        print_json(merged.to_json())
    else:
        for conflict in merged.conflicts:
            echo(_conflict_text(conflict))
        echo(_summary(merged))
    return ExitCode.CELL_NOT_OK if merged.warnings else ExitCode.OK


def _conflict_text(conflict: Conflict) -> str:
    from harness.report.groups import cell_title

    where = f", which is now in {conflict.moved_to}" if conflict.moved_to else ""
    paths = f"{conflict.won} counts, not {conflict.lost}{where}"
    return f"{cell_title(conflict.cell)}: {paths}: {'; '.join(conflict.differs)}"


def _summary(merged: Merged) -> str:
    numbers = [f"{counted(merged.copied, 'record')} copied", f"{merged.present} there already"]
    numbers += [f"{merged.completed} completed"] if merged.completed else []
    numbers.append(counted(len(merged.conflicts), "conflict"))
    cells = len(merged.side_by_side)
    numbers += [f"{counted(cells, 'cell')} on several machines, side by side"] if cells else []
    return f"{merged.folder}: {', '.join(numbers)}"
