"""Answers: the JSON documents of the admin API, one struct each.

`api.py` writes them, `client.py` reads them, scripts rely on them: a field may be added, never renamed or
removed. Times are RFC 3339 in UTC. Must not know HTTP, and must stay cheap to import: every command loads it.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from router.admin.reloads import RefusedReload
from router.delivery import Attempt, Delivery, State
from router.event import Event
from router.journal.fleet import RouterMark
from router.sources.source import Source

# The calendar ends at the years 1 and 9999; a day less, and it is a date in every time zone.
_FIRST, _LAST = -62_135_510_400.0, 253_402_214_400.0


def moment(seconds: float) -> datetime:
    """Seconds since 1970 as a UTC time, cut to the millisecond; beyond the calendar its first or last day.

    Never rounded up: what happened at a time that was shown is found since then, and sinks write the same.
    Total: one row that cannot be shown must not hide all the others.
    """
    whole = datetime.fromtimestamp(max(_FIRST, min(_LAST, seconds)), UTC)
    return whole.replace(microsecond=whole.microsecond // 1000 * 1000)


class Refusal(msgspec.Struct, frozen=True):
    """Every answer that is not a success: what is wrong, and what to do."""

    error: str
    fix: str = ""


class EventRow(msgspec.Struct, frozen=True, kw_only=True):
    """An event without its body; `reused`: its provider's id came with another body before."""

    id: str
    received_at: datetime
    source: str
    provider: str
    event: str | None = None
    kind: str = "unknown"
    status: str | None = None
    provider_status: str | None = None
    branch: str | None = None
    commit: str | None = None
    project: str | None = None
    build: str | None = None
    changes: int | None = None
    author: str | None = None
    title: str | None = None
    url: str | None = None
    pull_request: int | None = None
    labels: dict[str, str] = {}
    reused: bool = False

    @classmethod
    def of(cls, event: Event) -> "EventRow":
        """The row of an event."""
        fields = {name: getattr(event, name) for name in cls.__struct_fields__}
        return cls(**fields | {"received_at": moment(event.received_at)})


class AttemptRow(msgspec.Struct, frozen=True, kw_only=True):
    """One try; `outcome` is delivered, retry, hold, pause or dead; `excerpt` begins the sink's answer."""

    number: int
    started_at: datetime
    seconds: float
    outcome: str
    status: int | None = None
    reason: str | None = None
    excerpt: str | None = None

    @classmethod
    def of(cls, attempt: Attempt) -> "AttemptRow":
        """The row of an attempt."""
        fields = {name: getattr(attempt, name) for name in cls.__struct_fields__}
        return cls(**fields | {"started_at": moment(attempt.started_at)})


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """Why a pending delivery is not tried even when it is due: how its sink stands, as in `SinkRow`."""

    state: str
    reason: str | None = None
    until: datetime | None = None


class DeliveryRow(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery; `due` counts while it is pending; `attempts` is null where a list does not tell them.

    `waits` is null unless it is pending and its sink is not ready.
    """

    id: str
    event_id: str
    sink: str
    rule: str
    state: State
    created_at: datetime
    due: datetime | None = None
    settled_at: datetime | None = None
    claim: int = 0
    failures: int = 0
    crashes: int = 0
    reason: str | None = None
    attempts: list[AttemptRow] | None = None
    waits: Wait | None = None

    @classmethod
    def of(
        cls, delivery: Delivery, attempts: Sequence[Attempt] | None = None, wait: Wait | None = None
    ) -> "DeliveryRow":
        """The row of a delivery, with its attempts if they are given; `wait` is its sink's, if it has one."""
        told = ("attempts", "waits")
        fields = {name: getattr(delivery, name) for name in cls.__struct_fields__ if name not in told}
        pending = delivery.state is State.PENDING
        fields["created_at"] = moment(delivery.created_at)
        fields["due"] = moment(delivery.due) if pending else None
        fields["settled_at"] = None if delivery.settled_at is None else moment(delivery.settled_at)
        rows = None if attempts is None else [AttemptRow.of(attempt) for attempt in attempts]
        return cls(**fields, attempts=rows, waits=wait if pending else None)


class EventPage(msgspec.Struct, frozen=True):
    """Events, newest first; `next` as `before` asks for the following page; null at the end."""

    events: list[EventRow]
    next: str | None


class DeliveryPage(msgspec.Struct, frozen=True):
    """Deliveries, newest first; `next` as in `EventPage`."""

    deliveries: list[DeliveryRow]
    next: str | None


class FindingRow(msgspec.Struct, frozen=True):
    """What a rule asked of one field, what it saw (null: absent), and whether that held."""

    field: str
    wanted: str
    seen: str | int | float | bool | None
    held: bool


class CheckedRow(msgspec.Struct, frozen=True):
    """One condition of a rule: it holds if all its fields do."""

    held: bool
    findings: list[FindingRow]


class VerdictRow(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule says of an event, and `reason` in words.

    `to` are the sinks it names, `repeated` those that an earlier rule had named; `ended_by` is the final rule
    before it, because of which it was not reached.
    """

    rule: str
    matched: bool
    final: bool
    reason: str
    to: list[str]
    when: list[CheckedRow]
    unless: list[CheckedRow]
    repeated: list[str]
    ended_by: str | None = None


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Which rules matched and why; `current`: under those in force; `note`: why `verdicts` is null."""

    rules: str
    current: bool
    verdicts: list[VerdictRow] | None = None
    note: str | None = None


class EventReport(msgspec.Struct, frozen=True, kw_only=True):
    """One event with everything about it; `payload` is the provider's JSON as it came."""

    event: EventRow
    explanation: Explanation
    deliveries: list[DeliveryRow]
    payload: msgspec.Raw


def payload_of(event: Event) -> msgspec.Raw:
    """The provider's JSON byte for byte; what no strict parser would read is made readable."""
    raw = msgspec.Raw(event.payload)
    try:
        msgspec.json.decode(event.payload, type=msgspec.Raw)
    except (msgspec.MsgspecError, RecursionError):
        return msgspec.Raw(msgspec.json.encode(event.document))
    return raw


class SourceRow(msgspec.Struct, frozen=True):
    """A source of the configuration in force; `hook` is the path of its URL, a token in it not shown."""

    name: str
    type: str
    hook: str
    signed: bool

    @classmethod
    def of(cls, source: Source) -> "SourceRow":
        """The row of a source."""
        hook = f"/hooks/{source.name}" + ("/<token>" if source.token is not None else "")
        return cls(source.name, source.provider, hook, not source.unsigned)


class SinkRow(msgspec.Struct, frozen=True, kw_only=True):
    """How a sink stands; `state`: ready, held, open, paused or `no sink`; `until` ends held and open."""

    name: str
    type: str = ""
    state: str
    reason: str | None = None
    until: datetime | None = None
    in_flight: int = 0
    pending: int = 0
    dead: int = 0
    delivered: int = 0
    last_error: str | None = None
    last_error_at: datetime | None = None


class SinkPage(msgspec.Struct, frozen=True):
    """Every sink of the configuration, and every name that deliveries still wait for."""

    sinks: list[SinkRow]


class RouterRow(msgspec.Struct, frozen=True, kw_only=True):
    """A router that shares the journal, as of its last heartbeat, `seen_at`; `own`: the one that answers.

    `configuration` is the digest of its sources, sinks and rules; empty: it has not said so yet. Not `live`:
    its lease has ended, and its work is taken over.
    """

    name: str
    version: str
    node: int
    configuration: str
    started_at: datetime
    seen_at: datetime
    live: bool
    own: bool

    @classmethod
    def of(cls, router: RouterMark) -> "RouterRow":
        """The row of a router."""
        return cls(
            name=router.name, version=router.version, node=router.node, configuration=router.configuration,
            started_at=moment(router.started), seen_at=moment(router.seen), live=router.live, own=router.own,
        )  # fmt: skip


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The daemon at one glance.

    `unready` says why it is not ready; empty: it is. `quarantined`: refused requests kept, by source.
    `discord`: what the routers at work do not agree about, and what to do. `config`: the file's whole path;
    `refused`: why what it holds is not in force; `restart`: what of it takes effect only at the next start.
    """

    version: str
    started_at: datetime
    unready: list[str]
    config: str
    rules: str
    sources: list[SourceRow]
    sinks: list[SinkRow]
    warnings: list[str]
    quarantined: dict[str, int] = {}
    routers: list[RouterRow] = []
    discord: list[str] = []
    refused: RefusedReload | None = None
    restart: list[str] = []


class Skipped(msgspec.Struct, frozen=True):
    """A delivery that a change did not concern, with the state it is in."""

    id: str
    state: State


class Idle(msgspec.Struct, frozen=True):
    """An event none of whose deliveries a change concerned; `states` counts them."""

    event_id: str
    states: dict[State, int]


class Changed(msgspec.Struct, frozen=True):
    """How many deliveries a requeue or discard changed, and which of the named ones and events it did not."""

    count: int
    skipped: list[Skipped] = []
    idle: list[Idle] = []


class RouteRow(msgspec.Struct, frozen=True):
    """A rule that matches, and a sink it names."""

    rule: str
    sink: str


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay came to: the routes under today's rules, and the ids of the deliveries that were new.

    `dead`: those of the event that were given up, which a replay leaves so.
    """

    event_id: str
    routes: list[RouteRow]
    added: list[str]
    dead: list[str] = []


class Copied(msgspec.Struct, frozen=True):
    """Where the daemon wrote a copy of its journal, and how large it is."""

    path: str
    bytes: int


class Readiness(msgspec.Struct, frozen=True):
    """Whether it takes and forwards events, and if not, why."""

    ready: bool
    reasons: list[str] = []
