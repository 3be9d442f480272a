"""What the verbs ``leaderboard`` and ``check`` share: which cells they are about."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.query_options import folders_to_name

if TYPE_CHECKING:
    from harness.gate.leaderboard import Board, Latest
    from harness.gate.rows import CellKey
    from harness.store.query import RecordQuery
    from harness.store.record import Record
    from harness.store.store import Store

__all__ = [
    "DEFAULT_FOLDER",
    "Scope",
    "command_text",
    "leaderboard_option",
    "named",
    "nothing_measured",
    "nothing_ok",
    "several_text",
]

DEFAULT_FOLDER = Path("results") / "leaderboard"

_NAMED = 5
"""Things that a note names before it says how many more there are."""

_Function = Callable[..., Any]
_Pair = tuple[str, str]


def leaderboard_option(function: _Function) -> _Function:
    """Add ``--leaderboard``."""
    return click.option(
        "--leaderboard",
        "folder",
        type=click.Path(path_type=Path, file_okay=False),
        envvar="HARNESS_LEADERBOARD",
        show_envvar=True,
        default=DEFAULT_FOLDER,
        show_default=True,
        help="Folder of leaderboards.",
    )(function)


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

    @property
    def words(self) -> str:
        """What narrows it, for sentences; empty or with a space before it."""
        query = self.query
        about = f" on {query.dataset}" if query.dataset else ""
        about += f" at preset {query.preset}" if query.preset else ""
        about += f" in {', '.join(query.categories)}" if query.categories else ""
        about += f" with {' or '.join(map(str, query.shots))} shots" if query.shots else ""
        return about + (f" by {', '.join(query.methods)}" if query.methods else "")

    def keeps(self, key: CellKey) -> bool:
        """Return whether a line of a leaderboard in the scope is meant."""
        query = self.query
        return (
            query.keeps_label(key.method)
            and query.keeps_category(key.category)
            and (not query.shots or key.shots in map(str, query.shots))
            and (not query.splits or key.shots == "full" or key.split in query.splits)
            and query.weights in ("", key.weights.partition("+")[0])
        )

    def boards(self) -> tuple[Board, ...]:
        """Return the leaderboards in it that have a file."""
        from harness.gate.leaderboard import find_boards

        query = self.query
        boards = find_boards(self.folder)
        return tuple(b for b in boards if query.dataset in ("", b.dataset) and query.preset in ("", b.preset))

    def records(self) -> dict[_Pair, list[Record]]:
        """Return the records in it, by dataset and preset; raise UsageError for a name that nothing is known of."""
        records = self.store.all()
        self.check(records)
        by_pair: dict[_Pair, list[Record]] = {}
        for record in self.query.select(records):
            by_pair.setdefault((record.cell.dataset, record.cell.protocol.preset), []).append(record)
        return dict(sorted(by_pair.items()))

    def check(self, records: Iterable[Record] = ()) -> None:
        """Raise UsageError for a name that neither records nor leaderboards know."""
        from harness.gate.leaderboard import find_boards

        boards = find_boards(self.folder) if self.query.methods or self.query.categories else ()
        keys = [row.key for board in boards for row in board.read()]
        self.query.check(records, [key.method for key in keys], [key.category for key in keys])


def nothing_measured(scope: Scope) -> str:
    """Return the sentence that says that the results have no record in a scope."""
    return (
        f"Nothing is measured{scope.words} in {scope.store.cells}: start with 'harness run --methods all --shots 10', "
        "or name another --results DIR."
    )


def nothing_ok(newest: Collection[Latest], scope: Scope) -> str:
    """Return the sentence that says that no record in a scope is ok.

    Parameters
    ----------
    newest
        All that there is in the scope.
    scope
        What was asked for.
    """
    states = sorted({record.status for latest in newest for record in latest.records.values()})
    if not states:
        return nothing_measured(scope)
    count = sum(len(latest.records) for latest in newest)
    return (
        f"None of the {count} cells{scope.words} in {scope.store.cells} is ok ({', '.join(states)}): see why with "
        "'harness status --failed', and repeat 'harness run'."
    )


def several_text(board: Board, newest: Latest) -> str:
    """Return the sentence that says that older records were passed over."""
    return f"{board.name}: of several records of one cell the newest counts: {named(newest.several)}."


def named(things: Sequence[object]) -> str:
    """Return the first few things between commas, and how many more there are."""
    more = f" and {len(things) - _NAMED} more" if len(things) > _NAMED else ""
    return ", ".join(map(str, things[:_NAMED])) + more


def command_text(verb: str, board: Board, store: Store) -> str:
    """Return a command about one leaderboard, as typed.

    Parameters
    ----------
    verb
        Words between ``harness`` and the options.
    board
        Its dataset, preset and folder become options; the folder where it is not the default one.
    store
        Its folders become options where they are not the default one.
    """
    words = ["harness", *verb.split(), "--dataset", board.dataset, "--preset", board.preset]
    words += [word for folder in folders_to_name(store) for word in ("--results", str(folder))]
    words += ["--leaderboard", str(board.folder)] if board.folder != DEFAULT_FOLDER else []
    return shlex.join(words)
