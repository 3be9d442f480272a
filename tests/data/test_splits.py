import importlib.util
import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pytest

from harness.data.folder import SPLITS
from harness.data.registry import DATASETS
from harness.data.split_files import SPLIT_NAMES, draw
from harness.data.splits import (
    TrainingSplit,
    has_published_lists,
    lists_of,
    load_split,
    own_lists_path,
    parse_shots,
    published_lists,
    shots_order,
    train_ids,
)
from harness.data.toy import TOY_COUNTS
from harness.dataset_contract import DatasetInfo, SampleRef
from harness.errors import DataError, UsageError
from harness.files.bundled import splits_dir
from harness.files.digest import digest

PUBLISHED = [name for name in DATASETS if has_published_lists(name)]
PLACES = [(name, category) for name in PUBLISHED for category in DATASETS[name].categories]


@dataclass
class OnDisk:
    """A dataset of which some training samples are on disk."""

    info: DatasetInfo
    ids: list[str]
    root: Path = field(default_factory=Path)

    def refs(self, category: str, split: str) -> tuple[SampleRef, ...]:
        return tuple(SampleRef(category, id_, split, "good") for id_ in self.ids)


class InPairs(OnDisk):
    """The last letter of a stem is a number of the image, all before it the instance."""

    def instance(self, ref: SampleRef) -> str:
        return ref.id[:-1]


def part_of(name: str, ids: Iterable[str]) -> OnDisk:
    return OnDisk(DATASETS[name], list(ids))


def own(root: Path, ids: Iterable[str], kind: type[OnDisk] = OnDisk) -> OnDisk:
    return kind(DatasetInfo("brackets", "Brackets"), list(ids), root)


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
    totals = {name: tuple(map(DATASETS[name].total, SPLITS)) for name in PUBLISHED}
    assert totals["mvtec3d"] == (2656, 294, 1197)
    assert totals["eyecandies"] == (10000, 1000, 500)
    categories = len(DATASETS["toy"].categories)
    assert totals["toy"] == tuple(
        categories * sum(count for (part, _), count in TOY_COUNTS.items() if part == split) for split in SPLITS
    )
    assert all(tuple(DATASETS[name].counts) == DATASETS[name].categories for name in PUBLISHED)


@pytest.mark.parametrize(("dataset", "category"), PLACES)
def test_lists_of_any_length_are_nested_and_without_repetition(dataset, category):
    lists = published_lists(dataset, category)
    committed = json.loads((splits_dir() / dataset / f"{category}.json").read_text())["lists"]
    ids = train_ids(dataset, category)
    for name in SPLIT_NAMES:
        whole = lists.split(len(ids), name).ids
        assert sorted(whole) == ids
        assert whole[:50] == tuple(committed[name])
        assert all(lists.split(n, name).ids == whole[:n] for n in (1, 2, 3, 4, 5, 10, 49, 50, min(51, len(ids))))


def test_lists_of_5_10_and_50_samples_have_the_digests_that_records_name():
    rows = [row for place in PLACES for row in published_lists(*place).rows() if row.shots in (5, 10, 50)]
    named = [[row.dataset, row.category, row.name, row.shots, row.digest] for row in rows]
    assert (len(named), digest(named)) == (396, "29ea5252c2f59268")


@pytest.mark.parametrize(("dataset", "category"), PLACES)
def test_first_is_the_first_and_the_seeds_differ(dataset, category):
    tens = [published_lists(dataset, category).split(10, name).ids for name in SPLIT_NAMES]
    assert tens[0] == tuple(train_ids(dataset, category)[:10])
    assert len({frozenset(ten) for ten in tens}) == len(tens)


def test_a_split_knows_where_it_comes_from():
    split = published_lists("mvtec3d", "bagel").split(3, "3")
    assert split == TrainingSplit("mvtec3d", "bagel", 3, "3", split.ids, split.digest)
    assert len(split.ids) == 3


def test_digests_are_those_of_the_ids():
    rows = [row for place in PLACES for row in published_lists(*place).rows()]
    assert [row.shots for row in rows[:6]] == [1, 2, 4, 5, 10, 50]
    assert len(rows) == len(PLACES) * len(SPLIT_NAMES) * 6
    assert len({row.digest for row in rows if row.shots > 1}) == len(PLACES) * len(SPLIT_NAMES) * 5
    for row in rows[:36]:
        assert published_lists(row.dataset, row.category).split(row.shots, row.name).digest == row.digest


def test_full_takes_what_is_there_in_order():
    ids = ["train/002", "train/000"]
    split = load_split(part_of("eyecandies", ids), "Confetto", "full", "4")
    assert split.ids == ("train/000", "train/002")
    other = load_split(part_of("eyecandies", ids[::-1]), "Confetto", "full", "0")
    fewer = load_split(part_of("eyecandies", ids[1:]), "Confetto", "full", "4")
    assert split.digest == other.digest != fewer.digest


@pytest.mark.parametrize("shots", [1, "full"])
def test_of_nothing_nothing_is_taken(shots, tmp_path):
    split = load_split(own(tmp_path, []), "left", shots, "first")
    assert split.ids == ()
    assert "left of brackets has no training sample" in split.too_few


def test_a_published_dataset_without_any_training_sample_is_refused():
    with pytest.raises(DataError, match="Confetto of eyecandies has no training sample"):
        load_split(part_of("eyecandies", []), "Confetto", "full", "first")


def test_a_missing_sample_is_named_and_the_way_out_told():
    ids = [f"train/{index:03d}" for index in range(100)]
    partial = part_of("eyecandies", ids)
    assert load_split(partial, "CandyCane", 50, "first").ids == tuple(ids[:50])
    assert load_split(partial, "CandyCane", 100, "first").ids == tuple(ids)
    with pytest.raises(DataError) as caught:
        load_split(partial, "CandyCane", 10, "0")
    wanted = published_lists("eyecandies", "CandyCane").split(10, "0").ids
    missing = sorted(set(wanted) - set(ids))
    message = str(caught.value)
    assert f"{len(missing)} of the 10 training samples" in message
    assert all(id_ in message for id_ in missing[:5])
    assert "--split first" in message


def test_a_dataset_that_is_not_complete_is_an_error_that_says_so():
    ids = ["train/good/002", "train/good/000", "train/good/001"]
    partial = part_of("mvtec3d", ids)
    with pytest.raises(DataError, match="rope of mvtec3d has 3 training samples on disk, fewer than 5 shots"):
        load_split(partial, "rope", 5, "0")
    more = load_split(partial, "rope", 1000, "0")
    assert (more.shots, more.ids) == (1000, tuple(sorted(ids)))
    assert "rope of mvtec3d has 298 training samples, fewer than 1000 shots" in more.too_few


def test_more_than_is_published_is_told():
    most, more = (published_lists("mvtec3d", "cookie").split(shots, "2") for shots in (210, 211))
    assert (len(most.ids), most.too_few) == (210, "")
    assert "cookie of mvtec3d has 210 training samples, fewer than 211 shots" in more.too_few


@pytest.mark.parametrize("shots", [0, -5, "05", "+5", " 5", "٣", "1e1", "9" * 10, True, "all", "5.0", ""])
def test_what_is_no_number_of_samples_is_refused(shots):
    with pytest.raises(UsageError, match="give 1 or more, or full"):
        parse_shots(shots)
    with pytest.raises(UsageError):
        published_lists("toy", "bump").split(shots, "first")


@pytest.mark.parametrize("shots", [1, 2, 3, 5, 49, 361, 999_999_999, "full"])
def test_shots_are_read_from_text(shots):
    assert parse_shots(str(shots)) == parse_shots(shots) == shots


def test_numbers_of_samples_are_ordered_as_numbers_and_all_come_last():
    assert sorted(["full", 100, 3, 50, 5, 10], key=shots_order) == [3, 5, 10, 50, 100, "full"]


def test_unknown_names_are_refused():
    with pytest.raises(UsageError, match="no split '5'"):
        published_lists("toy", "bump").split(5, "5")
    with pytest.raises(UsageError, match="no category 'bagle' in mvtec3d"):
        published_lists("mvtec3d", "bagle")
    with pytest.raises(UsageError, match="no dataset 'mvtec'"):
        published_lists("mvtec", "bagel")


def test_a_changed_file_is_refused(copied):
    content = json.loads(copied.read_text())
    content["lists"]["0"][0], content["lists"]["0"][1] = content["lists"]["0"][1], content["lists"]["0"][0]
    copied.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"bump\.json was changed"):
        published_lists("toy", "bump")


@pytest.mark.parametrize("damage", ["", "{", "[]", "null"])
def test_a_damaged_file_is_refused(copied, damage):
    copied.write_text(damage)
    with pytest.raises(DataError, match=r"bump\.json .*: restore the file or reinstall"):
        published_lists("toy", "bump")


def test_a_lost_file_is_refused(copied):
    copied.unlink()
    with pytest.raises(DataError, match=r"bump\.json can't be read"):
        published_lists("toy", "bump")


IDS = [f"train/good/{index:02d}" for index in range(20)]


def test_own_data_has_lists_of_what_is_on_disk(tmp_path):
    dataset = own(tmp_path, IDS[::-1])
    assert load_split(dataset, "left", 3, "first").ids == tuple(IDS[:3])
    whole = draw("brackets", "left", "0", {id_: id_ for id_ in IDS})
    assert all(load_split(dataset, "left", count, "0").ids == whole[:count] for count in range(1, 21))
    assert [row.shots for row in lists_of(dataset, "left").rows()] == [1, 2, 4, 5, 10] * len(SPLIT_NAMES)
    more = load_split(dataset, "left", 21, "0")
    assert (more.ids, more.shots) == (tuple(IDS), 21)
    assert "left of brackets has 20 training samples, fewer than 21 shots" in more.too_few


def test_a_sample_that_is_listed_twice_is_refused(tmp_path):
    with pytest.raises(DataError, match=f"several training samples '{IDS[4]}'"):
        load_split(own(tmp_path, [*IDS, IDS[4]]), "left", 2, "0")


def test_a_few_shot_list_takes_every_instance_before_it_takes_one_twice(tmp_path):
    ids = [f"{part}_{letter}" for part in range(6) for letter in "AB"]
    dataset = own(tmp_path, ids, InPairs)
    for name in SPLIT_NAMES:
        split = load_split(dataset, "left", 6, name)
        assert {id_[0] for id_ in split.ids} == set("012345")
        assert set(load_split(dataset, "left", 12, name).ids) == set(ids)
    assert load_split(dataset, "left", 6, "first").ids == tuple(ids[::2])
    assert any(id_.endswith("B") for name in "01234" for id_ in load_split(dataset, "left", 6, name).ids)


def test_lists_of_own_data_lie_beside_it(tmp_path):
    assert own_lists_path(own(tmp_path, IDS), "left") == tmp_path / "splits" / "left.json"
