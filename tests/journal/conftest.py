"""Fixtures of the journal's tests."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from router.journal.journal import Journal
from tests.journal.backends import BACKENDS, Place, Time
from tests.journal.postgres.server import close_databases


@pytest.fixture(scope="session", autouse=True)
def _servers() -> Iterator[None]:
    """What tests started ends with them."""
    yield
    close_databases()


@pytest.fixture
def time() -> Time:
    """Time that the test moves."""
    return Time()


@pytest.fixture(params=sorted(BACKENDS))
def place(request: pytest.FixtureRequest, tmp_path: Path, time: Time) -> Iterator[Place]:
    """A place for a journal, once per backend."""
    place = Place(request.param, tmp_path, time)
    yield place
    place.leave()


@pytest.fixture
async def journal(place: Place) -> AsyncIterator[Journal]:
    """An open, empty journal, once per backend."""
    async with place.open() as journal:
        yield journal
