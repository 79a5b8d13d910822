"""Fixtures of the tests of PostgreSQL's own promises."""

from collections.abc import Iterator

import pytest

from tests.journal.postgres.server import databases


@pytest.fixture
def database() -> Iterator[str]:
    """The URL of a database with the journal's empty tables."""
    url = databases().create()
    yield url
    databases().drop(url)


@pytest.fixture
def empty() -> Iterator[str]:
    """The URL of a database with nothing in it."""
    url = databases().create("template0")
    yield url
    databases().drop(url)
