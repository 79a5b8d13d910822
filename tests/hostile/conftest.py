"""Fixtures of the tests that attack the real daemon."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.hostile.target import Target
from tests.process.harness import Destination, listening


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


@pytest.fixture
async def destination() -> AsyncIterator[Destination]:
    """A destination."""
    async with listening() as sink:
        yield sink
