import io
import json
import shutil
import sys

import pytest
from fake_eyecandies import packed
from fileserver import FileServer, running

from harness.data.registry import DATASETS


@pytest.fixture
def copy(toy, tmp_path):
    return shutil.copytree(toy, tmp_path / "mine")


@pytest.mark.parametrize("fast", [[], ["--fast"]])
def test_a_complete_dataset_is_recognised_and_fine(call, toy, fast):
    outcome = call("data", "verify", toy, *fast)
    assert outcome.code == 0
    assert "Toy (embedded)" in outcome.out
    assert "complete and usable" in outcome.out
    assert ["bump", "50", "4", "32"] in [line.split() for line in outcome.out.splitlines()]


def test_json_is_the_only_thing_on_standard_output(call, toy):
    report = json.loads(call("data", "verify", toy, "--json").out)
    assert (report["dataset"], report["ok"], report["problems"]) == ("toy", True, [])
    assert report["decoded"] == 172


def test_every_bad_file_is_named_and_the_exit_code_is_5(call, copy):
    image = copy / "bump" / "test" / "shape-plain" / "rgb" / "000.png"
    image.write_bytes(image.read_bytes()[:500])
    (copy / "bump" / "train" / "good" / "xyz" / "004.tiff").unlink()
    for kind in ("rgb", "xyz"):
        next((copy / "bump" / "validation" / "good" / kind).glob("002.*")).unlink()
    outcome = call("data", "verify", copy)
    assert outcome.code == 5
    assert str(image) in outcome.out
    assert str(copy / "bump" / "train" / "good" / "rgb" / "004.png") in outcome.out
    assert "3 of 4" in outcome.out
    assert "not usable as it is: 2 counts differ, 2 files can't be used" in " ".join(outcome.out.split())
    fast = call("data", "verify", copy, "--fast")
    assert fast.code == 5
    assert str(image) not in fast.out, "nothing is read"


def test_a_missing_category_is_told(call, copy):
    shutil.rmtree(copy / "ridge")
    outcome = call("data", "verify", copy, "--fast")
    assert outcome.code == 5
    assert "1 category is missing" in outcome.out
    assert ["ridge", "missing"] in [line.split() for line in outcome.out.splitlines()]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere"], "nowhere is not a folder"),
        (["."], "holds no"),
        ([".", "--dataset", "mvtec"], "There is no dataset 'mvtec'"),
    ],
)
def test_verify_errors(call, arguments, sentence):
    outcome = call("data", "verify", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert sentence in outcome.err


@pytest.fixture
def server(toy, tmp_path, monkeypatch):
    """A server with two categories of Eyecandies as archives."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    served = FileServer()
    files = [path for path in (toy / "bump" / "validation").rglob("*") if path.is_file()]
    for category in ("CandyCane", "Lollipop"):
        entries = ((f"train/{path.relative_to(toy / 'bump' / 'validation')}", path.read_bytes()) for path in files)
        served.files[f"eyecandies_{category}.archive"] = packed(entries)
    with running(served):
        yield served


def fetch(call, server, *options, categories="CandyCane,Lollipop"):
    source = ("--from", server.url(""), "--categories", categories)
    return call("data", "fetch", "eyecandies", "--to", "data", *source, *options)


def test_fetch_shows_the_licence_first_and_unpacks(call, server, tmp_path):
    outcome = fetch(call, server, "--yes")
    assert outcome.code == 0
    info = DATASETS["eyecandies"]
    notice, _, rest = outcome.err.partition("download eyecandies_CandyCane")
    assert info.licence in notice
    assert info.homepage in notice
    assert "no checksum is published" in notice
    assert "free." in notice
    assert rest, "progress goes to standard error, after the licence"
    root = tmp_path / "data" / "eyecandies"
    assert (root / "CandyCane" / "train" / "good" / "rgb" / "000.png").is_file()
    assert (root / "Lollipop").is_dir()
    assert "Check it with: harness data verify data/eyecandies" in outcome.out
    assert "no checksum is published" in outcome.out


def test_fetch_of_some_categories(call, server, tmp_path):
    assert fetch(call, server, "--yes", categories="Lollipop").code == 0
    assert [path.name for path in (tmp_path / "data" / "eyecandies").iterdir()] == ["Lollipop"]
    assert [path for path, _ in server.requests] == ["/eyecandies_Lollipop.archive"]


@pytest.mark.parametrize(("answer", "code", "fetched"), [("y\n", 0, True), ("n\n", 2, False)])
def test_fetch_asks_a_person(call, server, tmp_path, monkeypatch, answer, code, fetched):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    outcome = fetch(call, server)
    assert outcome.code == code
    assert "Do you accept the licence" in outcome.err
    assert (tmp_path / "data" / "eyecandies").exists() == fetched
    assert bool(server.requests) == fetched


def test_fetch_without_a_person_needs_yes(call, server, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    outcome = fetch(call, server)
    assert outcome.code == 2
    assert "pass --yes" in outcome.err
    assert server.requests == []


def test_a_failed_download_is_a_missing_prerequisite(call, server):
    server.files.clear()
    outcome = fetch(call, server, "--yes")
    assert outcome.code == 5
    assert "size unknown" in outcome.err
    assert "by hand" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["toy"], "'toy'"),
        (["folder"], "offers no download"),
        (["imagenet"], "choose from eyecandies, mvtec3d"),
        (["eyecandies", "--categories", "Candy"], "There is no category 'Candy'"),
        (["mvtec3d", "--md5", "1"], "'1' is not an MD5 digest"),
        (["mvtec3d", "--from", "nowhere"], "There is no nowhere"),
    ],
)
def test_fetch_errors(call, arguments, sentence):
    outcome = call("data", "fetch", *arguments, "--yes")
    assert (outcome.code, outcome.out) == (2, "")
    assert sentence in outcome.err


def test_help_names_the_datasets_that_can_be_fetched(call):
    assert "mvtec3d|eyecandies" in call("data", "fetch", "--help").out


def test_data_alone_shows_its_help(call):
    outcome = call("data")
    assert outcome.code == 2
    assert "verify" in outcome.err + outcome.out
