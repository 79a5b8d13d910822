"""Loop: which event loop the daemon runs on: uvloop where it is installed and sound, else Python's own.

Owns the oldest version that may be used. Must not know what runs on it.
"""

import asyncio
import re
from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)

# Those before close descriptors that are not theirs any more.
_OLDEST = "0.23"


def chosen() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes the loop, None: asyncio's own.

    That uvloop is absent is a choice; one that cannot be used is logged.
    """
    try:
        import uvloop  # noqa: PLC0415  # for the daemon alone: every other command would start later
    except ModuleNotFoundError:
        return None
    except ImportError as error:
        log.warning("uvloop_unused", reason=str(error))
        return None
    version = str(getattr(uvloop, "__version__", "0"))
    if _numbers(version) < _numbers(_OLDEST):
        reason = f"uvloop '{version}' closes descriptors that are not its own; install {_OLDEST} or newer"
        log.warning("uvloop_unused", reason=reason)
        return None
    make: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return make


def running() -> str:
    """Which one runs here: `asyncio` or `uvloop`."""
    return type(asyncio.get_running_loop()).__module__.partition(".")[0]


def _numbers(version: str) -> list[int]:
    """The first two numbers of a version."""
    return [int(number) for number in re.findall(r"\d+", version)[:2]]
