"""Files of records that are changed at random, for tests of what reads them."""

from __future__ import annotations

import json
from contextlib import suppress
from functools import cache
from pathlib import Path

import msgspec
from hypothesis import strategies as st
from mutations import ODD, OF_KIND, bytes_changed, places
from report_records import full_record, make_record

from harness.cell import Cell
from harness.store.store import Store

WHOLE = full_record(1, dataset="toy", category="bump", preset="quick", weights="random", shots=10).to_json()
OTHER = make_record("cfm-t", "ridge", dataset="toy", preset="quick", weights="random", shots=10)


PLACES = [place for place in places(json.loads(json.dumps(WHOLE))) if place]


@st.composite
def mutated_records(draw: st.DrawFn) -> tuple[str, bytes]:
    """Return name and content of a record's file; half of those that are changed in a value get the id that fits."""
    plain = json.loads(json.dumps(WHOLE))
    for _ in range(draw(st.integers(1, 4))):
        *way, last = draw(st.sampled_from(PLACES))
        with suppress(KeyError, IndexError, TypeError):
            part = plain
            for key in way:
                part = part[key]
            how = draw(st.sampled_from(["change", "keep its kind", "keep its kind", "drop", "add"]))
            if how == "change":
                part[last] = draw(ODD)
            elif how == "keep its kind":
                part[last] = draw(OF_KIND[type(part[last])])
            elif how == "drop":
                del part[last]
            elif isinstance(part, dict):
                part["added"] = draw(ODD)
    name = f"{Store(Path()).path(full_cell()).stem}.json"
    if draw(st.booleans()):
        with suppress(Exception):
            cell = msgspec.convert(plain["cell"], Cell)
            plain["id"], name = cell.id, f"{cell.stem}.json"
    content = json.dumps(plain).encode()
    return name, bytes_changed(draw, content) if draw(st.integers(0, 3)) == 0 else content


@cache
def full_cell() -> Cell:
    return msgspec.convert(json.loads(json.dumps(WHOLE["cell"])), Cell)
