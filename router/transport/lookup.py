"""Lookup: what addresses a name has, as the system knows them.

Owns the threads that wait for the answer. Must not know who asks, or which address will do.
"""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from aiohttp.abc import AbstractResolver, ResolveResult

# Names that may hang at the same time before all others wait, too. The unit allows 64 threads for everything.
_AT_ONCE = 16

_Question = tuple[str, int, socket.AddressFamily]


class Lookup(AbstractResolver):
    """Asks in threads of its own: a loop has few for all (uvloop two), and a name may hang for half a minute.

    Whoever gives up leaves the thread to its end, and whoever asks the same until then waits for its answer:
    else each attempt would leave one more behind.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_AT_ONCE, "lookup")
        self._asked: dict[_Question, asyncio.Future[list[ResolveResult]]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses; `OSError` if there are none."""
        question = host, port, family
        answer = self._asked.get(question)
        if answer is None:
            loop = asyncio.get_running_loop()
            answer = self._asked[question] = loop.run_in_executor(self._threads, _look_up, *question)
            answer.add_done_callback(partial(self._answered, question))
        return await asyncio.shield(answer)

    def _answered(self, question: _Question, answer: asyncio.Future[list[ResolveResult]]) -> None:
        del self._asked[question]
        # Looked at once: nobody may wait for it any more, and that an error was never seen is no news.
        answer.exception()

    async def close(self) -> None:
        """Nothing is open."""


def _look_up(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return [
        ResolveResult(hostname=host, host=str(where[0]), port=port, family=kind, proto=protocol, flags=0)
        for kind, _, protocol, _, where in found
    ]
