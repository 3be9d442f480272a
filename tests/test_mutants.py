"""The faults that mutants.py makes, and that its run can't be deceived by tests that fail or run other code."""

from __future__ import annotations

import subprocess

import mutants
import pytest
from mutant_faults import drawn, faults_of

SOURCE = "def between(low: int, value: int, high: int = 9) -> bool:\n    return low <= value and value < high\n"
GOOD_TEST = "from room import between\ndef test_between(): assert between(1, 1) and not between(1, 9)\n"


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("f(a < b)", {"f(a <= b)", "pass"}),
        ("f(a not in b)", {"f(a in b)", "pass"}),
        ("a.x = b is None", {"a.x = b is not None", "pass"}),
        ("a = b or c or d", {"a = b and c or d", "a = b or c and d"}),
        ("a = not b", {"a = b"}),
        ("a = -b + 1", {"a = b + 1", "a = -b - 1", "a = -b + 2"}),
        ("a = 0.5", {"a = 1.0"}),
        ("a = True", {"a = False"}),
        ("a += 1", {"a += 2", "pass"}),
        ("a = g(b, c)", {"a = g(c, b)"}),
        ("a = min(b, c)", set()),
        ("a = b if c else d", {"a = b if not (c) else d"}),
        ("if a: f()", {"if not (a): f()", "if a: pass"}),
        ("return a", {"return None"}),
        ("raise ValueError(1)", {"pass"}),
        ("a = f'{b + 1}'", set()),
        ("a: int = 'text'", set()),
        ("'''Say 1 + 1.'''", set()),
    ],
)
def test_faults_of_a_line(line, wanted):
    source = f"def one():\n    {line}\n"
    made = [fault.after.strip() for fault in faults_of("room.py", source, "seed")]
    assert len(made) == len(set(made))
    assert set(made) == wanted


def test_a_default_is_changed_and_names_keep_their_places_after_other_letters():
    source = "def één(a=2):\n    return 'é', a - 1\n"
    made = {fault.after.strip() for fault in faults_of("room.py", source, "seed")}
    assert {"def één(a=3):", "return 'é', a + 1", "return 'é', a - 2"} <= made


def test_the_draw_is_of_the_seed_and_takes_a_line_once(tmp_path):
    lines = [f"def f{number}(a, b):\n    return a < {number} and b > {number}\n" for number in range(30)]
    (tmp_path / "room.py").write_text("".join(lines))
    first = drawn(["room.py"], 20, "1", tmp_path)
    assert first == drawn(["room.py"], 20, "1", tmp_path)
    assert len({fault.line for fault in first}) == 20
    assert {fault.after for fault in first} != {fault.after for fault in drawn(["room.py"], 20, "2", tmp_path)}


def test_a_changed_function_leaves_most_of_the_draw(tmp_path):
    lines = [f"def f{number}(a, b):\n    return a < {number} and b > {number}\n" for number in range(30)]
    (tmp_path / "room.py").write_text("".join(lines))
    before = {fault.draw for fault in drawn(["room.py"], 20, "1", tmp_path)}
    (tmp_path / "room.py").write_text("def new(a):\n    return a + 1\n" + "".join(lines))
    after = {fault.draw for fault in drawn(["room.py"], 20, "1", tmp_path)}
    assert len(before & after) >= 15


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Make a small repository and return the copy of it as the run makes it, for given tests."""

    def make(test: str) -> mutants.Copy:
        top, copy = tmp_path / "top", tmp_path / "copy"
        top.mkdir()
        (top / "room.py").write_text(SOURCE)
        (top / "test_room.py").write_text(test)
        subprocess.run(["git", "init", "--quiet", str(top)], check=True)
        monkeypatch.setattr(mutants, "TOP", top)
        return mutants.Copy(copy)

    return make


AREA = mutants.Area("room", 9, {"room.py": ["test_room.py"]})


def test_faults_are_killed_or_survive(tree):
    copy = tree(GOOD_TEST)
    faults = [fault for fault in faults_of("room.py", SOURCE, "1") if fault.kind in ("comparison", "and or")]
    outcomes = {fault["after"].strip(): fault["outcome"] for fault in mutants.run_area(copy, AREA, faults)}
    assert outcomes == {
        "return low < value and value < high": "killed",
        "return low <= value and value <= high": "killed",
        "return low <= value or value < high": "killed",
    }
    assert (copy.top / "room.py").read_text() == SOURCE


def test_a_fault_that_no_test_looks_at_survives(tree):
    copy = tree("from room import between\ndef test_between(): assert between(1, 5)\n")
    faults = [fault for fault in faults_of("room.py", SOURCE, "1") if fault.kind == "comparison"]
    assert {fault["outcome"] for fault in mutants.run_area(copy, AREA, faults)} == {"survived"}


@pytest.mark.parametrize(
    ("test", "said"),
    [
        (GOOD_TEST + "def test_red(): assert False\n", "fail without any fault"),
        ("def test_green(): pass\n", "don't run it"),
    ],
    ids=["red without a fault", "the module is not run"],
)
def test_tests_that_prove_nothing_end_the_run(tree, test, said):
    with pytest.raises(SystemExit, match=said):
        mutants.run_area(tree(test), AREA, drawn(["room.py"], 1, "1", mutants.TOP))


def test_a_fault_without_an_end_is_a_timeout(tree, monkeypatch):
    monkeypatch.setattr(mutants, "SHORTEST_LIMIT", 3.0)
    monkeypatch.setattr(mutants, "LIMIT_RATIO", 0.0)
    copy = tree("import room, time\ndef test_between():\n    if not room.between(1, 1): time.sleep(60)\n")
    faults = [fault for fault in faults_of("room.py", SOURCE, "1") if "low < value" in fault.after]
    (outcome,) = mutants.run_area(copy, AREA, faults)
    assert outcome["outcome"] == "timeout"


def test_areas_name_files_that_exist():
    for area in mutants.areas():
        assert area.number > 0
        paths = [*area.modules, *(test for tests in area.modules.values() for test in tests)]
        assert all((mutants.TOP / path.partition("::")[0]).is_file() for path in paths)
