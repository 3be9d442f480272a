"""Settings, paths, splits and CSV files with faults: nothing but a documented error, and nothing written by them."""

from __future__ import annotations

import json
import os
from contextlib import chdir, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from report_records import make_cell, make_record

import harness as package
from harness.cli.settings import read_settings, read_slurm_table
from harness.data import splits
from harness.data.split_files import SPLIT_NAMES, split_file_digest
from harness.data.splits import published_lists
from harness.errors import DataError, PrerequisiteError, UsageError
from harness.files.array_cache import cache_limit
from harness.files.bundled import published_dir, splits_dir
from harness.files.cache_dir import cache_dir, read_cached
from harness.files.csvfile import guarded, unguarded
from harness.files.paths import user_path
from harness.gate.leaderboard import Board
from harness.gate.rows import BoardRow
from harness.gate.tolerances import read_tolerances
from harness.plan.job import Job, read_job, write_job
from harness.slurm.settings import read_slurm_settings
from harness.store.published import read_published
from harness.store.store import Store

MANY = settings(max_examples=600, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
PIECES = st.one_of(
    st.binary(max_size=6),
    st.sampled_from(
        [
            b"[[[",
            b"{",
            b'"\\u0000"',
            b"1e400",
            b"9" * 5000,
            b"[" * 3000,
            b"\n",
            b"=",
            b",",
            b'"',
            b"nan",
            b"\xef\xbb\xbf",
        ]
    ),
)


@st.composite
def mutated(draw: st.DrawFn, content: bytes) -> bytes:
    """Return a content of which some pieces are replaced, cut out or doubled."""
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        where = draw(st.integers(0, len(changed)))
        until = min(len(changed), where + draw(st.integers(0, 8)))
        changed[where:until] = draw(st.one_of(PIECES, st.just(b""), st.just(bytes(changed[where:until] * 2))))
    return bytes(changed)


SETTINGS = b'data = "~/data"\nresults = "results"\nweights-dir = "w"\ndevice = "cpu"\ntimeout = 90\n'
PROJECT = b'[project]\nname = "mine"\n\n[tool.harness]\n' + SETTINGS


@MANY
@given(content=mutated(SETTINGS), project=mutated(PROJECT))
def test_mutated_settings_are_settings_or_a_usage_error(content, project):
    with TemporaryDirectory() as folder, chdir(folder):
        Path("harness.toml").write_bytes(content)
        Path("pyproject.toml").write_bytes(project)
        with suppress(UsageError):
            assert all(type(value) is str for value in read_settings().values())
        Path("harness.toml").unlink()
        with suppress(UsageError):
            read_settings()
        assert [path.name for path in Path().iterdir()] == ["pyproject.toml"]


SLURM = b'[slurm]\npartition = "gpu"\ntime = "8h"\nworkers = 3\nsetup = ["true"]\nexclusive = false\n'
SLURM += b'[slurm.cpu]\nmem = "8G"\n'


@MANY
@given(content=mutated(SLURM), given_text=st.one_of(st.just("gres=gpu:1"), mutated(b"time=8h,cpu.mem=8G").map(repr)))
def test_mutated_settings_of_slurm_are_options_on_one_line_or_a_usage_error(content, given_text):
    with TemporaryDirectory() as folder, chdir(folder):
        Path("harness.toml").write_bytes(content)
        with suppress(UsageError):
            read = read_slurm_settings(read_slurm_table(), [given_text])
            for key, value in (*read.options.items(), *read.cpu_options.items()):
                assert key.isascii()
                assert f"{key}={value}".isprintable()
            assert all(type(line) is str for line in read.setup)


@pytest.mark.parametrize(
    ("file", "content", "code"),
    [
        ("harness.toml", b"\xef\xbb\xbfresults = 'elsewhere'", 6),
        ("pyproject.toml", b"\xef\xbb\xbf[tool.harness]\nresults = 'elsewhere'", 6),
        ("pyproject.toml", b"[tool]\nharness = 5", 2),
        ("pyproject.toml", b"tool = 5", 2),
        ("pyproject.toml", b"[[tool.harness]]\nresults = 'a'", 2),
        ("pyproject.toml", b"[[tool]]\nharness = {}", 2),
        ("harness.toml", b'results = "\\u0000"', 2),
        ("harness.toml", b"results = ['a', 'b']", 2),
        ("harness.toml", b"results = true", 2),
        ("harness.toml", b"results = '~nobody-of-this-name/x'", 2),
        ("harness.toml", b"timeout = 1e400", 0),
        ("harness.toml", b"x = " + b"[" * 5000, 2),
    ],
)
def test_odd_settings_are_one_sentence(harness, tmp_path, file, content, code):
    (tmp_path / file).write_bytes(content)
    done = harness("tables", "--source", "measured") if code else harness("quantities")
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    if code == 6:
        assert "elsewhere" in done.stderr
    if code in (2, 5):
        assert len(done.stderr.strip().splitlines()) <= 4  # click prints how the verb is used, too
    assert [path.name for path in tmp_path.iterdir()] == [file]


class TestHomeFolder:
    @pytest.fixture
    def home(self, tmp_path) -> Path:
        Store(tmp_path / "home" / "res").write(make_record("cfm", "bagel"))
        return tmp_path / "home"

    @pytest.mark.parametrize("how", ["option", "variable", "harness.toml", "pyproject.toml"])
    def test_is_expanded_wherever_a_path_is_given(self, harness, tmp_path, home, how):
        options, variables = [], {"HOME": str(home)}
        if how == "option":
            options = ["--results=~/res"]
        elif how == "variable":
            variables["HARNESS_RESULTS"] = "~/res"
        else:
            header = "[tool.harness]\n" if how == "pyproject.toml" else ""
            (tmp_path / how).write_text(f'{header}results = "~/res"\n')
        done = harness("status", *options, **variables)
        assert done.returncode == 0, done.stderr
        assert "1 of 1 ok" in done.stdout
        assert not (tmp_path / "~").exists()

    @pytest.mark.parametrize(
        "command",
        [
            ("tables", "--source", "published", "--results=~/other", "--table", "1"),
            ("plot", "--source", "published", "--to=~/figure.png"),
            ("datasets", "--data=~/res"),
            ("leaderboard", "--leaderboard=~/boards"),
            ("report", "--to=~/pages", "--results=~/res"),
        ],
    )
    def test_no_verb_makes_a_folder_of_that_name(self, harness, tmp_path, home, command):
        done = harness(*command, HOME=str(home), HARNESS_CACHE=str(tmp_path / "cache"))
        assert "Traceback" not in done.stderr
        assert "~" not in done.stderr.replace("~nobody", "")
        assert not (tmp_path / "~").exists()

    def test_is_expanded_from_python(self, home, monkeypatch):
        monkeypatch.setenv("HOME", str(home))
        assert len(package.results("~/res")) == 1
        assert len(package.results(["~/res"])) == 1
        with pytest.raises(UsageError, match=str(home)):
            package.run("cfm", dataset="mvtec3d", data="~/data", results="~/res")

    @pytest.mark.parametrize("variable", ["HARNESS_CACHE", "HARNESS_WEIGHTS_DIR", "HARNESS_RESULTS"])
    def test_of_an_unknown_user_is_a_usage_error(self, harness, variable):
        done = harness("tables" if variable == "HARNESS_RESULTS" else "env", **{variable: "~nobody-of-this-name/x"})
        assert done.returncode == 2
        assert done.stderr.startswith("harness: ~nobody-of-this-name/x begins with a home folder")

    def test_that_is_missing_is_a_prerequisite(self, monkeypatch):
        """As for a user of a container who has neither HOME nor an entry in the list of users."""

        def unknown(_: object) -> None:
            raise KeyError("uid not found")

        for name in ("HOME", "HARNESS_CACHE", "XDG_CACHE_HOME"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr("pwd.getpwuid", unknown)
        with pytest.raises(PrerequisiteError, match="set HARNESS_CACHE"):
            cache_dir()
        monkeypatch.setenv("HARNESS_CACHE", "/somewhere")
        assert cache_dir() == Path("/somewhere")


def test_what_can_be_no_path_is_a_usage_error():
    with pytest.raises(UsageError, match="NUL"):
        user_path("a\0b")


@pytest.mark.parametrize("text", ["9" * 400 + "TB", "1e400", "-1", "nan", "1.TB", "٣GB", "1 XB", "5" * 16])
def test_a_limit_of_the_cache_that_is_none(monkeypatch, text):
    monkeypatch.setenv("HARNESS_CACHE_LIMIT", text)
    with pytest.raises(UsageError, match="not a valid size"):
        cache_limit()


@pytest.mark.parametrize("time", ["9" * 400, "99999999999999d", "1e400", "0s", "-1s", "٣s", "nan"])
def test_a_time_that_is_none_is_a_usage_error(harness, time):
    assert harness("run", "--methods", "cfm", f"--timeout={time}").returncode == 2


TINY = ("--dataset", "mvtec3d", "--data", "tiny", "--shots", "5", "--categories", "bagel")


@pytest.mark.parametrize(
    "command",
    [
        ("run", "--methods", "colour-distance", *TINY, "--write-plan", "/proc/x"),
        ("run", "--methods", "colour-distance", *TINY, "--results", "/proc/x"),
        ("plot", "--source", "published", "--to", "/proc/x.png"),
        ("leaderboard", "update", "--leaderboard", "/proc/x"),
        ("report", "--to", "/proc/x"),
        ("data", "fetch", "mvtec3d", "--to", "/proc/x", "--yes"),
    ],
)
def test_a_place_that_can_not_be_written_is_a_prerequisite(harness, tiny_mvtec, tmp_path, command):
    Store(tmp_path / "results").write(make_record("cfm", "bagel"))
    done = harness(*(tiny_mvtec if word == "tiny" else word for word in command))
    assert done.returncode == 5, done.stderr
    assert "Traceback" not in done.stderr
    assert "/proc/x" in done.stderr


def test_an_older_numpy_before_ours_is_told(harness, tmp_path):
    (tmp_path / "old" / "numpy").mkdir(parents=True)
    (tmp_path / "old" / "numpy" / "__init__.py").write_text("__version__ = '1.26.4'\n")
    done = harness("tables", PYTHONPATH=os.pathsep.join([str(tmp_path / "old"), os.environ.get("PYTHONPATH", "")]))
    assert done.returncode == 5
    assert done.stderr.startswith("harness: Python finds numpy 1.26.4 in ")
    assert "harness needs 2.0 or later" in done.stderr


SPLIT = (splits_dir() / "toy" / "bump.json").read_bytes()


@MANY
@given(content=mutated(SPLIT) | st.sampled_from([b"[]", b"5", b'{"digest": null}', b'{"a": NaN}', b'{"a": "\\ud800"}']))
def test_a_mutated_split_is_the_committed_one_or_an_error(content, tmp_path, monkeypatch):
    (tmp_path / "toy").mkdir(exist_ok=True)
    (tmp_path / "toy" / "bump.json").write_bytes(content)
    with monkeypatch.context() as patched:
        patched.setattr(splits, "splits_dir", lambda: tmp_path)
        with suppress(DataError):
            found = published_lists("toy", "bump").split(5, "0")
            assert list(found.ids) == json.loads(SPLIT)["lists"]["0"][:5]


def test_a_split_whose_digest_fits_is_no_split_without_its_lists(tmp_path, monkeypatch):
    monkeypatch.setattr(splits, "splits_dir", lambda: tmp_path)
    (tmp_path / "toy").mkdir()
    for lists in ({}, {"lists": 5}, {"lists": {"first": ["a"]}}, {"lists": {name: [1] for name in SPLIT_NAMES}}):
        content = {**lists, "digest": split_file_digest(lists)}
        (tmp_path / "toy" / "bump.json").write_text(json.dumps(content))
        with pytest.raises(DataError, match="holds no split"):
            published_lists("toy", "bump").split(5, "0")


def job_file() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "job.json"
        write_job(path, Job(make_cell("cfm", "bagel"), Path("data"), ("train/good/000",), {}))
        return path.read_bytes()


@MANY
@given(content=mutated(job_file()))
def test_a_mutated_job_is_a_job_or_a_usage_error(content, tmp_path):
    path = tmp_path / "job.json"
    path.write_bytes(content)
    with suppress(UsageError):
        assert isinstance(read_job(path), Job)


def test_a_device_is_no_file_of_a_plan(harness):
    done = harness("run", "--plan", "/dev/zero")
    assert done.returncode == 2
    assert "not a regular file" in done.stderr


PUBLISHED = next(iter(sorted(published_dir().glob("*.csv")))).read_bytes()[:1500].rpartition(b"\n")[0] + b"\n"


@MANY
@given(published=mutated(PUBLISHED), data=st.data())
def test_mutated_csv_files_are_read_or_refused(published, data, tmp_path):
    board = Board(tmp_path / "boards", "toy", "quick")
    tolerances = board.folder / "tolerances.csv"
    (tmp_path / "published.csv").write_bytes(published)
    if not board.folder.exists():
        board.write([BoardRow.of(make_record("cfm", "bump", dataset="toy", preset="quick", shots=10))])
        (tmp_path / "board").write_bytes(board.path.read_bytes())
    board.path.write_bytes(data.draw(mutated((tmp_path / "board").read_bytes())))
    tolerances.write_bytes(data.draw(mutated(b"metric,tolerance,spread,how\ni_auroc,0.01,0.001,measured\n")))
    lines = board.read()
    assert all("\n" not in left_out.why for left_out in lines.left_out)
    for reading in (lambda: read_published(tmp_path), lambda: read_tolerances(board.folder)):
        with suppress(DataError):
            reading()


@settings(max_examples=500, derandomize=True)
@given(text=st.text(max_size=20) | st.sampled_from(["=1+1", "@SUM(A1)", "'=x", "+x", "-x", "''-", "\t=x"]))
def test_no_cell_of_a_csv_file_is_a_formula(text):
    assert unguarded(guarded(text)) == text
    assert not guarded(text).startswith(("=", "+", "-", "@", "\t", "\r"))


@pytest.mark.parametrize("error", [RecursionError, MemoryError, SyntaxError, TypeError, KeyError, OverflowError])
def test_a_cached_file_that_no_decoder_takes_is_made_again(tmp_path, error):
    def parse(_: bytes) -> None:
        raise error("odd")

    (tmp_path / "cached").write_bytes(b"x")
    assert read_cached(tmp_path / "cached", parse) is None
