"""Transport: the only way out by HTTP. A lane per sink, kept across reloads.

Owns which sink has which pool of connections. Must not know how connections are made, what a request says,
what an answer means or how long it may take: `attempt.py` ends what takes too long.
"""

import functools
import ssl
from collections.abc import Coroutine, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp.abc import AbstractResolver

from router.sinks.sink import Reply, Request, Sink
from router.transport.connections import Pool
from router.transport.dialling import Terms
from router.transport.lookup import Lookup
from router.transport.trust import trust


class Lane:
    """One sink's way out: what `sinks/sink.py` calls Transport.

    `connect` is the limit until the connection stands, in seconds, so that an answer may take its time.
    """

    def __init__(self, connect: float, pool: Pool) -> None:
        self.connect = connect
        self.pool = pool

    def send(self, request: Request) -> Coroutine[Any, Any, Reply]:
        """Send, and read the head of the answer with at most 64 KiB of its body. Redirects are not followed.

        A connection that the server closed while it lay idle is replaced once. Cancelled, it lets go of its
        connection at once.

        Raises:
            ForbiddenAddress: the URL or a header cannot be sent, or every address of the host is refused.
            Unreachable: no complete answer came: network, TLS (`.tls`), no connection in time.
        """
        return self.pool.exchange(request, self.connect)


class Lanes:
    """The lanes of all sinks. Open it before the first attempt, close it after the last.

    `resolver` looks names up (None: the system's); `connect` is the limit until a connection stands, `idle`
    how long one is kept that nobody uses, both in seconds.
    """

    def __init__(
        self, resolver: AbstractResolver | None = None, connect: float = 5.0, idle: float = 15.0
    ) -> None:
        self._resolver = resolver or Lookup()
        self._connect = connect
        self._idle = idle
        self._lanes: dict[str, Lane] = {}
        self._retired: list[Pool] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pool in (*self._retired, *(lane.pool for lane in self._lanes.values())):
            await pool.close()

    def lane(self, sink: Sink) -> Lane:
        """The way out for this sink: one per name, brought up to the sink's settings of today."""
        lane = self._lanes.get(sink.name)
        if lane is None:
            lane = self._lanes[sink.name] = Lane(self._connect, self._pool(_terms(sink)))
        else:
            self._adopt(lane, sink)
        return lane

    async def retain(self, sinks: Mapping[str, Sink]) -> None:
        """Keep what belongs to these sinks; the rest, and what changed settings left, closes once idle."""
        for name in [*self._lanes]:
            if name in sinks:
                self._adopt(self._lanes[name], sinks[name])
            else:
                self._retired.append(self._lanes.pop(name).pool)
        for pool in self._retired:
            pool.retire()
        self._retired = [pool for pool in self._retired if pool.busy]

    def _adopt(self, lane: Lane, sink: Sink) -> None:
        terms = _terms(sink)
        if lane.pool.terms != terms:
            self._retired.append(lane.pool)
            lane.pool = self._pool(terms)

    def _pool(self, terms: Terms) -> Pool:
        return Pool(terms, self._tls, self._resolver, self._idle)

    def _tls(self, ca: str | None) -> ssl.SSLContext:
        return self._system if ca is None else trust(ca)

    @functools.cached_property
    def _system(self) -> ssl.SSLContext:
        """One for all sinks without authorities of their own: reading the system's takes 30 ms."""
        return trust(None)


def _terms(sink: Sink) -> Terms:
    try:
        authorities = None if sink.ca is None else Path(sink.ca).read_bytes()
    except OSError:
        authorities = None  # told by the first attempt
    return Terms(sink.allow_networks, sink.ca, authorities)
