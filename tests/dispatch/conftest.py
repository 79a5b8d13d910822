"""Fixtures of the tests of the deliver path."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from router.clock import Clock
from router.journal.sqlite import open_sqlite
from tests.dispatch.dispatching import Bench


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """A bench whose clock stands still unless told."""
    time = [1_800_000_000.0]
    clock = Clock(lambda: time[0], lambda: time[0])
    async with open_sqlite(tmp_path / "journal.db", clock) as journal:
        yield Bench(journal, clock, time)
