"""Fixtures of the tests that attack the real daemon."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from tests.hostile.target import Target
from tests.process.harness import Destination


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Callable[..., Target]]:
    """Makes daemons to attack; ends them."""
    made: list[Target] = []

    def make(config: str, env: Mapping[str, str] | None = None, server: str = "") -> Target:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Target(folder, config, env, server))
        return made[-1]

    yield make
    for one in made:
        if one.alive:
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
