"""Fixtures of the server's tests."""

import asyncio
from collections.abc import Callable

from tests.loops import factories


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Every test runs on the event loops that a daemon may run on."""
    return factories()
