"""The options that choose records: one set for every verb that reads them, spelled the same everywhere."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.completion import complete
from harness.cli.options import FOLDER, names_option, variable_option
from harness.cli.output import counted, echo_notes
from harness.data.conditions import NONE

if TYPE_CHECKING:
    from harness.report.tables import NothingMeasuredError
    from harness.store.query import RecordQuery
    from harness.store.record import Record
    from harness.store.store import Store

__all__ = [
    "contended_option",
    "folders_to_name",
    "nothing_measured",
    "query_options",
    "query_text",
    "start_advice",
    "tell_elsewhere",
    "tell_left_out",
]

_Function = Callable[..., Any]

_STATUSES = ("ok", "failed", "oom", "timeout", "killed", "unsupported")


class _Repeatable(click.Option):
    """An option that may be repeated, and that a settings file may set to one text."""

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """Take one text for a list of one."""
        return super().type_cast_value(ctx, (value,) if isinstance(value, str) else value)


# The prefix keeps the settings of a project out: they say how to run, and choose no records.
_OPTIONS = (
    click.option(
        "--dataset", "-d", "query_dataset", default="", shell_complete=complete, help="One dataset; all by default."
    ),
    names_option("--methods", "-m", "query_methods", help="Names, globs, or name[parameter=value]."),
    names_option("--categories", "-c", "query_categories", help="Names or globs; all by default."),
    names_option("--shots", "-n", "query_shots", help="1, 2, ..., full; all by default."),
    names_option("--split", "query_splits", help="Few-shot lists: first, or seeds 0 to 4."),
    click.option("--preset", "query_preset", default="", help="paper or quick; all by default."),
    click.option("--weights", "query_weights", default="", help="pretrained or random; all by default."),
    click.option(
        "--device", "query_device", default="", help="cpu, cuda, or a part of a machine's name; all by default."
    ),
    names_option(
        "--condition",
        "query_conditions",
        help="Names or globs of conditions of 'harness run', or all; none by default.",
    ),
    names_option("--status", "query_statuses", help=f"{', '.join(_STATUSES)}."),
    variable_option(
        "--results",
        cls=_Repeatable,
        type=FOLDER,
        multiple=True,
        variable="HARNESS_RESULTS",
        default=(Path("results"),),
        show_default="results",
        help="Folder of records; may be given more than once.",
    ),
)


contended_option = click.option(
    "--contended",
    "query_contended",
    is_flag=True,
    help="Show times that were measured on a busy machine, too, marked; they are not ranked.",
)


def folders_to_name(store: Store) -> tuple[Path, ...]:
    """Return the results folders that a command must name to read the same records; none for the default one."""
    return () if store.folders_given == (Path("results"),) else store.folders_given


def query_options(function: _Function) -> _Function:
    """Add the options that choose records; the function gets them as ``query``, and the folders as ``store``."""

    @functools.wraps(function)
    def wrapper(*arguments: Any, results: tuple[Path, ...], **options: Any) -> Any:
        from harness.data.splits import parse_shots, require_split_name
        from harness.store.query import RecordQuery
        from harness.store.several import open_store

        names = [name for name in options if name.startswith("query_")]
        chosen = {name.removeprefix("query_"): options.pop(name) for name in names}
        for split in chosen["splits"]:
            require_split_name(split)
        chosen["conditions"] = chosen["conditions"] or RecordQuery().conditions
        query = RecordQuery(**{**chosen, "shots": tuple(map(parse_shots, chosen["shots"]))})
        store = open_store(results, query.device)
        try:
            return function(*arguments, query=query, store=store, **options)
        finally:
            tell_left_out(store)

    for option in reversed(_OPTIONS):
        wrapper = option(wrapper)
    return wrapper


def tell_left_out(store: Store) -> None:
    """Say on standard error, once and in one sentence, which files of the results folders can't be used."""
    from harness.store.store import left_out_records_text

    if store.left_out:
        echo_notes([left_out_records_text(store)])


def tell_elsewhere(store: Store, query: RecordQuery) -> None:
    """Say on standard error, where a verb shows one record of a cell, which machines have measured such cells, too."""
    from harness.store.means import machines_of

    others = query.select(store.elsewhere)
    if others:
        cells = counted(len({record.cell.id for record in others}), "cell")
        advice = "choose a machine with --device, or see 'harness tables --table timing,memory'."
        echo_notes([f"Other machines have measured {cells}, too ({'; '.join(machines_of(others))}): {advice}"])


def query_text(query: RecordQuery) -> str:
    """Return what narrows a query, for sentences; empty or with a space before it."""
    parts = {
        " on {}": query.dataset,
        " at preset {}": query.preset,
        " in {}": ", ".join(query.categories),
        " with {} shots": " or ".join(map(str, query.shots)),
        " with split {}": " or ".join(query.splits),
        " with {} weights": query.weights,
        " under condition {}": " or ".join(name for name in query.conditions if name != NONE),
        " with status {}": " or ".join(query.statuses),
        " on device {}": query.device,
        " by {}": ", ".join(query.methods),
    }
    return "".join(text.format(value) for text, value in parts.items() if value)


def start_advice(query: RecordQuery) -> str:
    """Return the end of an error: what to do where a query chooses nothing."""
    methods = shlex.quote(",".join(query.methods) or "cfm,cfm-t")
    dataset = f" --dataset {query.dataset}" if query.dataset else ""
    shots = ",".join(map(str, query.shots)) or "10"
    return f"start with 'harness run --methods {methods}{dataset} --shots {shots}', or name another --results DIR."


def nothing_measured(query: RecordQuery, store: Store, records: Collection[Record] = ()) -> NothingMeasuredError:
    """Return the error that says that a query chooses no record, or none that is ok.

    Parameters
    ----------
    query
        Which records are wanted.
    store
        Where they were looked for.
    records
        Those that the query chooses; none of them is ok.
    """
    from harness.report.tables import NothingMeasuredError

    text = query_text(query)
    if not records:
        return NothingMeasuredError(f"Nothing is measured{text} in {store.cells}: {start_advice(query)}")
    statuses = ", ".join(sorted({record.status for record in records}))
    return NothingMeasuredError(
        f"None of the {len(records)} cells{text} in {store.cells} is ok ({statuses}): see why with "
        "'harness status --failed', and repeat 'harness run'."
    )
