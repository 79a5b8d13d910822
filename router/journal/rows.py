"""Rows: to structs and back. Owns the order of columns; must not run a statement."""

from collections.abc import Callable, Sequence
from typing import cast

import msgspec

from router.clock import Clock, first_id_at, id_number, id_text
from router.delivery import Attempt, Delivery, State
from router.errors import Unknown
from router.event import Event
from router.journal.journal import RefusedRequest

# The driver names these for type checkers only.
Value = None | int | float | str | bytes
Row = Sequence[object]

EVENT = "evt"
DELIVERY = "dlv"
REQUEST = "req"
# Past every id there can be.
NEWEST = (1 << 63) - 1

_TEXTS = msgspec.json.Decoder(dict[str, str])
_WIDEST = 1 << 63

_EventRow = tuple[
    int, str, str, str | None, str, str | None, str | None, str | None, str | None, str | None, str | None,
    int | None, str | None, str | None, str | None, int | None, str | None, float, str, int, str,
]  # fmt: skip
_DeliveryRow = tuple[int, int, str, str, str, float, float, int, int, int, str | None, float | None]
_AttemptRow = tuple[int, float, float, str, int | None, str | None, str | None]
_RefusedRow = tuple[int, str, float, bool, str, str, str, int]


def event_number(event_id: str) -> int:
    """The number behind an event's id; 0, which no event has, for a text that is no such id."""
    return id_number(EVENT, event_id) or 0


def delivery_number(delivery_id: str) -> int:
    """The number behind a delivery's id; 0, which no delivery has, for a text that is no such id."""
    return id_number(DELIVERY, delivery_id) or 0


def request_number(request_id: str) -> int:
    """The number behind a refused request's id; 0, which none has, for a text that is no such id."""
    return id_number(REQUEST, request_id) or 0


def border(number_of: Callable[[str], int], before: str | None) -> int:
    """The number that a page ends before.

    Raises:
        Unknown: the text is no such id.
    """
    if before is None:
        return NEWEST
    number = number_of(before)
    if not number:
        raise Unknown(f"'{before}' is not an id to go on from")
    return number


def oldest_id(wall: float, clock: Clock) -> int:
    """The smallest id of an event that was received at that time of the host or later.

    An event is received before it gets its id, which is of a time that no setting of the host's clock moves.
    """
    return min(first_id_at(min(wall, wall + clock.now() - clock.wall())), NEWEST)


def text_of(row: Row) -> str:
    """The text that a row begins with."""
    return cast(str, row[0])


def event_row(event: Event, number: int, ruleset: str) -> tuple[Value, ...]:
    """The row of an event, without its body."""
    labels = msgspec.json.encode(event.labels).decode() if event.labels else None
    return (
        number, event.source, event.provider, event.event, event.kind, event.status, event.provider_status,
        event.branch, event.commit, event.project, event.build, _fitting(event.changes), event.author,
        event.title, event.url, _fitting(event.pull_request), labels, event.received_at, event.subject,
        event.reused, ruleset,
    )  # fmt: skip


def event_of(values: Row, payload: bytes = b"") -> Event:
    """The event of a row of `events`."""
    row = cast(_EventRow, values)
    return Event(
        id=id_text(EVENT, row[0]), source=row[1], provider=row[2], event=row[3], kind=row[4], status=row[5],
        provider_status=row[6], branch=row[7], commit=row[8], project=row[9], build=row[10], changes=row[11],
        author=row[12], title=row[13], url=row[14], pull_request=row[15],
        labels={} if row[16] is None else _TEXTS.decode(row[16]), received_at=row[17], subject=row[18],
        reused=bool(row[19]), payload=payload,
    )  # fmt: skip


def ruleset_of(values: Row) -> str:
    """The digest of the rules that judged the event of a row of `events`."""
    return cast(_EventRow, values)[20]


def delivery_of(values: Row) -> Delivery:
    """The delivery of a row; columns after the first twelve are not looked at."""
    row = cast(_DeliveryRow, values)
    return Delivery(
        id=id_text(DELIVERY, row[0]), event_id=id_text(EVENT, row[1]), sink=row[2], rule=row[3],
        state=State(row[4]), due=row[5], created_at=row[6], claim=row[7], failures=row[8], crashes=row[9],
        reason=row[10], settled_at=row[11],
    )  # fmt: skip


def attempt_row(delivery: int, attempt: Attempt) -> tuple[Value, ...]:
    """The row of an attempt."""
    return (
        delivery, attempt.number, attempt.started_at, attempt.seconds, attempt.outcome, attempt.status,
        attempt.reason, attempt.excerpt,
    )  # fmt: skip


def attempt_of(values: Row) -> Attempt:
    """The attempt of a row without its delivery."""
    row = cast(_AttemptRow, values)
    return Attempt(
        number=row[0], started_at=row[1], seconds=row[2], outcome=row[3], status=row[4], reason=row[5],
        excerpt=row[6],
    )  # fmt: skip


def refused_row(refused: RefusedRequest) -> tuple[Value, ...]:
    """The row of a refused request."""
    return (
        request_number(refused.id), refused.source, float(refused.received_at), refused.verified,
        refused.reason, msgspec.json.encode(refused.signature).decode(),
        msgspec.json.encode(refused.labels).decode(), len(refused.body), refused.body,
    )  # fmt: skip


def refused_of(values: Row) -> RefusedRequest:
    """The refused request of a row, the body of which may be left out."""
    row = cast(_RefusedRow, values)
    return RefusedRequest(
        id=id_text(REQUEST, row[0]), source=row[1], received_at=row[2], verified=bool(row[3]), reason=row[4],
        signature=_TEXTS.decode(row[5]), labels=_TEXTS.decode(row[6]), size=row[7],
        body=bytes(cast(bytes, values[8])) if len(values) > 8 else b"",
    )  # fmt: skip


def _fitting(number: int | None) -> int | None:
    """None for a number too wide for a column: one strange field must not cost the event."""
    return number if number is None or -_WIDEST <= number < _WIDEST else None
