"""Connections: those of one sink, kept between attempts and dropped when they were idle for too long.

Owns which connection a request goes over, and when it goes out a second time. Must not know sinks or reloads,
how a connection is made, or what an answer means.
"""

import asyncio
import ssl
from collections.abc import Callable

from aiohttp.abc import AbstractResolver

from router.errors import Unreachable
from router.sinks.sink import Reply, Request
from router.transport.dialling import Dialler, Terms
from router.transport.exchange import Line
from router.transport.target import Target

# A sink has one URL or a few; if each request had its own, the cache must not grow.
_TARGETS = 64

Origin = tuple[bool, str, int]


class Pool:
    """The connections of one sink under one set of terms, kept for `idle` seconds between attempts.

    The limit to how many there are is the sink's `concurrency`: one attempt has one connection.
    """

    def __init__(
        self,
        terms: Terms,
        tls: Callable[[str | None], ssl.SSLContext],
        resolver: AbstractResolver,
        idle: float,
    ) -> None:
        self.terms = terms
        self.busy = 0
        self.retired = False
        self._dialler = Dialler(terms, tls, resolver)
        self._idle_limit = idle
        self._loop = asyncio.get_running_loop()
        self._targets: dict[str, Target] = {}
        self._lines: set[Line] = set()
        # The one used last lies on top: what is not needed grows old at the bottom.
        self._idle: dict[Origin, list[Line]] = {}
        self._sweeper: asyncio.TimerHandle | None = None

    async def exchange(self, request: Request, connect: float) -> Reply:
        """Ask over a kept connection, or once over a new one if the kept one turns out to be dead.

        Raises:
            ForbiddenAddress: the URL or a header cannot be sent, or every address of the host is refused.
            Unreachable: no complete answer came; how long that may take is up to the caller, apart from
                `connect`, the seconds for a new connection.
        """
        target = self._targets.get(request.url) or self._read(request.url)
        head = target.head(request)
        origin = target.tls, target.host, target.port
        self.busy += 1
        try:
            reply = None
            line = self._kept(origin)
            if line is not None:
                try:
                    reply = await line.ask(request.method, head, request.body)
                except Unreachable:
                    if line.heard:
                        raise
            if line is None or reply is None:
                line = await self._dialler.dial(target, self._line, connect)
                reply = await line.ask(request.method, head, request.body)
            self._put_back(line, origin)
            return reply
        finally:
            self.busy -= 1

    def retire(self) -> None:
        """Close what is idle, and from now on every connection after its answer."""
        self.retired = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for unused in self._idle.values():
            for line in unused:
                line.drop()
        self._idle.clear()

    async def close(self) -> None:
        """Close every connection, in use or not."""
        self.retire()
        for line in self._lines:
            line.drop()
        while self._lines:  # noqa: ASYNC110  # dropped ones are gone within a turn or two of the event loop
            await asyncio.sleep(0)

    def _read(self, url: str) -> Target:
        if len(self._targets) == _TARGETS:
            self._targets.clear()
        target = self._targets[url] = Target.of(url)
        return target

    def _kept(self, origin: Origin) -> Line | None:
        """The connection used last, if there is one that lives."""
        unused = self._idle.get(origin)
        while unused:
            line = unused.pop()
            if line.usable:
                return line
        return None

    def _put_back(self, line: Line, origin: Origin) -> None:
        """Keep a connection after its answer, if another request may go out on it."""
        # Whether it was closed meanwhile is asked when somebody takes it.
        if line.keep and not self.retired:
            line.idle_since = self._loop.time()
            self._idle.setdefault(origin, []).append(line)
            if self._sweeper is None:
                self._sweeper = self._loop.call_later(self._idle_limit, self._sweep)
        else:
            line.drop()

    def _line(self) -> Line:
        return Line(self._lines)

    def _sweep(self) -> None:
        """Close what was idle for too long, and come again when the next one will have been."""
        self._sweeper = None
        oldest = self._loop.time() - self._idle_limit
        for origin, unused in [*self._idle.items()]:
            for line in unused:
                if line.idle_since <= oldest:
                    line.drop()
            unused[:] = [line for line in unused if line.usable]
            if not unused:
                del self._idle[origin]
        first = min((unused[0].idle_since for unused in self._idle.values()), default=None)
        if first is not None:
            self._sweeper = self._loop.call_at(first + self._idle_limit, self._sweep)
