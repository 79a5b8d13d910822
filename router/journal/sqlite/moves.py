"""Moves: deliveries that change their state without an attempt, given back, set aside, brought back."""

from collections.abc import Sequence
from typing import cast

import apsw

from router.delivery import State
from router.journal.bites import BITE
from router.journal.rows import event_of
from router.journal.sqlite.statements import statements
from router.journal.sqlite.writer import Written
from router.journal.tally import Moves, shift

_SQL = statements("moves")


def give_back(claims: Sequence[tuple[int, int]], cursor: apsw.Cursor) -> Written[None]:
    """In flight to pending, uncounted: claims (delivery, claim number) that nobody learned of."""
    moves: Moves = {}
    for number, claim in claims:
        for (sink,) in cursor.execute(_SQL["release"], (number, claim)).fetchall():
            shift(moves, cast(str, sink), State.IN_FLIGHT, State.PENDING)
    return Written(None, moves, wake=True)


def bury(numbers: Sequence[int], reason: str, now: float, cursor: apsw.Cursor) -> Written[int]:
    """Pending to dead; returns how many of these were pending."""
    moves: Moves = {}
    buried = 0
    for number in numbers:
        for event, sink, *rest in cursor.execute(_SQL["bury"], (number,)).fetchall():
            cursor.execute(_SQL["insert_dead"], (number, event, sink, *rest, reason, now))
            shift(moves, cast(str, sink), State.PENDING, State.DEAD)
            buried += 1
    return Written(buried, moves)


def revive(numbers: Sequence[int], now: float, cursor: apsw.Cursor) -> Written[int]:
    """Dead to pending, due now, with a fresh schedule; returns how many of these were dead."""
    moves: Moves = {}
    revived = 0
    for number in numbers:
        for event, sink, rule, claim in cursor.execute(_SQL["revive"], (number,)).fetchall():
            thread = event_of(cursor.execute(_SQL["event"], (event,)).fetchall()[0]).thread
            # Created anew: else one that `max_age` ended would end again before its first attempt.
            cursor.execute(_SQL["insert_revived"], (number, event, sink, rule, now, now, claim, thread))
            shift(moves, cast(str, sink), State.DEAD, State.PENDING)
            revived += 1
    return Written(revived, moves, wake=revived > 0)


def revive_of(sink: str, after: int, now: float, cursor: apsw.Cursor) -> Written[tuple[int, int | None]]:
    """Revive a bite of a sink's dead deliveries beyond an id; returns how many, and where to go on if at all.

    Going on by id meets each delivery once, also one that dies again meanwhile.
    """
    numbers = [cast(int, row[0]) for row in cursor.execute(_SQL["dead_of"], (sink, after, BITE)).fetchall()]
    revived = revive(numbers, now, cursor)
    rest = numbers[-1] if len(numbers) == BITE else None
    return Written((revived.result, rest), revived.moves, wake=revived.wake)


def bury_of(sink: str, reason: str, now: float, cursor: apsw.Cursor) -> Written[int]:
    """Bury a bite of a sink's pending deliveries; returns how many."""
    rows = cursor.execute(_SQL["pending_of"], (sink, BITE)).fetchall()
    return bury([cast(int, row[0]) for row in rows], reason, now, cursor)
