import json
import os
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data.split_files import (
    SPLIT_NAMES,
    draw,
    read_lists,
    seeded_order,
    split_content,
    split_file_digest,
    write_lists,
)
from harness.errors import DataError

NAMES = st.sampled_from(SPLIT_NAMES)
INSTANCES = st.dictionaries(st.text(max_size=8), st.sampled_from("abc"), max_size=30)
OWN = {f"train/good/{index:02d}": f"train/good/{index:02d}" for index in range(8)}


def read(path, **about):
    about = {"dataset": "brackets", "category": "left", **about}
    return read_lists(path, **about, mend="draw them again", whole=True)


@pytest.fixture
def path(tmp_path):
    write_lists(tmp_path / "splits" / "left.json", split_content("brackets", "left", OWN))
    return tmp_path / "splits" / "left.json"


def changed(path, **parts):
    """Write the file again with other parts and the digest that fits them."""
    content = {**json.loads(path.read_text()), **parts}
    write_lists(path, {**content, "digest": split_file_digest(content)})


@given(INSTANCES, NAMES, st.randoms())
def test_a_list_is_a_permutation_that_the_order_on_disk_does_not_change(instances, name, random):
    shuffled = list(instances)
    random.shuffle(shuffled)
    drawn = draw("brackets", "left", name, {id_: instances[id_] for id_ in shuffled})
    assert drawn == draw("brackets", "left", name, instances)
    assert sorted(drawn) == sorted(instances)


@given(INSTANCES, NAMES)
def test_no_instance_comes_twice_before_all_others_came_once(instances, name):
    drawn = draw("brackets", "left", name, instances)
    rounds = [[instances[id_] for id_ in drawn[:place]].count(instances[id_]) for place, id_ in enumerate(drawn)]
    assert rounds == sorted(rounds)


@given(st.sets(st.text(max_size=8), max_size=30), st.sampled_from(SPLIT_NAMES[1:]))
def test_where_each_sample_is_an_instance_the_order_is_that_of_the_hashes(ids, name):
    drawn = draw("brackets", "left", name, {id_: id_ for id_ in ids})
    assert list(drawn) == seeded_order("brackets", "left", name, ids)
    assert draw("brackets", "left", "first", {id_: id_ for id_ in ids}) == tuple(sorted(ids))


@given(st.sets(st.text(max_size=8), min_size=1, max_size=20), st.sets(st.text(max_size=8), max_size=20), NAMES)
def test_more_samples_leave_the_others_in_their_order(ids, more, name):
    few = draw("brackets", "left", name, {id_: id_ for id_ in ids})
    many = draw("brackets", "left", name, {id_: id_ for id_ in ids | more})
    assert few == tuple(id_ for id_ in many if id_ in ids)


def test_names_of_files_need_not_be_text():
    assert sorted(seeded_order("brackets", "left", "0", ["a\udcff", "b"])) == ["a\udcff", "b"]


def test_what_is_written_is_read(path):
    lists = read(path)
    assert {name: sorted(ids) for name, ids in lists.items()} == dict.fromkeys(SPLIT_NAMES, sorted(OWN))
    assert lists == {name: draw("brackets", "left", name, OWN) for name in SPLIT_NAMES}


def test_the_rule_of_the_file_tells_of_instances():
    plain, paired = (split_content("x", "y", {"a": one, "b": "one"})["rule"] for one in ("two", "one"))
    assert plain != paired
    assert "instance" in paired


def test_a_files_digest_covers_everything_but_itself():
    content = {"lists": {"0": ["a"]}, "category": "x"}
    assert split_file_digest({**content, "digest": "y"}) == split_file_digest(content)
    assert split_file_digest({**content, "category": "z"}) != split_file_digest(content)


@settings(max_examples=200)
@given(st.data())
def test_a_file_with_a_changed_byte_is_the_same_or_refused(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("splits") / "left.json"
    write_lists(path, split_content("brackets", "left", OWN))
    before, content = read(path), bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with suppress(DataError):
        assert read(path) == before


FIRST = sorted(OWN)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"dataset": "hinges"}, "is about left of hinges"),
        ({"category": ["x\x1b"]}, "not about left of brackets"),
        ({"lists": {name: [*FIRST[1:], FIRST[1]] for name in SPLIT_NAMES}}, "a sample twice"),
        ({"lists": dict.fromkeys(SPLIT_NAMES, FIRST[1:])}, "not of all its samples"),
        ({"lists": dict.fromkeys(SPLIT_NAMES[1:], FIRST)}, "holds no split"),
        ({"lists": dict.fromkeys(SPLIT_NAMES, "abc")}, "holds no split"),
        ({"lists": {name: [1] for name in SPLIT_NAMES}}, "holds no split"),
        ({"train_ids_digest": None}, "not of all its samples"),
    ],
)
def test_a_file_whose_digest_fits_is_refused_for_what_it_says(path, parts, said):
    changed(path, **parts)
    with pytest.raises(DataError) as caught:
        read(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("kind", ["folder", "lost", "pipe"])
def test_what_is_no_file_is_refused(path, kind):
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    with pytest.raises(DataError, match=r"left\.json can't be read"):
        read(path)
