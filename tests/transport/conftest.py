"""Fixtures of the transport's tests: an open transport, servers that end with the test, a canary."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from router.sinks.sink import Request
from router.transport.transport import Lanes
from tests.loops import factories
from tests.transport.servers import Peer


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Every test runs on the event loops that a daemon may run on."""
    return factories()


@pytest.fixture
async def transports() -> AsyncIterator[Lanes]:
    """An open transport with the system's resolver."""
    async with Lanes() as opened:
        yield opened


@pytest.fixture
async def listening() -> AsyncIterator[Callable[[Peer], Awaitable[Peer]]]:
    """Opens servers; closes them after the test."""
    async with AsyncExitStack() as stack:
        yield stack.enter_async_context


@pytest.fixture
async def canary() -> AsyncIterator[Peer]:
    """A server that nobody may ever connect to: checked at the end of the test."""
    async with Peer() as peer:
        yield peer
    assert peer.connections == 0


@pytest.fixture
def post() -> Callable[..., Request]:
    """Makes requests."""

    def make(url: str, body: bytes = b'{"id":"dlv_1"}', method: str = "POST", **headers: str) -> Request:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Request(method, url, {"Content-Type": "application/json"} | named, body)

    return make
