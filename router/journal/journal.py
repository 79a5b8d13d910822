"""Journal: its four protocols, Inbox, Queue, Archive, Upkeep; and its settings.

What every backend promises, whatever it stores in. The conformance suite (`tests/journal/`) is written
against this file and runs on every backend. Every method may raise `JournalUnavailable`. One that writes has
changed nothing then, unless it works on many rows, in several transactions: `Halfway` says how many. Of a
server that went away nobody can say; asking again does no harm. What a writing method returned is on disk,
synced.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec

from router.clock import Ids
from router.delivery import Attempt, Claim, Delivery, Route, Settlement, State
from router.event import Event
from router.journal.fleet import RouterMark
from router.journal.slots import Slots
from router.secret import Secret
from router.share import Share
from router.units import Duration


class JournalSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`url`: `sqlite:path` or `postgresql://…`. `keep` counts from an event's last settlement.

    Of PostgreSQL only: `listen_url` is the same database without a pooler between;
    `may_lose_acknowledged_events` accepts a server whose settings break the promise of 202.
    """

    url: str | Secret = "sqlite:var/journal.db"
    keep: Duration = Duration(30 * 86_400)
    listen_url: str | Secret | None = None
    may_lose_acknowledged_events: bool = False


class Receipt(msgspec.Struct, frozen=True):
    """The answer to `record`: the id under which the event is known, and whether it was there already."""

    id: str
    duplicate: bool


class Batch(msgspec.Struct, frozen=True):
    """What `claim` took, and what it left.

    `next_due`: when the next delivery of the sinks in `free` is due, apart from those claimed and suspects
    that are due; None: nothing else is pending there. `suspects`: sinks asked for that have a suspect due.
    """

    claims: list[Claim]
    next_due: float | None
    suspects: Sequence[str]


class SinkMark(msgspec.Struct, frozen=True, kw_only=True):
    """What the journal remembers of a sink over restarts.

    `paused` is the reason of a pause that only `resume`, or settings with another `fingerprint`, ends;
    `by_operator` pauses end only by `resume`. `held_until` is the end of a silence that the sink asked for.
    """

    sink: str
    paused: str | None = None
    by_operator: bool = False
    fingerprint: str = ""
    held_until: float | None = None

    @property
    def empty(self) -> bool:
        """Whether it says nothing: neither paused nor held."""
        return self.paused is None and self.held_until is None


class EventQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Filters for `events`: equality per field; `text` in title, branch, author, commit, build or project.

    Newest first; `before` is the id of the last event of the page before; none was received before `since`,
    host time in seconds since 1970.
    """

    source: str | None = None
    provider: str | None = None
    kind: str | None = None
    status: str | None = None
    branch: str | None = None
    project: str | None = None
    text: str | None = None
    since: float | None = None
    before: str | None = None
    limit: int = 50


class DeliveryQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Filters for `deliveries`; newest first; `before` as in `EventQuery`; `settled_since`: nothing open.

    `created_since`: what was requeued counts from then, however old its id is.
    """

    event_id: str | None = None
    sink: str | None = None
    state: State | None = None
    created_since: float | None = None
    settled_since: float | None = None
    before: str | None = None
    limit: int = 50


class RefusedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request to a known source that failed verification or decoding, kept to be verified again.

    `received_at` is host time; `signature` the provider's own headers of the request, no others; `labels`
    come from the URL's query; `verified`: its signature was right, its body did not decode. `reason` is for
    operators. `size` in bytes stands also where the body is left out.
    """

    id: str
    source: str
    received_at: float
    verified: bool
    reason: str
    signature: dict[str, str]
    labels: dict[str, str]
    size: int
    body: bytes = b""


class RefusedQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Filters for `quarantined`; newest first; `before` is the id of the last request of the page before."""

    source: str | None = None
    before: str | None = None
    limit: int = 50


class Stock(msgspec.Struct, frozen=True):
    """What the quarantine holds of one source: requests, and the bytes of their bodies."""

    count: int = 0
    bytes: int = 0


class Judged(msgspec.Struct, frozen=True):
    """An event and the digest of the rules that judged it."""

    event: Event
    ruleset: str


class Inbox(Protocol):
    """The accept path's side."""

    async def record(
        self,
        event: Event,
        routes: Sequence[Route],
        *,
        window: float | None,
        ruleset: str,
        flag_reuse: bool = False,
        released: str | None = None,
    ) -> Receipt:
        """Store the event, its body and one pending delivery per route, due at once, in one transaction.

        A duplicate (same source and subject, body digest equal to the subject's last, recorded within
        `window` seconds; None: ever; 0: never) stores nothing and returns the first id. With `flag_reuse`
        an event whose subject is known with another body is stored with `reused` set. `released` is the
        refused request that this event is made of: it leaves the quarantine with the same transaction.

        Raises:
            Unknown: no such request is in quarantine any more; nothing was stored.
        """
        ...

    async def quarantine(self, refused: RefusedRequest, *, most: int, most_bytes: int) -> None:
        """Keep a refused request; a source's oldest fall out beyond so many requests or bytes of bodies.

        One that is larger by itself is not kept. Shares no transaction with anything else, and leaves the
        last room on a disk to events.
        """
        ...

    async def remember(self, digest: str, rules: str) -> None:
        """Keep the text of a ruleset under its digest, and when that was.

        What is in force is remembered now and then: else `prune_rulesets` takes it for replaced.
        """
        ...


class Queue(Protocol):
    """The deliver path's side."""

    async def claim(
        self, free: Mapping[str, int], *, probe: Collection[str] = (), suspect: bool = False
    ) -> Batch:
        """Take at most `free[sink]` due deliveries of each sink, oldest due first, with new claim numbers.

        For sinks in `probe` exactly one delivery is taken, the one due earliest, due or not; they need not
        be in `free`. Suspects (in flight at two crashes or more, and no attempt came to its end since) are
        passed over, unless `suspect`: then exactly one due suspect of any sink in `free`, and nothing else.
        No suspect is due until the journal was open for 30 s: a process killed in a loop blames nobody. Where
        no other router records, no more of a sink are taken than `counts` said were pending at the call.
        `superseded` is looked up from the second claim on. A claim whose caller is cancelled is given back
        uncounted.
        """
        ...

    def offer(self, slots: Slots | None) -> None:
        """Let deliveries be born in flight: in the transaction of `record`, under claim number 1.

        One that finds a slot and nothing due at its sink is handed to that slot once it is on disk; `claim`
        never sees it. Nothing is handed over while there are suspects, and a journal may leave any offer
        alone. None withdraws the offer: what is committed after that is given back uncounted, and its slot is
        freed.
        """
        ...

    async def settle(self, settlements: Sequence[Settlement]) -> list[str]:
        """Write what became of claims, with their attempts, in one synced transaction.

        Returns the ids whose claim number is no longer the current one: their state is left alone, the
        attempt is recorded all the same.
        """
        ...

    async def expedite(self, sink: str) -> int:
        """Make everything pending of that sink due now; returns how many were not yet."""
        ...

    async def mark(self, mark: SinkMark) -> None:
        """Remember a sink's pause or hold; an empty mark forgets it.

        Routers that learn things at the same time do not forget each other's: under the same fingerprint the
        longer hold and any pause stay, and an operator's pause stays in any case.
        """
        ...

    async def marks(self) -> list[SinkMark]:
        """All sinks that are paused or held."""
        ...

    def news(self) -> list[SinkMark]:
        """Marks that other routers changed since the last call, oldest first; empty ones: they forgot it.

        From memory, which is as new as the last `wait`.
        """
        ...

    def share(self) -> Share:
        """What part of each sink's limits is this router's; from memory, as `news`."""
        ...

    async def wait(self, timeout: float | None) -> None:
        """Return when something may have become due, after `wake`, or after `timeout` seconds."""
        ...

    def wake(self) -> None:
        """Let `wait` return: a slot became free, a sink was resumed."""
        ...


class Archive(Protocol):
    """The operators' side."""

    async def events(self, query: EventQuery) -> list[Event]:
        """A page of events, newest first, with empty payloads: a search does not read bodies."""
        ...

    async def event(self, event_id: str) -> Judged | None:
        """One event with its payload, or None."""
        ...

    async def deliveries(self, query: DeliveryQuery) -> list[Delivery]:
        """A page of deliveries, newest first, open and settled alike."""
        ...

    async def attempts(self, delivery_ids: Sequence[str]) -> dict[str, list[Attempt]]:
        """The attempts of deliveries, oldest first."""
        ...

    async def rules(self, digest: str) -> str | None:
        """The text of a ruleset, or None."""
        ...

    async def requeue(self, *, ids: Sequence[str] = (), sink: str | None = None) -> int:
        """Dead to pending, due now, as if just created: these, or all of a sink. Returns how many."""
        ...

    async def discard(self, *, ids: Sequence[str] = (), sink: str | None = None, reason: str) -> int:
        """Pending to dead: these, or all of a sink. Returns how many."""
        ...

    async def add(self, event_id: str, routes: Sequence[Route]) -> list[str]:
        """Give an event the deliveries it does not have yet (by sink); returns the new ids.

        Raises:
            Unknown: no such event.
        """
        ...

    async def quarantined(self, query: RefusedQuery) -> list[RefusedRequest]:
        """A page of refused requests, newest first, with empty bodies."""
        ...

    async def refused(self, refused_id: str) -> RefusedRequest | None:
        """One refused request with its body, or None."""
        ...

    async def forget(self, ids: Sequence[str]) -> int:
        """Delete these refused requests. Returns how many were there."""
        ...


class Upkeep(Protocol):
    """The house-keeping side."""

    async def prune(self, before: float, limit: int) -> int:
        """Delete at most `limit` events with all that belongs to them; returns how many: call again until 0.

        Those whose deliveries all settled before that time, or that had none and were received before it.
        """
        ...

    async def prune_rulesets(self, before: float) -> int:
        """Forget the rulesets not remembered since that time that no event names; returns how many."""
        ...

    async def expire(self, sinks: Collection[str], before: float, limit: int) -> int:
        """Pending deliveries created before that time, of any sink but those named, go dead; how many."""
        ...

    async def outdate(self, sink: str, before: float, limit: int, reason: str) -> int:
        """At most `limit` pending deliveries of that sink, created before that time, go dead; how many."""
        ...

    async def prune_quarantine(self, before: float, limit: int) -> int:
        """Delete at most `limit` requests refused before that time; returns how many: call again until 0."""
        ...

    async def introduce(self, configuration: str) -> None:
        """Let other routers see the digest of the configuration that is in force here."""
        ...

    def routers(self) -> list[RouterMark]:
        """The routers at work on this journal, the oldest first; from memory, none before it is open."""
        ...

    def stock(self) -> Mapping[str, Stock]:
        """What the quarantine holds by source, from memory; a source of which it holds nothing is absent."""
        ...

    async def ping(self) -> None:
        """A round trip through the writer that writes: returns only if the journal can commit."""
        ...

    async def backup(self, path: str) -> None:
        """Write a consistent copy that opens as a journal; refuses to overwrite."""
        ...

    @property
    def broken(self) -> str | None:
        """Why nothing will ever be written again, or None. `wait` returns when that happens."""
        ...

    def counts(self) -> Mapping[tuple[str, State], int]:
        """Deliveries by sink and state, from memory: open ones, and settled ones as far as they are kept."""
        ...


class Journal(Inbox, Queue, Archive, Upkeep, Protocol):
    """All four sides of one durable record."""

    @property
    def ids(self) -> Ids:
        """Where new events get their ids: greater than all the journal holds. For the loop's thread only."""
        ...

    async def open(self) -> None:
        """Open what could not be opened yet (no room, database away); nothing if it is open.

        Until this succeeded, whatever needs the disk raises `JournalUnavailable`, and there are no counts.

        Raises:
            JournalUnavailable: still not; ask again later.
            JournalError: it never will; see the backend.
        """
        ...


# Entered, the journal is open, or waits for its `open` if that is impossible now; left, it is closed.
JournalOpener = AbstractAsyncContextManager[Journal]
