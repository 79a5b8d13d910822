"""Moves: deliveries that change their state without an attempt, given back, set aside, brought back."""

from collections.abc import Sequence
from typing import cast

from router.delivery import State
from router.journal.bites import BITE
from router.journal.postgres.presence import Presence
from router.journal.postgres.rows import plain
from router.journal.postgres.text import read, stored
from router.journal.postgres.work import Cursor, Written
from router.journal.rows import event_number, event_of
from router.journal.statements import statements
from router.journal.tally import Moves, shift

_SQL = statements("postgres", "moves")


def give_back(presence: Presence, claims: Sequence[tuple[int, int]], cursor: Cursor) -> Written[object]:
    """In flight to pending, uncounted: claims (delivery, claim number) that nobody learned of."""
    # At once: if this comes to nothing, the next session gives back whatever is not on our account.
    presence.drop(claims)
    moves: Moves = {}
    values = ([number for number, _ in claims], [claim for _, claim in claims])
    for (sink,) in cursor.execute(_SQL["release"], values).fetchall():
        shift(moves, cast(str, read(sink)), State.IN_FLIGHT, State.PENDING)
    return Written(None, moves, wake=True)


def bury(numbers: Sequence[int], reason: str, now: float, cursor: Cursor) -> Written[int]:
    """Pending to dead; returns how many of these were pending."""
    moves: Moves = {}
    values = {"ids": list(numbers), "reason": stored(reason), "now": now}
    found = cursor.execute(_SQL["bury"], values).fetchall() if numbers else []
    for (sink,) in found:
        shift(moves, cast(str, read(sink)), State.PENDING, State.DEAD)
    return Written(len(found), moves)


def revive(numbers: Sequence[int], now: float, cursor: Cursor) -> Written[int]:
    """Dead to pending, due now, with a fresh schedule; returns how many of these were dead."""
    # Their events are held first: retention, in another router, looks only at what nobody holds.
    rows = cursor.execute(_SQL["events"], (list(numbers),)).fetchall() if numbers else []
    threads = {event_number(event.id): event.thread for event in (event_of(plain(row)) for row in rows)}
    # What died since is not among them.
    found = cursor.execute(_SQL["revive"], (list(numbers), list(threads))).fetchall() if rows else []
    if not found:
        return Written(0)
    ids, events, sinks, rules, claims = (list(column) for column in zip(*found, strict=True))
    # Created anew: else one that `max_age` ended would end again before its first attempt.
    values = {
        "ids": ids, "events": events, "sinks": sinks, "rules": rules, "claims": claims, "now": now,
        "threads": [stored(threads[cast(int, event)]) for event in events],
    }  # fmt: skip
    cursor.execute(_SQL["revived"], values)
    moves: Moves = {}
    for sink in sinks:
        shift(moves, cast(str, read(sink)), State.DEAD, State.PENDING)
    return Written(len(found), moves, wake=True)


def revive_of(sink: str, after: int, now: float, cursor: Cursor) -> Written[tuple[int, int | None]]:
    """Revive a bite of a sink's dead deliveries beyond an id; returns how many, and where to go on if at all.

    Going on by id meets each delivery once, also one that dies again meanwhile.
    """
    found = cursor.execute(_SQL["dead_of"], (stored(sink), after, BITE)).fetchall()
    numbers = [cast(int, row[0]) for row in found]
    revived = revive(numbers, now, cursor)
    rest = numbers[-1] if len(numbers) == BITE else None
    return Written((revived.result, rest), revived.moves, wake=revived.wake)


def bury_of(
    sink: str, created_before: float, limit: int, reason: str, now: float, cursor: Cursor
) -> Written[int]:
    """Bury at most `limit` of a sink's pending deliveries created before a time; returns how many.

    Fewer than `limit`: no more were left, but for what others held at that moment.
    """
    found = cursor.execute(_SQL["pending_of"], (stored(sink), created_before, limit)).fetchall()
    return bury([cast(int, row[0]) for row in found], reason, now, cursor)
