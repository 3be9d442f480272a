"""Tolerances and where they are read."""

from __future__ import annotations

import pytest

from harness.errors import DataError
from harness.files.bundled import leaderboard_dir
from harness.gate.tolerances import DEFAULTS, FILE_NAME, Tolerance, Tolerances, read_tolerances

COMMITTED = leaderboard_dir()
HEADING = "metric,tolerance,spread,how\n"


def test_the_committed_file_has_every_limit() -> None:
    read = read_tolerances(COMMITTED)
    assert set(read.limits) == set(DEFAULTS)
    assert read.source == str(COMMITTED / FILE_NAME)


def test_a_folder_without_the_file_has_the_committed_ones(tmp_path) -> None:
    assert read_tolerances(tmp_path) == read_tolerances(COMMITTED)


def test_a_name_that_the_file_lacks_has_its_default(tmp_path) -> None:
    (tmp_path / FILE_NAME).write_text(HEADING + 'p_auroc,0.01,0.004,"1, 2 and 4 threads"\n')
    read = read_tolerances(tmp_path)
    assert read["p_auroc"] == Tolerance(0.01, 0.004, "1, 2 and 4 threads")
    assert read["p_auroc"].origin == "measured spread 0.004: 1, 2 and 4 threads"
    assert read["aupro_1"] == Tolerance(0.005)
    assert read["aupro_1"].origin == ""


def test_a_name_of_version_0_1_is_read(tmp_path) -> None:
    (tmp_path / FILE_NAME).write_text(HEADING + "paper_ratio,1.5,,\n")
    assert read_tolerances(tmp_path)["memory_ratio"] == Tolerance(1.5)


def test_without_any_file_the_defaults_hold() -> None:
    assert {name: Tolerances()[name].value for name in DEFAULTS} == DEFAULTS
    assert Tolerances().source == "defaults"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1, must name the columns metric,tolerance,spread,how"),
        ("metric,tolerance\n", "line 1, must name the columns"),
        (HEADING + "p_auroc,0.1\n", "line 2, has 2 fields"),
        (HEADING + "p_aurok,0.1,,\n", "line 2, has the unknown metric 'p_aurok': did you mean 'p_auroc'"),
        (HEADING + "p_auroc,0.1,,\np_auroc,0.2,,\n", "line 3, has 'p_auroc' for the second time"),
        (HEADING + "p_auroc,-0.1,,\n", "has '-0.1'"),
        (HEADING + "p_auroc,nan,,\n", "has 'nan'"),
        (HEADING + "p_auroc,0.1,wide,\n", "has 'wide'"),
        (HEADING + "p_auroc,,,\n", "has no tolerance"),
        (HEADING + 'p_auroc,0.1,,"open\n', "can't be read as a table of tolerances"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(tmp_path, text, said) -> None:
    (tmp_path / FILE_NAME).write_text(text)
    with pytest.raises(DataError) as error:
        read_tolerances(tmp_path)
    assert said in str(error.value)
    assert str(tmp_path / FILE_NAME) in str(error.value)
