"""The event loops that a daemon may run on: the second one is optional."""

import asyncio
import importlib.util
from collections.abc import Callable


def factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """What makes them, by name, for `pytest_asyncio_loop_factories`."""
    found: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    if importlib.util.find_spec("uvloop") is not None:
        import uvloop

        found["uvloop"] = uvloop.new_event_loop
    return found
