"""One selection of records: what each field means, and that fields are joined by and."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_records import make_record

from harness.errors import UsageError
from harness.store.query import RecordQuery, label_matches
from harness.store.record import Record

GPU = {"device": "cuda:0", "device_name": "NVIDIA H200", "cpu": "Xeon"}

RECORDS = {
    "cfm": make_record("cfm"),
    "cfm-t": make_record("cfm-t", "carrot"),
    "2d": make_record("cfm[epochs=50,aggregate=2d]", "foam"),
    "few": make_record("cfm", "cable_gland", shots=5),
    "seed": make_record("btf", shots=10, split="2", environment=GPU),
    "toy": make_record("btf", "bump", dataset="toy", preset="quick", weights="random", shots=10),
    "oom": make_record("cfm-t", "foam", status="oom", reason="CUDA out of memory"),
}


def test_a_condition_is_chosen_by_name_or_glob_and_none_where_nothing_is_said() -> None:
    plain = RECORDS["cfm"]
    moved, dim = (
        replace(plain, cell=replace(plain.cell, protocol=replace(plain.cell.protocol, condition=text)))
        for text in ("rgb-shift:2", "light:0.7")
    )
    records = [plain, moved, dim]
    assert RecordQuery().select(records) == [plain]
    assert RecordQuery(conditions=("rgb-*",)).select(records) == [moved]
    assert RecordQuery(conditions=("light:0.7", "none")).select(records) == [plain, dim]
    assert RecordQuery(conditions=()).select(records) == RecordQuery(conditions=("all",)).select(records) == records
    with pytest.raises(UsageError, match="not a valid condition"):
        RecordQuery(conditions=("fog",)).check(records)


def chosen(**query: Any) -> set[str]:
    selected = RecordQuery(**query).select(RECORDS.values())
    return {name for name, record in RECORDS.items() if record in selected}


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, set(RECORDS)),
        ({"dataset": "toy"}, {"toy"}),
        ({"dataset": "eyecandies"}, set()),
        ({"methods": ("cfm",)}, {"cfm", "2d", "few"}),
        ({"methods": ("cfm-*",)}, {"cfm-t", "oom"}),
        ({"methods": ("cfm*", "btf")}, set(RECORDS)),
        ({"methods": ("all",)}, set(RECORDS)),
        ({"methods": ("cfm[aggregate=2d,epochs=50]",)}, {"2d"}),
        ({"methods": ("cfm[aggregate=2d]",)}, set()),
        ({"categories": ("foam", "ca*")}, {"2d", "oom", "cfm-t", "few"}),
        ({"categories": ("all",)}, set(RECORDS)),
        ({"shots": (5, "full")}, {"cfm", "cfm-t", "2d", "few", "oom"}),
        ({"splits": ("2",)}, {"seed", "cfm", "cfm-t", "2d", "oom"}),
        ({"splits": ("first",)}, set(RECORDS) - {"seed"}),
        ({"preset": "quick"}, {"toy"}),
        ({"weights": "pretrained"}, set(RECORDS) - {"toy"}),
        ({"device": "cuda"}, {"seed"}),
        ({"device": "h200"}, {"seed"}),
        ({"device": "cpu"}, set(RECORDS) - {"seed", "oom"}),
        ({"statuses": ("oom", "failed")}, {"oom"}),
        ({"statuses": ("ok",)}, set(RECORDS) - {"oom"}),
    ],
)
def test_what_each_field_chooses(query: dict[str, Any], names: set[str]) -> None:
    assert chosen(**query) == names


def test_cells_with_all_samples_have_no_split() -> None:
    assert chosen(splits=("4",)) == chosen(shots=("full",)) == {"cfm", "cfm-t", "2d", "oom"}


def test_records_stay_in_their_order() -> None:
    backwards = list(RECORDS.values())[::-1]
    assert RecordQuery().select(backwards) == backwards


@pytest.mark.parametrize(
    ("pattern", "label", "expected"),
    [
        ("cfm", "cfm[epochs=50]", True),
        ("c?m", "cfm", True),
        ("cfm", "cfm-t", False),
        ("cfm[b=2,a=1]", "cfm[a=1,b=2]", True),
        ("cfm[a=1]", "cfm[a=1,b=2]", False),
        ("all", "anything[a=1]", True),
    ],
)
def test_a_label_without_brackets_means_all_parameters(pattern: str, label: str, expected: bool) -> None:
    assert label_matches(pattern, label) is expected


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "dataset": st.sampled_from(["", "toy", "mvtec3d", "eyecandies"]),
    "methods": st.lists(st.sampled_from(["all", "cfm", "cfm-*", "btf", "cfm[epochs=50,aggregate=2d]"]), max_size=2),
    "categories": st.lists(st.sampled_from(["all", "bagel", "ca*", "foam", "bump"]), max_size=2),
    "shots": st.lists(st.sampled_from([5, 10, 50, "full"]), max_size=2),
    "splits": st.lists(st.sampled_from(["first", "0", "2"]), max_size=2),
    "preset": st.sampled_from(["", "paper", "quick"]),
    "weights": st.sampled_from(["", "pretrained", "random"]),
    "device": st.sampled_from(["", "cpu", "CUDA", "xeon"]),
    "statuses": st.lists(st.sampled_from(["ok", "oom", "failed"]), max_size=2),
    "contended": st.booleans(),
    "conditions": st.sampled_from([(), ("all",), ("none",), ("rgb-shift:*",), ("light:0.7", "none")]),
}
QUERIES = st.fixed_dictionaries(VALUES).map(
    lambda values: RecordQuery(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})
)


def test_the_property_test_knows_every_field() -> None:
    assert set(VALUES) == {field.name for field in fields(RecordQuery)}


@given(QUERIES)
def test_a_selection_is_the_intersection_of_those_by_each_field(query: RecordQuery) -> None:
    records = list(RECORDS.values())
    singles = [replace(RecordQuery(), **{name: getattr(query, name)}) for name in VALUES]

    def kept_by_all(record: Record) -> bool:
        return all(record in single.select(records) for single in singles)

    assert query.select(records) == [record for record in records if kept_by_all(record)]
    assert [record for record in records if query.keeps_cell(record.cell)] == replace(
        query, device="", statuses=()
    ).select(records)


@pytest.mark.parametrize(
    ("query", "wrong", "near"),
    [
        ({"dataset": "mvtec"}, "mvtec", "mvtec3d"),
        ({"methods": ("cfn",)}, "cfn", "cfm"),
        ({"methods": ("cfm", "xyz*")}, "xyz*", "btf"),
        ({"methods": ("cfm[aggregate=4d]",)}, "cfm[aggregate=4d]", "cfm"),
        ({"categories": ("bagle",)}, "bagle", "bagel"),
        ({"dataset": "toy", "categories": ("bagel",)}, "bagel", "bump"),
        ({"preset": "quik"}, "quik", "quick"),
        ({"weights": "auto"}, "auto", "pretrained"),
        ({"statuses": ("okay",)}, "okay", "ok"),
    ],
)
def test_an_unknown_name_is_an_error_with_the_nearest_names(query: dict[str, Any], wrong: str, near: str) -> None:
    with pytest.raises(UsageError) as caught:
        RecordQuery(**query).check(RECORDS.values())
    message = str(caught.value)
    assert f"'{wrong}'" in message
    assert near in message.partition(f"'{wrong}'")[2]


def test_names_are_known_by_records_by_what_is_published_and_by_datasets() -> None:
    with pytest.raises(UsageError):
        RecordQuery(methods=("m3dm",)).check([])
    RecordQuery(methods=("m3dm", "cfm*"), categories=("tire",)).check([], ["m3dm", "cfm-s"])
    RecordQuery(categories=("of_its_own",)).check([], categories=["of_its_own"])
    own = make_record("cfm", "screw", dataset="my-parts")
    RecordQuery("my-parts", ("cfm",), ("screw",)).check([own])
    with pytest.raises(UsageError, match="'screw'"):
        RecordQuery("mvtec3d", categories=("screw",)).check([own])
