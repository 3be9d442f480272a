"""Point histograms by Open3D: their invariances, and an installation without Open3D."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from harness.contract import UnsupportedError
from methods.parts import fpfh as module
from methods.parts.fpfh import FPFHSettings, fpfh, require_open3d

SETTINGS = FPFHSettings()


def bumpy_sheet(count: int = 400, seed: int = 0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    x, y = draw.uniform(-0.03, 0.03, (2, count))
    return np.stack([x, y, 0.5 + 0.004 * np.sin(200 * x) * np.cos(150 * y)], 1)


def test_each_histogram_sums_to_200() -> None:
    described = fpfh(bumpy_sheet(), SETTINGS, seed=0)
    assert (described.shape, described.dtype) == ((400, 33), np.float64)
    np.testing.assert_allclose(described.reshape(400, 3, 11).sum(2), 200, rtol=1e-9)


def test_histograms_do_not_depend_on_the_seed_or_on_earlier_calls() -> None:
    first = fpfh(bumpy_sheet(), SETTINGS, seed=0)
    fpfh(bumpy_sheet(seed=1), SETTINGS, seed=5)
    np.testing.assert_array_equal(fpfh(bumpy_sheet(), SETTINGS, seed=2**40), first)


def test_histograms_depend_on_position_only_through_the_sign_of_normals() -> None:
    moved = fpfh(bumpy_sheet() + np.array([0.5, 0, 0]), SETTINGS, seed=0)
    np.testing.assert_allclose(np.median(np.abs(moved - fpfh(bumpy_sheet(), SETTINGS, seed=0))), 0, atol=1e-6)


def test_neighbourhoods_are_parameters() -> None:
    points = bumpy_sheet()
    whole = fpfh(points, SETTINGS, seed=0)
    for other in (
        FPFHSettings(normal_radius=0.002),
        FPFHSettings(normal_neighbours=5),
        FPFHSettings(feature_radius=0.002),
        FPFHSettings(feature_neighbours=10),
    ):
        assert np.abs(fpfh(points, other, seed=0) - whole).max() > 1


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_handful_of_points(count: int) -> None:
    assert np.isfinite(fpfh(bumpy_sheet()[:count], SETTINGS, seed=0)).all()


def test_open3d_is_imported_on_first_use_and_finds_its_libusb() -> None:
    code = (
        "import sys, methods.btf, methods.parts.fpfh as f; assert not {'open3d', 'torch'} & set(sys.modules);"
        "f.require_open3d(); assert 'open3d' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_missing_open3d_is_an_error_with_the_command_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    module._open3d.cache_clear()
    monkeypatch.setitem(sys.modules, "open3d", None)
    try:
        with pytest.raises(UnsupportedError, match=r"pip install 'ad3d-harness\[btf\]'"):
            require_open3d()
    finally:
        module._open3d.cache_clear()
