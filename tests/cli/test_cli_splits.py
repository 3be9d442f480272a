import json
import shutil

import pytest

from harness.data import splits
from harness.data.registry import DATASETS
from harness.data.splits import load_split, train_ids
from harness.files import bundled


def test_every_category_has_verified_lists(call):
    outcome = call("splits")
    assert outcome.code == 0
    for info in DATASETS.values():
        for category in info.categories:
            (line,) = [line for line in outcome.out.splitlines() if f" {category} " in line]
            assert line.startswith(info.name)
            assert "verified" in line


def test_digests_of_a_dataset(call):
    out = call("splits", "--dataset", "toy").out
    split = load_split("toy", "ridge", 10, "3", train_ids("toy", "ridge"))
    (line,) = [line for line in out.splitlines() if line.split()[:2] == ["ridge", "3"]]
    assert line.split()[3] == split.digest
    assert "bagel" not in out
    assert "ridge" not in call("splits", "-d", "toy", "-c", "bump").out


def test_json_lists_every_list(call):
    rows = json.loads(call("splits", "--json").out)
    assert len(rows) == sum(len(info.categories) for info in DATASETS.values()) * 6 * 3
    assert set(rows[0]) == {"dataset", "category", "name", "shots", "digest"}


def test_ids_of_a_list_one_a_line(call):
    split = load_split("mvtec3d", "bagel", 5, "0", train_ids("mvtec3d", "bagel"))
    arguments = ("splits", "-d", "mvtec3d", "-c", "bagel", "--shots", "5", "--split", "0")
    assert call(*arguments).out.splitlines() == list(split.ids)
    found = json.loads(call(*arguments, "--json").out)
    assert found == {
        "dataset": "mvtec3d",
        "category": "bagel",
        "shots": 5,
        "split": "0",
        "digest": split.digest,
        "ids": list(split.ids),
    }


def test_smaller_lists_begin_larger_ones(call):
    lists = [
        call("splits", "-d", "eyecandies", "-c", "Lollipop", "-n", shots, "--split", "2").out.splitlines()
        for shots in ("5", "10", "50")
    ]
    assert lists[2][:10] == lists[1]
    assert lists[1][:5] == lists[0]


def test_full_is_every_published_sample(call):
    out = call("splits", "-d", "toy", "-c", "bump", "-n", "full").out
    assert out.splitlines() == train_ids("toy", "bump")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--dataset", "mvtec"], "did you mean 'mvtec3d'"),
        (["--dataset", "toy", "--category", "bmp"], "did you mean 'bump'"),
        (["--category", "bump"], "add --dataset D"),
        (["--shots", "5"], "add --dataset D --category C"),
        (["--dataset", "toy", "--category", "bump", "--shots", "-7"], "a number from 1 on"),
        (["--dataset", "toy", "--category", "bump", "--shots", "5", "--split", "9"], "There is no split '9'"),
    ],
)
def test_errors(call, arguments, sentence):
    outcome = call("splits", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert sentence in outcome.err


def test_a_changed_file_is_named(call, tmp_path, monkeypatch):
    folder = tmp_path / "splits"
    shutil.copytree(bundled.splits_dir(), folder)
    path = folder / "toy" / "bump.json"
    path.write_text(path.read_text("utf-8").replace("train/good/007", "train/good/000"), encoding="utf-8")
    monkeypatch.setattr(splits, "splits_dir", lambda: folder)
    outcome = call("splits")
    assert outcome.code == 5
    assert f"{path} was changed" in outcome.err
