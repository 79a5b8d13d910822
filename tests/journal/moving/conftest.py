"""Fixtures of the tests of moving."""

from collections.abc import Iterator

import pytest

from tests.journal.moving.origins import a_database


@pytest.fixture
def target() -> Iterator[str]:
    """The URL of a database with nothing in it."""
    with a_database() as url:
        yield url
