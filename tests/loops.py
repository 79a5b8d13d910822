"""The event loops that a daemon may run on: the second one lies beside what every installation has."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

BESIDE = Path(sys.prefix) / "beside"


def has_uvloop() -> bool:
    """Whether the second one is there."""
    return (BESIDE / "uvloop").is_dir()


def factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """What makes them, by name, for `pytest_asyncio_loop_factories`."""
    found: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    if has_uvloop():
        sys.path.append(str(BESIDE))
        try:
            import uvloop
        finally:
            sys.path.remove(str(BESIDE))

        found["uvloop"] = uvloop.new_event_loop
    return found
