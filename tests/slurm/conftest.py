"""A real Slurm of one node, started once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from slurm_bed import Bed, MissingPackagesError


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """The cluster of all tests of this process."""
    bed = Bed(tmp_path_factory.mktemp("slurm"))
    try:
        bed.start()
        yield bed
    except MissingPackagesError as error:
        pytest.skip(str(error))
    finally:
        bed.stop()


@pytest.fixture
def bed(cluster: Bed, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bed]:
    """The cluster as this process and its children meet it; it has no job before and after a test."""
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    yield cluster
    cluster.clear()
