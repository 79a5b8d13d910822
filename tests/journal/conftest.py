"""Fixtures of the journal's tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from router.journal.journal import Journal
from tests.journal.backends import BACKENDS, Place, Time


@pytest.fixture
def time() -> Time:
    """Time that the test moves."""
    return Time()


@pytest.fixture(params=sorted(BACKENDS))
def place(request: pytest.FixtureRequest, tmp_path: Path, time: Time) -> Place:
    """A place for a journal, once per backend."""
    return Place(request.param, tmp_path, time)


@pytest.fixture
async def journal(place: Place) -> AsyncIterator[Journal]:
    """An open, empty journal, once per backend."""
    async with place.open() as journal:
        yield journal
