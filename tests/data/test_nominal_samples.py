"""Which training samples thresholds are set on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.data.nominal import FEWEST_FITTED, held_out, left_out

INSTANCES = st.dictionaries(st.text("abc0123", min_size=1), st.sampled_from("pqrstuvwxyz"), max_size=60)


def of_their_own(count: int) -> dict[str, str]:
    return {f"{index:03d}": f"{index:03d}" for index in range(count)}


def test_a_tenth_is_held_out_where_enough_remains():
    counts = {n: len(held_out("parts", "left", of_their_own(n))) for n in (0, 1, 11, 12, 20, 21, 244)}
    assert counts == {0: 0, 1: 0, 11: 0, 12: 2, 20: 2, 21: 3, 244: 25}
    assert held_out("parts", "left", of_their_own(50)) != held_out("parts", "right", of_their_own(50))


def test_a_list_leaves_out_twenty_or_a_tenth():
    ids = of_their_own(244)
    assert len(left_out("parts", "left", ids, list(ids)[:10])) == 25
    assert len(left_out("parts", "left", of_their_own(50), list(ids)[:10])) == 20
    assert left_out("parts", "left", of_their_own(5), list(ids)[:5]) == ()
    assert left_out("parts", "left", of_their_own(5), list(ids)[:3]) == ("003", "004")


@given(INSTANCES, st.data())
def test_no_instance_of_a_fitted_sample_is_among_them(instances, data):
    fitted = data.draw(st.sets(st.sampled_from(sorted(instances)))) if instances else set()
    drawn = left_out("parts", "left", instances, fitted)
    assert not {instances[id_] for id_ in drawn} & {instances[id_] for id_ in fitted}
    held = held_out("parts", "left", instances)
    assert not {instances[id_] for id_ in held} & {instances[id_] for id_ in instances.keys() - held}
    assert not held or len(instances) - len(held) >= FEWEST_FITTED
