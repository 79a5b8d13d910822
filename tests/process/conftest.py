"""Fixtures of the tests that run the real daemon.

`HARDENED=1` runs each under what the unit forbids: executable memory, and system calls that it does not list.
"""

import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.hardening import wanted
from tests.journal.postgres.server import close_databases
from tests.loops import BESIDE, has_uvloop
from tests.process.harness import Daemon, Destination, listening


@pytest.fixture(scope="session", autouse=True)
def _servers() -> Iterator[None]:
    """What tests started ends with them."""
    yield
    close_databases()


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What daemons run on: each in turn. Without this, on what an installation without extras has."""
    if request.param == "uvloop":
        if not has_uvloop():
            pytest.skip("needs uvloop, the extra `fast`")
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(BESIDE), os.environ["PYTHONPATH"]]))
    return str(request.param)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Makes daemons; ends them, and none may have said a secret."""
    made: list[Daemon] = []

    def make(config: str, env: Mapping[str, str] | None = None) -> Daemon:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Daemon(folder, config, env))
        made[-1].prefix = wanted(tmp_path)
        return made[-1]

    yield make
    for one in made:
        if one.process is not None and one.process.poll() is None:
            one.kill()
    leaks = [leak for one in made for leak in one.leaks()]
    assert leaks == [], "\n".join(leaks)


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
