import importlib.util
import json
import shutil
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data.folder import SPLITS
from harness.data.registry import DATASETS
from harness.data.splits import (
    SPLIT_NAMES,
    TrainingSplit,
    list_splits,
    load_split,
    parse_shots,
    seeded_order,
    shots_order,
    split_file_digest,
    train_ids,
)
from harness.data.toy import TOY_COUNTS
from harness.errors import DataError, UsageError
from harness.files.bundled import splits_dir

PLACES = [(info.name, category) for info in DATASETS.values() for category in info.categories]


def load_maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("splits_make", Path(__file__).parents[2] / "splits" / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def copied(tmp_path, monkeypatch) -> Path:
    """A copy of the toy splits that may be damaged."""
    shutil.copytree(splits_dir() / "toy", tmp_path / "toy")
    monkeypatch.setattr("harness.data.splits.splits_dir", lambda: tmp_path)
    return tmp_path / "toy" / "bump.json"


def test_the_committed_files_are_what_the_script_writes(tmp_path):
    load_maker().write(tmp_path)
    written = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*.json")}
    committed = {path.relative_to(splits_dir()): path.read_bytes() for path in splits_dir().rglob("*.json")}
    assert written == committed
    assert len(written) == len(PLACES) == 22


def test_the_published_sizes():
    totals = {name: tuple(map(info.total, SPLITS)) for name, info in DATASETS.items()}
    assert totals["mvtec3d"] == (2656, 294, 1197)
    assert totals["eyecandies"] == (10000, 1000, 500)
    categories = len(DATASETS["toy"].categories)
    assert totals["toy"] == tuple(
        categories * sum(count for (part, _), count in TOY_COUNTS.items() if part == split) for split in SPLITS
    )
    assert all(tuple(info.counts) == info.categories for info in DATASETS.values())


@pytest.mark.parametrize(("dataset", "category"), PLACES)
def test_every_split_is_there_nested_and_without_repetition(dataset, category):
    ids = train_ids(dataset, category)
    for name in SPLIT_NAMES:
        five, ten, fifty = (load_split(dataset, category, shots, name, ids).ids for shots in (5, 10, 50))
        assert (five, ten) == (fifty[:5], fifty[:10])
        assert len(set(fifty)) == 50
        assert set(fifty) <= set(ids)


@pytest.mark.parametrize(("dataset", "category"), PLACES)
def test_first_is_the_first_and_the_seeds_differ(dataset, category):
    ids = train_ids(dataset, category)
    tens = [load_split(dataset, category, 10, name, ids).ids for name in SPLIT_NAMES]
    assert tens[0] == tuple(sorted(ids)[:10])
    assert len({frozenset(ten) for ten in tens}) == len(tens)


def test_a_split_knows_where_it_comes_from():
    split = load_split("mvtec3d", "bagel", 5, "3", train_ids("mvtec3d", "bagel"))
    assert split == TrainingSplit("mvtec3d", "bagel", 5, "3", split.ids, split.digest)


def test_digests_are_those_of_the_ids():
    rows = list_splits()
    assert len(rows) == len(PLACES) * len(SPLIT_NAMES) * 3
    assert len({row.digest for row in rows}) == len(rows)
    for row in list_splits(["toy"]):
        ids = train_ids(row.dataset, row.category)
        assert load_split(row.dataset, row.category, row.shots, row.name, ids).digest == row.digest


def test_full_takes_what_is_there_in_order():
    split = load_split("eyecandies", "Confetto", "full", "4", ["train/002", "train/000"])
    assert split.ids == ("train/000", "train/002")
    other = load_split("eyecandies", "Confetto", "full", "0", ["train/000", "train/002"])
    assert split.digest == other.digest != load_split("eyecandies", "Confetto", "full", "4", ["train/000"]).digest


def test_full_of_nothing_is_refused():
    with pytest.raises(DataError, match="Confetto of eyecandies has no training sample"):
        load_split("eyecandies", "Confetto", "full", "first", [])


def test_a_missing_sample_is_named_and_the_way_out_told():
    ids = [f"train/{index:03d}" for index in range(100)]
    assert load_split("eyecandies", "CandyCane", 50, "first", ids).ids == tuple(ids[:50])
    with pytest.raises(DataError) as caught:
        load_split("eyecandies", "CandyCane", 10, "0", ids)
    wanted = load_split("eyecandies", "CandyCane", 10, "0", train_ids("eyecandies", "CandyCane")).ids
    missing = sorted(set(wanted) - set(ids))
    message = str(caught.value)
    assert f"{len(missing)} of the 10 training samples" in message
    assert all(id_ in message for id_ in missing[:5])
    assert "--split first" in message


def test_fewer_samples_than_shots_is_an_error_that_says_so():
    with pytest.raises(DataError, match="rope of mvtec3d has 3 training samples on disk, fewer than 5 shots"):
        load_split("mvtec3d", "rope", 5, "first", ["train/good/000", "train/good/001", "train/good/002"])


@pytest.mark.parametrize("shots", [0, -5, "05", "+5", " 5", "٣", "1e1", "9" * 10, True, "all", "5.0", ""])
def test_what_is_no_number_of_samples_is_refused(shots):
    with pytest.raises(UsageError, match="a number from 1 on"):
        parse_shots(shots)
    with pytest.raises(UsageError):
        load_split("toy", "bump", shots, "first", train_ids("toy", "bump"))


@pytest.mark.parametrize("shots", [1, 2, 3, 5, 49, 361, 999_999_999, "full"])
def test_shots_are_read_from_text(shots):
    assert parse_shots(str(shots)) == parse_shots(shots) == shots


def test_numbers_of_samples_are_ordered_as_numbers_and_all_come_last():
    assert sorted(["full", 100, 3, 50, 5, 10], key=shots_order) == [3, 5, 10, 50, 100, "full"]


def test_unknown_names_are_refused():
    with pytest.raises(UsageError, match="no split '5'"):
        load_split("toy", "bump", 5, "5", train_ids("toy", "bump"))
    with pytest.raises(UsageError, match="no category 'bagle' in mvtec3d"):
        load_split("mvtec3d", "bagle", 5, "0", ["x"] * 5)
    with pytest.raises(UsageError, match="no dataset 'mvtec'"):
        load_split("mvtec", "bagel", 5, "0", ["x"] * 5)


def test_a_changed_file_is_refused(copied):
    content = json.loads(copied.read_text())
    content["lists"]["0"][0], content["lists"]["0"][1] = content["lists"]["0"][1], content["lists"]["0"][0]
    copied.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"bump\.json was changed"):
        load_split("toy", "bump", 5, "0", train_ids("toy", "bump"))


@pytest.mark.parametrize("damage", ["", "{", "[]", "null"])
def test_a_damaged_file_is_refused(copied, damage):
    copied.write_text(damage)
    with pytest.raises(DataError, match=r"bump\.json .*: restore the file or reinstall"):
        list_splits(["toy"])


def test_a_lost_file_is_refused(copied):
    copied.unlink()
    with pytest.raises(DataError, match=r"bump\.json can't be read"):
        load_split("toy", "bump", 5, "0", train_ids("toy", "bump"))


def test_a_files_digest_covers_everything_but_itself():
    content = {"lists": {"0": ["a"]}, "category": "x"}
    assert split_file_digest({**content, "digest": "y"}) == split_file_digest(content)
    assert split_file_digest({**content, "category": "z"}) != split_file_digest(content)


@settings(max_examples=50, deadline=None)
@given(st.sets(st.text(max_size=8), max_size=30), st.randoms())
def test_the_seeded_order_depends_on_the_ids_alone(ids, random):
    shuffled = list(ids)
    random.shuffle(shuffled)
    order = seeded_order("toy", "bump", "0", shuffled)
    assert order == seeded_order("toy", "bump", "0", sorted(ids))
    assert sorted(order) == sorted(ids)
