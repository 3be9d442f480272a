"""A sample that can't be read or predicted, for whatever reason, is an answer, and the others go on."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness.data.pairs import NewFiles
from harness.errors import DataError
from harness.running.stream import predict_each

FILES = [NewFiles(name, Path(f"{name}.png"), Path(f"{name}.tiff")) for name in ("a", "b", "c")]


def failing_at(where: str, error: Exception) -> Any:
    """A fitted method of which reading or predicting sample ``b`` raises an error."""

    def read(rgb: Path, xyz: Path, camera: Path | None, *, id: str) -> str:
        if (where, id) == ("read", "b"):
            raise error
        return id

    def predict(sample: str) -> str:
        if (where, sample) == ("predict", "b"):
            raise error
        return sample

    return SimpleNamespace(reader=SimpleNamespace(read=read), predict_sample=predict)


@pytest.mark.parametrize("where", ["read", "predict"])
@pytest.mark.parametrize(
    "error", [ValueError("Found array with 0 samples"), MemoryError(), np.linalg.LinAlgError("singular")]
)
def test_any_error_of_a_sample_is_its_answer(where: str, error: Exception) -> None:
    answers = list(predict_each(failing_at(where, error), FILES))
    assert [answer.predicted for answer in answers] == ["a", None, "c"]
    assert "b.png" in answers[1].error
    assert type(error).__name__ in answers[1].error
    assert str(error) in answers[1].error


@pytest.mark.parametrize("where", ["read", "predict"])
def test_an_error_for_users_is_told_as_it_is(where: str) -> None:
    answers = list(predict_each(failing_at(where, DataError("b.png is truncated.")), FILES))
    assert [answer.error for answer in answers] == ["", "b.png is truncated.", ""]
