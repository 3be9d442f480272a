"""The shared pass over all pixels: components, counts, streaming."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from harness.metrics.ranks import find_regions, rank_pixels


def test_every_anomalous_pixel_knows_the_size_of_its_component():
    masks = np.zeros((3, 5, 6), np.uint8)
    masks[0, 1, 1] = masks[0, 2, 2] = masks[0, 2, 3] = masks[0, 4, 5] = 255
    masks[2, :2, :2] = 255
    regions = find_regions(masks)
    assert regions.components == 3
    np.testing.assert_allclose(regions.shares, [1 / 3, 1 / 3, 1 / 3, 1, 0.25, 0.25, 0.25, 0.25])
    assert [mask.sum() for mask in regions.masks] == [4, 0, 4]


def brute_counts(maps, masks):
    scores, normal = np.unique(maps[masks]), maps[~masks]
    return [(normal > s).sum() for s in scores], [(normal == s).sum() for s in scores]


@given(st.data())
def test_counts_equal_brute_force(data):
    shape = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 6)))
    maps = data.draw(arrays(np.int16, shape, elements=st.integers(-3, 3)))
    masks = data.draw(arrays(np.bool_, shape))
    assume(masks.any())
    ranks = rank_pixels(maps, find_regions(masks))
    above, equal = brute_counts(maps, masks)
    assert ranks.above.tolist() == above
    assert ranks.equal.tolist() == equal
    assert ranks.normal == (~masks).sum()
    assert ranks.anomalous.sum() == masks.sum()
    assert ranks.share.sum() == pytest.approx(ranks.components)


def test_counts_add_over_chunks():
    rng = np.random.default_rng(2)
    maps = rng.integers(0, 50, (2, 1100, 1000)).astype(np.float64)
    masks = np.zeros(maps.shape, bool)
    masks[1, :30, :30] = True
    ranks = rank_pixels(maps, find_regions(masks))
    above, equal = brute_counts(maps, masks)
    assert ranks.above.tolist() == above
    assert ranks.equal.tolist() == equal


def test_signed_zeros_are_one_score():
    maps = np.array([[[0.0, -0.0, 1.0], [-0.0, 0.0, -1.0]]])
    masks = np.array([[[True, True, False], [False, False, False]]])
    ranks = rank_pixels(maps, find_regions(masks))
    assert ranks.anomalous.tolist() == [2]
    assert (ranks.above.tolist(), ranks.equal.tolist()) == ([1], [2])
