"""One desk per test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.admin.desk import Desk, Door, opened


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """A desk with its configuration in force."""
    async with opened(tmp_path) as one:
        yield one


@pytest.fixture
async def door(desk: Desk) -> AsyncIterator[Door]:
    """Its listener, without a token."""
    async with desk.open() as one:
        yield one
