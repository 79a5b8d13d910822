"""Fixtures of the tests that run the real daemon."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from tests.process.harness import Daemon, Destination


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Makes daemons; ends them."""
    made: list[Daemon] = []

    def make(config: str, env: Mapping[str, str] | None = None) -> Daemon:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Daemon(folder, config, env))
        return made[-1]

    yield make
    for one in made:
        if one.process is not None and one.process.poll() is None:
            one.kill()


@asynccontextmanager
async def listening() -> AsyncIterator[Destination]:
    """A destination on loopback."""
    sink = Destination()
    runner = web.ServerRunner(web.Server(sink.answer))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    sink.port = runner.addresses[0][1]
    yield sink
    if sink.hang is not None:
        sink.hang.set()
    await runner.cleanup()


@pytest.fixture
async def destination() -> AsyncIterator[Destination]:
    """A destination."""
    async with listening() as sink:
        yield sink


@pytest.fixture
async def second() -> AsyncIterator[Destination]:
    """Another destination."""
    async with listening() as sink:
        yield sink
