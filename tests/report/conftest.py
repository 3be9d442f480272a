"""Fixtures of the tests of tables."""

import pytest

from harness.store.published import Published, read_published


@pytest.fixture(scope="session")
def published() -> Published:
    """The published numbers that travel with the package."""
    return read_published()
