"""Odd samples give numbers or one sentence, in fit as in prediction, whatever the method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from samples import make_sample, no_progress
from small_methods import SMALL_METHODS, make_method, small_sample

from harness.contract import Method, MethodError, Sample


def black(sample: Sample) -> Sample:
    return replace(sample, rgb=np.zeros_like(sample.rgb))


def one_point_everywhere(sample: Sample) -> Sample:
    """A camera that gives every pixel of the object the same point."""
    return with_cloud(sample, np.where(sample.xyz[..., 2:] != 0, np.float32([0.01, 0.02, 0.5]), np.float32(0)))


def flat(sample: Sample) -> Sample:
    """An object without relief."""
    cloud = sample.xyz.copy()
    cloud[..., 2] = np.where(cloud[..., 2] != 0, np.float32(0.5), 0)
    return with_cloud(sample, cloud)


def one_point(sample: Sample) -> Sample:
    cloud = np.zeros_like(sample.xyz)
    middle = tuple(side // 2 for side in cloud.shape[:2])
    cloud[middle] = (0.01, 0.02, 0.5)
    return with_cloud(sample, cloud)


def no_point(sample: Sample) -> Sample:
    return with_cloud(sample, np.zeros_like(sample.xyz))


def tiny(sample: Sample) -> Sample:
    """Eight by eight pixels, all of them on the object."""
    small = make_sample(1, height=8, width=8)
    return replace(small, measured=small.xyz if sample.measured is not None else None)


def with_cloud(sample: Sample, cloud: np.ndarray) -> Sample:
    removed = cloud[..., 2] == 0
    measured = cloud if sample.measured is not None else None
    return replace(sample, xyz=cloud, measured=measured, plane=removed, blackened=removed)


ODD: list[Callable[[Sample], Sample]] = [black, one_point_everywhere, flat, one_point, no_point, tiny]
NEWER = ["mafr", "trd", "shape-guided", "g2sf", "inp-former", "cfr", "cif"]


def require_numbers_or_one_sentence(act: Callable[[], None]) -> None:
    """Whatever else is raised fails the test with its traceback."""
    try:
        act()
    except MethodError as error:
        message = str(error)
        assert message.endswith(".")
        assert "\n" not in message


def require_numbers(method: Method, sample: Sample) -> None:
    prediction = method.infer(method.prepare(sample))
    assert np.isfinite(prediction.anomaly_map).all()
    assert np.isfinite(prediction.score)


@pytest.mark.parametrize("name", SMALL_METHODS)
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_odd_test_samples(name: str) -> None:
    method = make_method(name)
    method.fit([small_sample(method, number) for number in range(2)], seed=0, device="cpu", progress=no_progress)
    for odd in ODD:
        require_numbers_or_one_sentence(lambda odd=odd: require_numbers(method, odd(small_sample(method, 9))))


@pytest.mark.parametrize("name", NEWER)
@pytest.mark.parametrize("odd", [black, one_point_everywhere, no_point, tiny])
def test_odd_training_samples(name: str, odd: Callable[[Sample], Sample]) -> None:
    method = make_method(name)
    good, other = small_sample(method, 0), odd(small_sample(method, 1))

    def act() -> None:
        method.fit([good, other, other], seed=0, device="cpu", progress=no_progress)
        require_numbers(method, good)

    require_numbers_or_one_sentence(act)
