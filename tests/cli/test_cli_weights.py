import hashlib
import json

import pytest
from fileserver import FileServer, running

from methods.weights import DINO_VIT_B8, POINT_MAE

CONTENT = b"tensor" * 5000
SHA256 = hashlib.sha256(CONTENT).hexdigest()

PLUGIN = """
from harness.contract import Meta, WeightFile

class Plain:
    meta = Meta(name="plain", title="Plain", family="plain", weights=(
        WeightFile("good.pth", "{address}/good.pth", "MIT", {size}, "{sha256}"),
        WeightFile("loose.pth", "{address}/loose.pth", "BSD-3-Clause"),
    ))

    def fit(self, samples, *, seed, device, progress): ...
    def prepare(self, sample): ...
    def infer(self, inputs): ...
    def state_bytes(self): ...
"""


@pytest.fixture
def server(plugin):
    """A server with the two weight files of an installed method."""
    served = FileServer(files={"good.pth": CONTENT, "loose.pth": b"loose"})
    with running(served):
        code = PLUGIN.format(address=served.address, size=len(CONTENT), sha256=SHA256)
        plugin(code, {"plain": "some_plugin:Plain"})
        yield served


def files(call, *arguments):
    return {file["name"]: file for file in json.loads(call("weights", *arguments, "--json").out)["files"]}


def test_every_file_is_listed_with_what_is_published_of_it(call, tmp_path):
    outcome = call("weights")
    assert outcome.code == 0
    shown = "".join(outcome.out.split())
    for file in (DINO_VIT_B8, POINT_MAE):
        for fact in (file.name, f"{file.size:,}bytes", file.sha256, file.licence, file.url):
            assert fact in shown
    assert "cfm, cfm-m, cfm-s, cfm-t" in outcome.out
    assert outcome.out.count("missing: harness weights fetch") == 7
    assert str(tmp_path / "cache" / "weights") in shown


def test_state_of_files_brought_by_hand(call, tmp_path):
    folder = tmp_path / "brought"
    folder.mkdir()
    (folder / POINT_MAE.name).write_bytes(b"something else")
    (folder / DINO_VIT_B8.alternatives[0]).write_bytes(b"another format")
    found = files(call, "--weights-dir", str(folder))
    assert (found[POINT_MAE.name]["state"], found[POINT_MAE.name]["verified"]) == ("unverified", False)
    assert found[POINT_MAE.name]["found_sha256"] == hashlib.sha256(b"something else").hexdigest()
    assert found[DINO_VIT_B8.name]["path"] == str(folder / DINO_VIT_B8.alternatives[0])
    out = call("weights", "--weights-dir", folder).out
    assert "differs from the published file" in out
    assert "no sha256 of it is published" in out


def test_fetch_downloads_and_verifies_the_files_of_a_method(call, server, tmp_path):
    outcome = call("weights", "fetch", "plain")
    assert outcome.code == 0
    folder = tmp_path / "cache" / "weights"
    assert (folder / "good.pth").read_bytes() == CONTENT
    assert outcome.out.splitlines() == [
        f"{folder / 'good.pth'}: its sha256 is the published one",
        f"{folder / 'loose.pth'}: no sha256 of it is published",
    ]
    assert "good.pth: licence MIT, from " in outcome.err
    found = files(call)
    assert (found["good.pth"]["state"], found["good.pth"]["verified"]) == ("present", True)
    assert (found["loose.pth"]["state"], found["loose.pth"]["verified"]) == ("present", False)


def test_fetch_by_file_name_into_a_folder(call, server, tmp_path):
    assert call("weights", "fetch", "loose.pth", "--weights-dir", "here").code == 0
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["loose.pth"]
    assert call("weights", "--weights-dir", "there", "fetch", "loose.pth").code == 0
    assert (tmp_path / "there" / "loose.pth").is_file()


def test_a_file_that_is_there_is_not_downloaded_again(call, server):
    call("weights", "fetch", "good.pth")
    before = len(server.requests)
    assert call("weights", "fetch", "good.pth").code == 0
    assert len(server.requests) == before


def test_one_failure_does_not_keep_the_other_file(call, server, tmp_path):
    server.files["good.pth"] = b"x" * len(CONTENT)
    outcome = call("weights", "fetch", "plain")
    assert outcome.code == 5
    assert "not the published one" in outcome.err
    assert not (tmp_path / "cache" / "weights" / "good.pth").exists()
    assert (tmp_path / "cache" / "weights" / "loose.pth").is_file()


def test_an_unknown_name_is_an_error_with_the_nearest(call, server):
    outcome = call("weights", "fetch", "god.pth")
    assert (outcome.code, outcome.out) == (2, "")
    assert "did you mean 'good.pth'" in outcome.err
    assert server.requests == []
