"""Delivery: why it exists, how it was attempted, and its states as one table.

Owns the words of the deliver path. Must not know how a delivery is stored or sent.
"""

from enum import StrEnum
from typing import ClassVar

import msgspec

from router.event import Event


class State(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    IN_FLIGHT = "in_flight"
    DELIVERED = "delivered"
    DEAD = "dead"


# Every change of state there is; a test derives the journal's behaviour and the diagram from it.
ARROWS: dict[tuple[State, State], str] = {
    (State.PENDING, State.IN_FLIGHT): "claimed",
    (State.IN_FLIGHT, State.DELIVERED): "the sink took it",
    (State.IN_FLIGHT, State.PENDING): "retry at a later time, or given back uncounted",
    (State.IN_FLIGHT, State.DEAD): "refused for good, or the schedule ended",
    (State.IN_FLIGHT, State.IN_FLIGHT): "taken over from a router that died: claim number + 1",
    (State.PENDING, State.DEAD): "discarded, expired or superseded",
    (State.DEAD, State.PENDING): "requeued by an operator",
}


class Route(msgspec.Struct, frozen=True):
    """Why a delivery exists: this rule names this sink."""

    rule: str
    sink: str


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One event owed to one sink.

    `claim` counts how often it was taken up, committed before each attempt: the fencing number and the value
    of the header `visual-router-attempt`. `failures` counts what uses up the retry schedule, `crashes` the
    times a process died with it in flight since an attempt last came to its end. Times are in seconds
    since 1970; `created_at` is when the route was given or, later, when an operator requeued it: `max_age`
    counts from there.
    """

    id: str
    event_id: str
    sink: str
    rule: str
    state: State
    due: float
    created_at: float
    claim: int = 0
    failures: int = 0
    crashes: int = 0
    reason: str | None = None
    settled_at: float | None = None


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery taken up for an attempt, with its event.

    `superseded`: a newer event of the same thread was already delivered to that sink.
    """

    delivery: Delivery
    event: Event
    superseded: bool = False


class Delivered(msgspec.Struct, frozen=True):
    """The sink took it."""

    word: ClassVar[str] = "delivered"
    reason: ClassVar[None] = None


class Retry(msgspec.Struct, frozen=True):
    """It failed in a way that may pass: try again by the schedule. Uses up one step of it."""

    word: ClassVar[str] = "retry"
    reason: str


class Hold(msgspec.Struct, frozen=True):
    """The sink asked for silence for `seconds`. Uses up nothing."""

    word: ClassVar[str] = "hold"
    seconds: float
    reason: str


class Pause(msgspec.Struct, frozen=True):
    """The sink's fault (revoked, gone, refused): it stays paused until an operator acts. Uses up nothing."""

    word: ClassVar[str] = "pause"
    reason: str


class Dead(msgspec.Struct, frozen=True):
    """The delivery's fault: no attempt will ever succeed."""

    word: ClassVar[str] = "dead"
    reason: str


# `word` is an outcome's name in the history and the metrics, `reason` why it was not delivered.
Outcome = Delivered | Retry | Hold | Pause | Dead


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try.

    `number` is the delivery's claim number; `outcome` one of delivered, retry, hold, pause, dead.
    """

    number: int
    started_at: float
    seconds: float
    outcome: str
    status: int | None = None
    reason: str | None = None
    excerpt: str | None = None


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a claimed delivery. Takes effect only while its claim number is the current one.

    `attempt` is None when nothing was tried (superseded, too old, given back). `due` is for `pending` only.
    """

    delivery_id: str
    claim: int
    state: State
    due: float = 0.0
    failures: int = 0
    reason: str | None = None
    attempt: Attempt | None = None
