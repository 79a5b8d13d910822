"""Fixtures of the tests that attack the real daemon.

`HARDENED=1` runs each under what the unit forbids, as in `tests/process`.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.hardening import wanted
from tests.hostile.target import Target
from tests.process.harness import Destination, listening


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Callable[..., Target]]:
    """Makes daemons to attack; ends them, and none may have said a secret."""
    made: list[Target] = []

    def make(config: str, env: Mapping[str, str] | None = None, server: str = "") -> Target:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Target(folder, config, env, server))
        made[-1].prefix = wanted(tmp_path)
        return made[-1]

    yield make
    for one in made:
        if one.alive:
            one.kill()
    leaks = [leak for one in made for leak in one.leaks()]
    assert leaks == [], "\n".join(leaks)


@pytest.fixture
async def destination() -> AsyncIterator[Destination]:
    """A destination."""
    async with listening() as sink:
        yield sink
