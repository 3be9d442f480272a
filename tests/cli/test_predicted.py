"""Which places for maps are taken, of one sample and of several."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cli.predicted import Output
from harness.errors import UsageError


def output(out: Path, *, one: bool) -> Output:
    return Output(out, one=one, pictures=False, as_json=False)


def test_maps_of_several_samples_need_a_folder_whose_name_may_have_a_dot(tmp_path: Path) -> None:
    output(tmp_path / "maps.2026", one=False)
    (tmp_path / "there.npy").mkdir()
    output(tmp_path / "there.npy", one=False)
    for name in ("file", "file.2026"):
        (tmp_path / name).touch()
    for name in ("map.npy", "file", "file.2026"):
        with pytest.raises(UsageError, match=f"{name} is a file"):
            output(tmp_path / name, one=False)


def test_the_map_of_one_sample_is_a_file_of_arrays_or_lies_in_a_folder(tmp_path: Path) -> None:
    for name in ("map.npy", "maps"):
        output(tmp_path / name, one=True)
    with pytest.raises(UsageError, match=r"\.tiff"):
        output(tmp_path / "map.tiff", one=True)
