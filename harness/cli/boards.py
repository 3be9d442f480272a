"""What the verbs ``leaderboard`` and ``check`` share: their options, and which cells they are about."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import NameList, join
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.gate.leaderboard import Board, Latest
    from harness.gate.rows import CellKey
    from harness.store.record import Record

__all__ = [
    "DEFAULT_FOLDER",
    "Scope",
    "command_text",
    "named",
    "nothing_measured",
    "nothing_ok",
    "scope_options",
    "several_text",
]

DEFAULT_FOLDER = Path("results") / "leaderboard"

_NAMED = 5
"""Things that a note names before it says how many more there are."""

_Function = Callable[..., Any]
_Pair = tuple[str, str]


def scope_options(function: _Function) -> _Function:
    """Add ``--dataset``, ``--preset``, ``--methods`` and ``--leaderboard``."""
    options = (
        click.option("--dataset", "-d", help="One dataset; all by default."),
        click.option("--preset", help="One preset; all by default."),
        click.option("--methods", "-m", type=NameList(), multiple=True, help="Names, globs, or name[parameter=value]."),
        click.option("--categories", "-c", type=NameList(), multiple=True, help="Names or globs; all by default."),
        click.option("--shots", "-n", type=NameList(), multiple=True, help="5, 10, 50, full; all by default."),
        click.option(
            "--leaderboard",
            "folder",
            type=click.Path(path_type=Path, file_okay=False),
            envvar="HARNESS_LEADERBOARD",
            show_envvar=True,
            default=DEFAULT_FOLDER,
            show_default=True,
            help="Folder of leaderboards.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


@dataclass(frozen=True, slots=True)
class Scope:
    """The cells that a verb is about.

    Parameters
    ----------
    dataset, preset
        One of each; all where None.
    methods
        Names, globs, or labels with parameters; all where empty.
    categories
        Names or globs; all where empty.
    shots
        As text; all where empty.
    folder
        Of leaderboards.
    """

    dataset: str | None
    preset: str | None
    methods: tuple[str, ...]
    categories: tuple[str, ...]
    shots: tuple[str, ...]
    folder: Path

    @classmethod
    def of(
        cls,
        dataset: str | None,
        preset: str | None,
        methods: Sequence[tuple[str, ...]],
        categories: Sequence[tuple[str, ...]],
        shots: Sequence[tuple[str, ...]],
        folder: Path,
    ) -> Scope:
        """Return the scope of a command line; raise UsageError for an unknown dataset, preset or number of shots."""
        from harness.data.base import DATASETS
        from harness.data.splits import parse_shots
        from harness.protocol import PRESETS
        from harness.registry import nearest_names

        for what, name, known in (("dataset", dataset, DATASETS), ("preset", preset, PRESETS)):
            if name is not None and name not in known:
                raise UsageError(f"There is no {what} '{name}': {nearest_names(name, known)}")
        numbers = tuple(str(parse_shots(text)) for text in join(shots))
        return cls(dataset, preset, join(methods), join(categories), numbers, folder)

    @property
    def words(self) -> str:
        """What narrows it, for sentences; empty or with a space before it."""
        about = f" on {self.dataset}" if self.dataset else ""
        about += f" at preset {self.preset}" if self.preset else ""
        about += f" in {', '.join(self.categories)}" if self.categories else ""
        about += f" with {' or '.join(self.shots)} shots" if self.shots else ""
        return about + (f" by {', '.join(self.methods)}" if self.methods else "")

    def keeps(self, key: CellKey) -> bool:
        """Return whether a cell is in it."""
        from harness.report.tables import Request

        return (
            Request(methods=self.methods).keeps(key.method)
            and (not self.shots or key.shots in self.shots)
            and (not self.categories or any(fnmatchcase(key.category, pattern) for pattern in self.categories))
        )

    def boards(self) -> tuple[Board, ...]:
        """Return the leaderboards in it that have a file."""
        from harness.gate.leaderboard import find_boards

        return tuple(
            board
            for board in find_boards(self.folder)
            if self.dataset in (None, board.dataset) and self.preset in (None, board.preset)
        )

    def records(self, results: Path) -> dict[_Pair, list[Record]]:
        """Return the records in it, by dataset and preset; raise UsageError for a method that nothing is known of."""
        from harness.gate.rows import CellKey
        from harness.store.store import Store

        records = Store(results).all()
        self.check_methods(record.cell.label for record in records)
        found: dict[_Pair, list[Record]] = {}
        for record in records:
            pair = (record.cell.dataset, record.cell.protocol.preset)
            if (
                self.dataset in (None, pair[0])
                and self.preset in (None, pair[1])
                and self.keeps(CellKey.of(record.cell))
            ):
                found.setdefault(pair, []).append(record)
        return dict(sorted(found.items()))

    def check_methods(self, measured: Iterable[str] = ()) -> None:
        """Raise UsageError for a method that is neither measured nor on a leaderboard.

        Parameters
        ----------
        measured
            Labels of records.
        """
        from harness.gate.leaderboard import find_boards
        from harness.registry import base_name, nearest_names
        from harness.report.tables import Request

        if not self.methods:
            return
        labels = {*measured, *(row.key.method for board in find_boards(self.folder) for row in board.read())}
        names = {*labels, *map(base_name, labels)}
        for pattern in self.methods:
            if not any(Request(methods=(pattern,)).keeps(label) for label in labels):
                raise UsageError(
                    f"Method '{pattern}' is neither measured nor on a leaderboard: {nearest_names(pattern, names)}"
                )


def nothing_measured(scope: Scope, results: Path) -> str:
    """Return the sentence that says that the results have no record in a scope."""
    return (
        f"Nothing is measured{scope.words} in {results / 'cells'}: start with 'harness run --methods all --shots 10', "
        "or name another --results DIR."
    )


def nothing_ok(newest: Collection[Latest], scope: Scope, results: Path) -> str:
    """Return the sentence that says that no record in a scope is ok.

    Parameters
    ----------
    newest
        All that there is in the scope.
    scope, results
        What was asked for.
    """
    states = sorted({record.status for found in newest for record in found.records.values()})
    if not states:
        return nothing_measured(scope, results)
    count = sum(len(found.records) for found in newest)
    return (
        f"None of the {count} cells{scope.words} in {results / 'cells'} is ok ({', '.join(states)}): see why with "
        "'harness status --failed', and repeat 'harness run'."
    )


def several_text(board: Board, found: Latest) -> str:
    """Return the sentence that says that older records were passed over."""
    return f"{board.name}: of several records of one cell the newest counts: {named(found.several)}."


def named(things: Sequence[object]) -> str:
    """Return the first few things between commas, and how many more there are."""
    more = f" and {len(things) - _NAMED} more" if len(things) > _NAMED else ""
    return ", ".join(map(str, things[:_NAMED])) + more


def command_text(verb: str, board: Board, results: Path) -> str:
    """Return a command about one leaderboard, as typed.

    Parameters
    ----------
    verb
        Words between ``harness`` and the options.
    board
        Its dataset, preset and folder become options; the folder where it is not the default one.
    results
        Becomes an option where it is not the default one.
    """
    words = ["harness", *verb.split(), "--dataset", board.dataset, "--preset", board.preset]
    words += ["--results", str(results)] if results != Path("results") else []
    words += ["--leaderboard", str(board.folder)] if board.folder != DEFAULT_FOLDER else []
    return shlex.join(words)
