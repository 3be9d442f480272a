"""What the verbs ``leaderboard`` and ``check`` share: which cells they are about."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.options import FOLDER, variable_option
from harness.cli.query_options import folders_to_name

if TYPE_CHECKING:
    from harness.gate.leaderboard import Board, Latest
    from harness.gate.rows import BoardRow, CellKey
    from harness.store.query import RecordQuery
    from harness.store.record import Record
    from harness.store.store import Store

__all__ = ["Scope", "first_few", "leaderboard_option", "replaced_text", "update_command"]

_DEFAULT_FOLDER = Path("results") / "leaderboard"

_LISTED = 5
"""Things that a note lists before it says how many more there are."""

leaderboard_option = variable_option(
    "--leaderboard",
    "folder",
    type=FOLDER,
    variable="HARNESS_LEADERBOARD",
    default=_DEFAULT_FOLDER,
    help="Folder of leaderboards.",
)


@dataclass(frozen=True, slots=True)
class Scope:
    """The cells that a verb is about.

    Parameters
    ----------
    query
        Which cells.
    store
        Their records.
    folder
        Of leaderboards.
    """

    query: RecordQuery
    store: Store
    folder: Path

    def keeps(self, key: CellKey) -> bool:
        """Return whether a query chooses a line of a leaderboard in the scope."""
        query = self.query
        return (
            query.keeps_label(key.method)
            and query.keeps_category(key.category)
            and (not query.shots or key.shots in map(str, query.shots))
            and (not query.splits or key.shots == "full" or key.split in query.splits)
            and query.weights in ("", key.weights.partition("+")[0])
        )

    def shows(self, row: BoardRow) -> bool:
        """Return whether a query chooses a line itself; lines are of cells that are ok."""
        query = self.query
        return (
            self.keeps(row.key)
            and (not query.statuses or "ok" in query.statuses)
            and query.device.lower() in row.hardware.lower()
        )

    def boards(self) -> tuple[Board, ...]:
        """Return the leaderboards in it that have a file."""
        from harness.gate.leaderboard import find_boards

        query = self.query
        boards = find_boards(self.folder)
        return tuple(b for b in boards if query.dataset in ("", b.dataset) and query.preset in ("", b.preset))

    def newest(self) -> dict[Board, Latest]:
        """Return the newest records in it by leaderboard, whether that has a file or not; a stale one counts as failed.

        Raises
        ------
        UsageError
            For a name that neither records nor leaderboards know.
        """
        from harness.gate.leaderboard import Board, latest
        from harness.store.provenance import stale_as_failed

        records = stale_as_failed(self.store.all())
        self.check(records)
        by_board: dict[Board, list[Record]] = {}
        for record in self.query.select(records):
            board = Board(self.folder, record.cell.dataset, record.cell.protocol.preset)
            by_board.setdefault(board, []).append(record)
        return {board: latest(by_board[board]) for board in sorted(by_board, key=lambda b: (b.dataset, b.preset))}

    def check(self, records: Iterable[Record] = ()) -> None:
        """Raise UsageError for a name that neither records nor leaderboards know."""
        from harness.gate.leaderboard import find_boards

        boards = find_boards(self.folder) if self.query.methods or self.query.categories else ()
        keys = [row.key for board in boards for row in board.read().rows]
        self.query.check(records, [key.method for key in keys], [key.category for key in keys])


def replaced_text(board: Board, newest: Latest) -> str:
    """Return the sentence that says that older records were ignored."""
    return f"{board.name}: of several records of one cell the newest counts: {first_few(newest.several)}."


def first_few(things: Sequence[object]) -> str:
    """Return the first few things between commas, and how many more there are."""
    more = f" and {len(things) - _LISTED} more" if len(things) > _LISTED else ""
    return ", ".join(map(str, things[:_LISTED])) + more


def update_command(board: Board, store: Store) -> str:
    """Return the command that updates one leaderboard, as typed.

    Parameters
    ----------
    board
        Its dataset, preset and folder become options; the folder where it is not the default one.
    store
        Its folders become options where they are not the default one.
    """
    words = ["harness", "leaderboard", "update", "--dataset", board.dataset, "--preset", board.preset]
    words += [word for folder in folders_to_name(store) for word in ("--results", str(folder))]
    words += ["--leaderboard", str(board.folder)] if board.folder != _DEFAULT_FOLDER else []
    return shlex.join(words)
