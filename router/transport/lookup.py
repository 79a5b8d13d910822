"""Lookup: what addresses a name has, as the system knows them.

Owns the threads that wait for the answer. Must not know who asks, or which address will do.
"""

import socket
from functools import partial

from aiohttp.abc import AbstractResolver, ResolveResult
from anyio import CapacityLimiter, to_thread

# Names that one sink may wait for at once; it has one or a few.
_AT_ONCE = 4


class Lookup(AbstractResolver):
    """Asks in threads of its own: a loop has few for all (uvloop two), and a name may hang for half a minute.

    What nobody waits for any more is left to its end.
    """

    def __init__(self) -> None:
        self._limiter = CapacityLimiter(_AT_ONCE)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses; `OSError` if there are none."""
        ask = partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        found = await to_thread.run_sync(ask, abandon_on_cancel=True, limiter=self._limiter)
        return [
            ResolveResult(hostname=host, host=str(where[0]), port=port, family=kind, proto=protocol, flags=0)
            for kind, _, protocol, _, where in found
        ]

    async def close(self) -> None:
        """Nothing is open."""
