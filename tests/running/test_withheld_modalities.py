"""A method gets the modalities that it declares, and no content of others, in a run and in a prediction."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from samples import write_sample

SEEN = {
    "rgb": "rgb",
    "depth": "depth+plane+blackened+measured",
    "xyz": "xyz+plane+blackened+measured",
    "rgb+xyz": "rgb+xyz+plane+blackened+measured",
}


@pytest.fixture(scope="module")
def data(tiny_mvtec: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A category of objects in front of a plane, with a validation sample."""
    root = tmp_path_factory.mktemp("planes")
    shutil.copytree(tiny_mvtec / "bagel", root / "bagel")
    write_sample(root / "bagel" / "validation", "000", 50, "good")
    rows, columns = np.mgrid[:96, :96] - 48.5
    behind = np.stack([columns * 7e-4, rows * 7e-4, np.full_like(rows, 0.6)], 2)
    for path in root.rglob("xyz/*.tiff"):
        cloud = tifffile.imread(path)
        filled = np.where(cloud == 0, behind, cloud).astype(np.float32)
        tifffile.imwrite(path, filled, photometric="rgb")
    return root


@pytest.mark.parametrize("uses", SEEN)
def test_a_run_and_a_prediction_show_what_is_declared_and_no_more(
    harness, data: Path, tmp_path: Path, uses: str
) -> None:
    told = tmp_path / "told"
    where = ("--dataset", "mvtec3d", "--data", data, "--categories", "bagel", "--shots", "3", "--preset", "quick")
    method = f"looking[uses={uses},where={told}]"
    ran = harness("run", "--methods", method, *where, "--device", "cpu", "--save-maps", "--save-fitted")
    assert ran.returncode == 0, ran.stderr
    seen = {tuple(line.split()) for line in told.read_text().splitlines()}
    assert seen == {(when, "96", "96", "96", "96", SEEN[uses]) for when in ("validation", "fit", "prepare")}

    (fitted,) = (tmp_path / "results" / "fitted").iterdir()
    hole = data / "bagel" / "test" / "hole"
    inputs = ("--rgb", hole / "rgb" / "000.png", "--xyz", hole / "xyz" / "000.tiff")
    told.unlink()
    predicted = harness("predict", fitted, *inputs)
    assert predicted.returncode == 0, predicted.stderr
    assert told.read_text().split() == ["prepare", "96", "96", "96", "96", SEEN[uses]]
