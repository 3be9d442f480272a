"""``harness quantities``: every number that a record may hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import click

from harness.cli.options import json_option
from harness.cli.output import console, counted, print_json

if TYPE_CHECKING:
    from harness.store.quantities import Quantity

__all__ = ["command"]


@click.command("quantities")
@json_option
def command(as_json: bool) -> None:
    """List every number that a record may hold: its id in every format, heading, digits, best value and meaning.

    \b
    harness quantities
    harness quantities --json
    """
    from rich.text import Text

    from harness.store.quantities import QUANTITIES, Kind, quantities_of

    if as_json:
        print_json([_plain(quantity) for quantity in QUANTITIES.values()])
        return
    for kind in get_args(Kind):
        console().print(kind, style="bold")
        for quantity in quantities_of(kind):
            best = _best(quantity)
            facts = [quantity.title, counted(quantity.digits, "digit"), *([f"{best} is best"] if best else ())]
            place = ".".join(quantity.place)
            described = f": {', '.join(facts)}; in a record: {place}"
            console().print(Text.assemble("  ", (quantity.id, "bold"), described), soft_wrap=True)
            console().print(f"      {quantity.help}", style="dim", soft_wrap=True)
        console().print()


def _plain(quantity: Quantity) -> dict[str, object]:
    return {
        "id": quantity.id,
        "kind": quantity.kind,
        "heading": quantity.title,
        "math": quantity.math,
        "unit": quantity.unit,
        "digits": quantity.digits,
        "best": _best(quantity),
        "place": quantity.place,
        "help": quantity.help,
    }


def _best(quantity: Quantity) -> str | None:
    """Return which number is best; None for a quantity without a best one."""
    if not quantity.ranked:
        return None
    return "lowest" if quantity.lowest else "highest"
