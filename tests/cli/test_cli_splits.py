import json
import shutil
from itertools import pairwise, product
from pathlib import Path

import pytest

from harness.data import splits
from harness.data.registry import DATASETS
from harness.data.split_files import seeded_order
from harness.data.splits import has_published_lists, published_lists, train_ids
from harness.files import bundled

PUBLISHED = [name for name in DATASETS if has_published_lists(name)]


def test_every_category_has_verified_lists(call):
    outcome = call("splits")
    assert outcome.code == 0
    for name in PUBLISHED:
        for category in DATASETS[name].categories:
            (line,) = [line for line in outcome.out.splitlines() if f" {category} " in line]
            assert line.startswith(name)
            assert "verified" in line


def test_digests_of_a_dataset(call):
    out = call("splits", "--dataset", "toy").out
    split = published_lists("toy", "ridge").split(10, "3")
    (line,) = [line for line in out.splitlines() if line.split()[:3] == ["ridge", "3", "10"]]
    assert line.split()[3] == split.digest
    assert "bagel" not in out
    assert "ridge" not in call("splits", "-d", "toy", "-c", "bump").out


def test_json_lists_every_list(call):
    rows = json.loads(call("splits", "--json").out)
    assert len(rows) == sum(len(DATASETS[name].categories) for name in PUBLISHED) * 6 * 6
    assert set(rows[0]) == {"dataset", "category", "name", "shots", "digest"}


def test_ids_of_a_list_one_a_line(call):
    split = published_lists("mvtec3d", "bagel").split(5, "0")
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
    sizes = (1, 2, 3, 4, 5, 10, 50, 51, 1000)
    lists = [
        call("splits", "-d", "eyecandies", "-c", "Lollipop", "-n", str(shots), "--split", "2").out.splitlines()
        for shots in sizes
    ]
    assert [len(ids) for ids in lists] == list(sizes)
    assert all(longer[: len(ids)] == ids for ids, longer in pairwise(lists))
    assert sorted(lists[-1]) == train_ids("eyecandies", "Lollipop")


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
        (["--dataset", "toy", "--category", "bump", "--shots", "-7"], "give 1 or more, or full"),
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


@pytest.fixture
def brackets(tmp_path) -> Path:
    """Own data: two categories of 12 training samples, of which only the names are read."""
    for category, index in product(("left", "right"), range(12)):
        add_sample(tmp_path / "brackets" / category, index)
    return tmp_path / "brackets"


def add_sample(category: Path, index: int) -> None:
    for kind, suffix in (("rgb", "png"), ("xyz", "tiff")):
        path = category / "train" / "good" / kind / f"{index:03d}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def of(brackets, *more):
    return ("splits", "--dataset", "folder", "--data", brackets, *more)


def test_own_data_has_lists_of_its_own(call, brackets):
    rows = json.loads(call(*of(brackets, "--json")).out)
    assert {(row["dataset"], row["category"]) for row in rows} == {("brackets", "left"), ("brackets", "right")}
    assert {row["shots"] for row in rows} == {1, 2, 4, 5, 10}
    ids = call(*of(brackets, "-c", "left", "-n", "3", "--split", "1")).out.splitlines()
    assert ids == list(seeded_order("brackets", "left", "1", [f"train/good/{index:03d}" for index in range(12)]))[:3]
    for named in ([], ["--dataset", "brackets"]):
        assert json.loads(call("splits", *named, "--data", brackets, "--json").out) == rows
    for row in rows:
        assert row["digest"] in call(*of(brackets)).out


def test_kept_lists_stay_when_samples_are_added(call, brackets):
    before = call(*of(brackets, "--json")).out
    made = call("splits", "make", "--dataset", "folder", "--data", brackets)
    assert made.code == 0
    assert [path.name for path in sorted((brackets / "splits").iterdir())] == ["left.json", "right.json"]
    for index in range(30, 40):
        add_sample(brackets / "left", index)
    after = json.loads(call(*of(brackets, "--json")).out)
    assert [row for row in after if row["shots"] <= 10] == json.loads(before)
    kept = call(*of(brackets, "-c", "left", "-n", "12")).out.splitlines()
    longer = call(*of(brackets, "-c", "left", "-n", "22")).out.splitlines()
    assert longer[:12] == kept
    full = call(*of(brackets, "-c", "left", "-n", "full")).out.splitlines()
    assert set(full) < set(longer)
    assert len(full) == 19, "a tenth is held out"
    (brackets / "splits" / "left.json").unlink()
    assert json.loads(call(*of(brackets, "--json")).out) != after


def test_lists_are_not_overwritten_unless_that_is_forced(call, brackets):
    make = ("splits", "make", "--data", brackets)
    assert call(*make, "-c", "left").code == 0
    path = brackets / "splits" / "left.json"
    before = path.read_bytes()
    add_sample(brackets / "left", 30)
    outcome = call(*make)
    assert (outcome.code, outcome.out) == (2, "")
    assert str(path) in outcome.err
    assert "--force" in outcome.err
    assert path.read_bytes() == before
    assert not path.with_name("right.json").exists()
    assert call(*make, "-c", "right").code == 0
    files = json.loads(call(*make, "--force", "--json").out)["files"]
    assert [(file["category"], file["samples"]) for file in files] == [("left", 13), ("right", 12)]
    assert path.read_bytes() != before


@pytest.mark.parametrize("damage", [lambda text: text.replace("003", "004", 1), lambda text: text[:-9], lambda _: ""])
def test_a_damaged_file_of_own_lists_is_named_with_the_way_out(call, brackets, damage):
    call("splits", "make", "--data", brackets)
    path = brackets / "splits" / "right.json"
    path.write_text(damage(path.read_text()))
    outcome = call(*of(brackets))
    assert (outcome.code, outcome.out) == (5, "")
    assert str(path) in outcome.err
    assert f"harness splits make --dataset brackets --data {brackets} --force" in outcome.err
    assert call("splits", "make", "--dataset", "brackets", "--data", brackets, "--force").code == 0
    assert call(*of(brackets)).code == 0


def test_a_sample_of_a_kept_list_that_is_gone_is_named(call, brackets):
    call("splits", "make", "--data", brackets)
    for kind in ("rgb", "xyz"):
        next((brackets / "left" / "train" / "good" / kind).glob("000.*")).unlink()
    outcome = call(*of(brackets, "-c", "left", "-n", "3"))
    assert outcome.code == 5
    assert "train/good/000" in outcome.err
    assert call(*of(brackets, "-c", "left", "-n", "12")).code == 2


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--dataset", "toy"], 2, "harness splits --dataset toy"),
        (["--dataset", "folder"], 5, "--data"),
        (["--data", "brackets", "--categories", "lef"], 2, "did you mean 'left'"),
        (["--dataset", "hinges", "--data", "brackets"], 2, "no dataset 'hinges'"),
    ],
)
@pytest.mark.usefixtures("brackets")
def test_what_can_not_be_made(call, arguments, code, said):
    outcome = call("splits", "make", *arguments)
    assert (outcome.code, outcome.out) == (code, "")
    assert said in outcome.err


def test_more_shots_than_samples_is_a_sentence(call):
    outcome = call("splits", "-d", "toy", "-c", "bump", "-n", "51")
    assert (outcome.code, outcome.out) == (2, "")
    assert "bump of toy has 50 training samples" in outcome.err
