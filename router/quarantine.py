"""Quarantine: keeps what known sources refused, so that a wrong secret costs nothing.

Owns what is kept of a request, how much of it, and the way to the journal, on which nobody waits. A sender
without the secret can post as much as one with it, so everything here has a bound per source. Must not know
what the sender is answered.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Protocol

import anyio
import structlog

from router.bucket import Bucket
from router.clock import Clock, Ids, id_text
from router.errors import BadSignature, IntakeError, JournalBroken, JournalError, JournalUnavailable
from router.journal.journal import RefusedRequest, Stock
from router.metrics import Metrics
from router.sources.source import Source
from router.units import Rate

log = structlog.get_logger(__name__)

# Per source: requests kept, requests a second, bytes a second with what may come at once.
MOST = 1000
_REQUESTS = Rate(10, 1.0)
_BYTES = Rate(8 << 20, 8.0)
# A full quarantine takes at least so many seconds to be replaced: garbage must not push out overnight what an
# operator is to find in the morning.
_TURNOVER = 43_200.0
# Bytes that wait for the journal, of all sources.
_MEMORY = 16 << 20
# What a request costs beside its body.
_OVERHEAD = 4096
_AGAIN = 5.0
_DRAIN_SECONDS = 2.0


class Shelf(Protocol):
    """The part of a journal that this needs."""

    async def quarantine(self, refused: RefusedRequest, *, most: int, most_bytes: int) -> None:
        """See `Inbox.quarantine`."""
        ...

    def stock(self) -> Mapping[str, Stock]:
        """See `Upkeep.stock`."""
        ...


class _Gauge:
    """How much a source may still add; once it is full, when the next request may replace an old one.

    `waiting` is what it added that the journal does not hold yet.
    """

    def __init__(self, now: float) -> None:
        self.requests = Bucket(_REQUESTS, now)
        self.bytes = Bucket(_BYTES, now)
        self.replaces_at = now
        self.waiting = Stock()

    def waits(self, count: int, size: int) -> None:
        """Add to what waits, or take from it."""
        self.waiting = Stock(self.waiting.count + count, self.waiting.bytes + size)


class Quarantine:
    """Takes refused requests at once, and writes them while `run` runs."""

    def __init__(
        self, journal: Shelf, clock: Clock, ids: Ids, metrics: Metrics, again: float = _AGAIN
    ) -> None:
        """`again`: seconds until a journal that could not write is asked again."""
        self._journal = journal
        self._clock = clock
        self._ids = ids
        self._metrics = metrics
        self._again = again
        self._gauges: dict[str, _Gauge] = {}
        self._waiting: deque[tuple[RefusedRequest, int]] = deque()
        self._held = 0
        self._ready = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    def keep(
        self,
        source: Source,
        headers: Mapping[str, str],
        body: bytes,
        labels: Mapping[str, str],
        received_at: float,
        error: IntakeError,
    ) -> None:
        """Keep a request that was refused with `error`, if there is room; returns at once.

        Of its headers only those that the provider signs with; `received_at` is host time.
        """
        if source.quarantine == 0:
            return
        obstacle = self._obstacle(source, len(body))
        if obstacle is not None:
            self._metrics.not_kept(source.name, obstacle)
            return
        refused = RefusedRequest(
            id=id_text("req", self._ids.next()),
            source=source.name,
            received_at=received_at,
            verified=not isinstance(error, BadSignature),
            reason=_plain(str(error)),
            signature=_signature(headers, source.signature_headers),
            labels=dict(labels),
            size=len(body),
            body=body,
        )
        self._waiting.append((refused, source.quarantine))
        self._gauges[source.name].waits(1, len(body))
        self._held += len(body) + _OVERHEAD
        self._empty.clear()
        self._ready.set()

    async def run(self) -> None:
        """Write what was kept, for ever; a journal that broke ends it with its error."""
        while True:
            await self._ready.wait()
            while self._waiting:
                refused, most_bytes = self._waiting[0]
                await self._write(refused, most_bytes)
                self._waiting.popleft()
                self._gauges[refused.source].waits(-1, -refused.size)
                self._held -= refused.size + _OVERHEAD
            self._ready.clear()
            self._empty.set()

    async def drain(self, limit: float = _DRAIN_SECONDS) -> None:
        """Return when everything is written, or after `limit` seconds."""
        with anyio.move_on_after(limit):
            await self._empty.wait()

    async def _write(self, refused: RefusedRequest, most_bytes: int) -> None:
        """Until it is written, or can never be."""
        told = False
        while True:
            try:
                return await self._journal.quarantine(refused, most=MOST, most_bytes=most_bytes)
            except JournalUnavailable as error:
                if not told:
                    log.warning("quarantine_postponed", reason=str(error))
                    told = True
            except JournalBroken:
                raise
            except JournalError as error:
                self._metrics.not_kept(refused.source, "journal")
                log.warning("quarantine_failed", source=refused.source, reason=str(error))
                return None
            await anyio.sleep(self._again)

    def _obstacle(self, source: Source, size: int) -> str | None:
        """Why a request is not kept, in a word of a closed vocabulary; None: it is, and has been counted."""
        now = self._clock.now()
        gauge = self._gauges.setdefault(source.name, _Gauge(now))
        if size > source.quarantine:
            return "size"
        if self._held + size + _OVERHEAD > _MEMORY:
            return "memory"
        if gauge.requests.available(now) < 1 or gauge.bytes.available(now) < 1:
            return "rate"
        # What still waits counts too: else a flood in front of a busy disk would push out all there is.
        stock, waiting = self._journal.stock().get(source.name, Stock()), gauge.waiting
        if stock.count + waiting.count >= MOST or stock.bytes + waiting.bytes + size > source.quarantine:
            if now < gauge.replaces_at:
                return "full"
            gauge.replaces_at = now + _TURNOVER * max(1 / MOST, size / source.quarantine)
        gauge.requests.take(now)
        gauge.bytes.take(now, size)
        return None


def _signature(headers: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    """The headers of these names; one that came several times is joined, and verifies no more than it did."""
    getall = getattr(headers, "getall", None)
    found = {name: getall(name, []) if getall else [headers[name]] for name in names if name in headers}
    return {name: _plain(", ".join(values)) for name, values in found.items()}


def _plain(text: str) -> str:
    """Text that can be stored: bytes that were none are written out."""
    return text.encode("utf-8", "backslashreplace").decode()
