"""Numbers of other code, other data or other versions in one table; methods without weights beside any others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from report_records import make_record

from harness import registry
from harness.distribution import DISTRIBUTION
from harness.report.frame import tidy_rows
from harness.report.groups import group_records, split_by_machine
from harness.report.own_tables import accuracy_grid
from harness.store.environment import Environment, Provider
from harness.store.provenance import source_of
from harness.store.query import RecordQuery
from harness.store.record import DataContent, Record

PLUGIN = Path(__file__).parents[1] / "plugin" / "colour_distance.py"
NOW = Provider("harness", "0.1.0", source_of("cfm"))
OLD = Provider("harness", "0.1.0", "0" * 64)
OLDER = Provider("harness", "0.1.0", "1" * 64)


def record(category: str, provider: Provider | None = NOW, day: int = 1, **changes) -> Record:
    made = make_record("cfm", category, **changes)
    environment = replace(made.environment, provider=provider)
    return replace(made, environment=environment, created=f"2026-01-{day:02d}T00:00:00+00:00")


def only_method(records):
    (group,) = group_records(records)
    (method,) = group.methods
    return group, method


def test_numbers_of_other_code_are_not_averaged_with_those_of_today():
    group, method = only_method([record("bagel", OLD, day=9), record("foam"), record("tire")])
    assert list(method.ok) == ["foam", "tire"]
    assert method.shown_stale == ""
    assert method.why_missing("bagel").startswith("bagel (stale: its code has changed since")
    (row,) = accuracy_grid(group, None).rows
    assert row.labels[0].text == "cfm (2 of 10)"
    assert "bagel (stale" in row.labels[0].note


def test_a_current_number_comes_before_a_newer_one_of_other_code():
    current = record("bagel", day=1, data_digest="other")
    _, method = only_method([current, record("bagel", OLD, day=9)])
    assert method.records["bagel"] is current


def test_where_all_are_stale_those_of_one_code_are_shown_and_marked():
    group, method = only_method([record("bagel", OLDER), record("foam", OLD, day=3), record("tire", OLD, day=2)])
    assert sorted(method.ok) == ["foam", "tire"]
    (row,) = accuracy_grid(group, None).rows
    assert row.labels[0].text == "cfm (2 of 10, stale)"
    assert "'harness run' measures it again" in row.labels[0].note
    notes = {row["note"] for row in tidy_rows([record("bagel", OLD)]) if row["value"] is not None}
    assert len(notes) == 1
    assert notes.pop().startswith("stale: its code has changed")


@pytest.mark.parametrize(
    "provider", [NOW, None, Provider("harness", "0.0.1"), Provider(DISTRIBUTION, "0.0.1"), replace(NOW, version="9.9")]
)
def test_code_that_is_equal_or_unknown_is_not_stale(provider):
    _, method = only_method([record("bagel", provider)])
    assert (list(method.ok), method.stale) == (["bagel"], {})


@pytest.mark.parametrize("part", ["train", "test"])
def test_numbers_on_other_files_than_the_newest_are_stale(part):
    def on(method: str, content: str, day: int, **changes) -> Record:
        made = replace(make_record(method, **changes), content=DataContent(**{part: content}))
        return replace(made, created=f"2026-01-{day:02d}T00:00:00+00:00")

    (group,) = group_records([on("cfm", "a", 1), on("btf", "b", 2), on("m3dm", "b", 1), make_record("cfm-t")])
    stale = {method.label: method.shown_stale for method in group.methods}
    assert [label for label, reason in stale.items() if reason] == ["cfm"]
    others = group_records([on("cfm", "a", 1, shots=5), on("btf", "b", 2)])
    assert [bool(method.shown_stale) for group in others for method in group.methods] == [part == "test", False]


def test_where_no_content_is_known_names_and_sizes_of_the_files_are_compared():
    def on(method: str, data: str, day: int, **content: str) -> Record:
        made = replace(make_record(method, data_digest=data), content=DataContent(**content))
        return replace(made, created=f"2026-01-{day:02d}T00:00:00+00:00")

    old, new, same = on("cfm", "copy", 1), on("btf", "download", 2), on("m3dm", "download", 1)
    (group,) = group_records([old, new, same])
    assert [method.label for method in group.methods if method.shown_stale] == ["cfm"]
    known = [on("cfm", "with validation", 1, test="a"), on("btf", "without", 2, test="a")]
    (group,) = group_records(known)
    assert not any(method.shown_stale for method in group.methods)


def test_a_table_of_one_machine_says_what_is_stale_in_all():
    def on(method: str, content: str, day: int, cpu: str) -> Record:
        made = replace(make_record(method, shots=5 if method == "btf" else 10), content=DataContent(test=content))
        environment = replace(made.environment, cpu=cpu)
        return replace(made, environment=environment, created=f"2026-01-{day:02d}T00:00:00+00:00")

    groups = group_records([on("cfm", "a", 1, "A"), on("cfm-t", "a", 1, "B"), on("btf", "b", 2, "A")])
    ten = next(group for group in groups if group.shots == 10)
    parts = split_by_machine(ten)
    assert [[bool(method.shown_stale) for method in part.methods] for part in parts] == [[True], [True]]


def test_versions_that_differ_in_one_mean_are_named():
    def with_torch(category: str, version: str) -> Record:
        made = record(category)
        environment = replace(made.environment, harness="0.1.0", packages={"torch": version})
        return replace(made, environment=environment)

    group, _ = only_method([with_torch("bagel", "2.14.1"), with_torch("foam", "2.13.0"), with_torch("tire", "2.13.0")])
    (row,) = accuracy_grid(group, None).rows
    assert "measured with several versions: torch 2.13.0 and 2.14.1" in row.labels[0].note
    group, _ = only_method([with_torch("bagel", "2.13.0"), with_torch("foam", "2.13.0")])
    assert "versions" not in accuracy_grid(group, None).rows[0].labels[0].note


@pytest.fixture
def weightless(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(registry, "_references", {})
    registry.load.cache_clear()
    yield registry.load_reference(f"{PLUGIN}:ColourDistance")
    registry.load.cache_clear()


def plain(method: str, weights: str) -> Record:
    made = make_record("cfm", dataset="toy", category="bump", weights=weights)
    if method == "cfm":
        return made
    return replace(made, cell=replace(made.cell, method=method, parameters={}, given={}), environment=Environment())


@pytest.mark.parametrize("own", ["pretrained", "random"])
def test_a_method_without_weights_stands_in_the_table_of_every_kind_of_weights(weightless: str, own: str):
    records = [plain(weightless, own), plain("cfm", "random"), plain("cfm", "pretrained")]
    groups = group_records(records)
    assert [group.protocol.weights for group in groups] == ["pretrained", "random"]
    assert [[method.label for method in group.methods] for group in groups] == [["cfm", weightless]] * 2
    (alone,) = group_records([records[0]])
    assert alone.protocol.weights == own
    (asked,) = group_records(records, RecordQuery(weights="random"))
    assert [method.label for method in asked.methods] == ["cfm", weightless]
