"""A shell without a daemon, and one with it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog

from tests.admin.desk import RULES, Desk, opened
from tests.commands.shell import Session, Shell, running


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The daemon's log is not the command's output."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    yield
    structlog.reset_defaults()


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A shell with a configuration and no daemon."""
    one = Shell(tmp_path)
    one.write(f"server: {{admin: 'unix:{tmp_path}/admin.sock'}}\n{RULES}")
    return one


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """What the daemon stands on."""
    async with opened(tmp_path) as one:
        yield one


@pytest.fixture
async def session(desk: Desk) -> AsyncIterator[Session]:
    """A shell beside a running daemon."""
    async with running(desk) as one:
        yield one
