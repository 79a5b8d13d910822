"""Fixtures of the tests that run the real daemon."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.process.harness import Daemon, Destination, listening


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
