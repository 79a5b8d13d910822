"""Settling: what became of claims, into the tables, many at once.

Owns the fence: nothing is settled but under its current claim. Must not know who tried what.
"""

from collections.abc import Sequence
from math import inf
from typing import cast

import apsw
import msgspec

from router.delivery import Settlement, State
from router.journal.rows import attempt_row, delivery_number
from router.journal.sqlite.bulk import Bulk
from router.journal.sqlite.statements import statements
from router.journal.sqlite.writer import Written
from router.journal.tally import Moves, shift

_SQL = statements("settling")
_CURRENT, _SETTLE, _FOLLOW = Bulk(_SQL["current"]), Bulk(_SQL["settle_all"]), Bulk(_SQL["follow_all"])
_CLOSE, _ATTEMPT = Bulk(_SQL["close_all"]), Bulk(_SQL["insert_attempt"])


class Ended(msgspec.Struct, frozen=True):
    """What ended, and when that was written."""

    settlements: Sequence[Settlement]
    now: float


class _Changes:
    """How the counts change, and when what is pending again is due."""

    def __init__(self) -> None:
        self.moves: Moves = {}
        self.dues: dict[str, float] = {}


def settle(entries: Sequence[Ended], cursor: apsw.Cursor) -> list[Written[list[str]]]:
    """Settle it all; the ids of what was not current, by entry. The changes of all stand with the first."""
    finals = [
        (delivery_number(one.delivery_id), one, ended.now)
        for ended in entries
        for one in ended.settlements
        if one.state is not State.PENDING
    ]
    changes = _Changes()
    done = _finish_all(finals, changes.moves, cursor)
    stale = [_settle_rest(ended, changes, cursor, done=done) for ended in entries]
    first = Written(stale[0], changes.moves, due=changes.dues, wake=bool(changes.dues))
    return [first, *map(Written, stale[1:])]


def _finish_all(finals: list[tuple[int, Settlement, float]], moves: Moves, cursor: apsw.Cursor) -> bool:
    """Finish these at once if each of them is current, as almost always; else nothing is changed."""
    if len({number for number, _, _ in finals}) < len(finals):
        return False
    asked = [(number, one.claim, one.state) for number, one, _ in finals]
    current = cast(list[tuple[str, str, int]], _CURRENT.ask(cursor, asked))
    if sum(count for _, _, count in current) < len(finals):
        return False
    for sink, word, count in current:
        state = State(word)
        shift(moves, sink, State.IN_FLIGHT, state, count)
    _SETTLE.run(cursor, [(number, one.state, one.failures, one.reason, now) for number, one, now in finals])
    _FOLLOW.run(cursor, [(number,) for number, one, _ in finals if one.state is State.DELIVERED])
    _CLOSE.run(cursor, [(number,) for number, _, _ in finals])
    _ATTEMPT.run(cursor, [attempt_row(number, one.attempt) for number, one, _ in finals if one.attempt])
    return True


def _settle_rest(ended: Ended, changes: _Changes, cursor: apsw.Cursor, *, done: bool) -> list[str]:
    """Settle one by one what was not finished with all others."""
    stale = []
    for settlement in ended.settlements:
        if settlement.state is State.PENDING:
            number = delivery_number(settlement.delivery_id)
            current = _put_back(number, settlement, changes, cursor)
        elif done:
            continue
        else:
            number = delivery_number(settlement.delivery_id)
            current = _finish(number, settlement, ended.now, changes.moves, cursor)
        if not current:
            stale.append(settlement.delivery_id)
        attempt = settlement.attempt
        if attempt is not None and (current or cursor.execute(_SQL["known"], (number,)).get):
            cursor.execute(_SQL["insert_attempt"], attempt_row(number, attempt))
    return stale


def _put_back(number: int, settlement: Settlement, changes: _Changes, cursor: apsw.Cursor) -> bool:
    # An attempt that came to its end killed nobody.
    harmless = settlement.attempt is not None
    values = (settlement.due, settlement.failures, settlement.reason, harmless, number, settlement.claim)
    found = cursor.execute(_SQL["put_back"], values).fetchall()
    for (sink,) in cast(list[tuple[str]], found):
        shift(changes.moves, sink, State.IN_FLIGHT, State.PENDING)
        changes.dues[sink] = min(settlement.due, changes.dues.get(sink, inf))
    return bool(found)


def _finish(number: int, settlement: Settlement, now: float, moves: Moves, cursor: apsw.Cursor) -> bool:
    found = cursor.execute(_SQL["settle"], (number, settlement.claim)).fetchall()
    for event, sink, rule, due, created_at, crashes, thread in found:
        cursor.execute(
            _SQL["insert_settled"],
            (
                number, event, sink, rule, settlement.state, due, created_at, settlement.claim,
                settlement.failures, crashes, settlement.reason, now,
            ),
        )  # fmt: skip
        if settlement.state is State.DELIVERED and thread is not None:
            cursor.execute(_SQL["follow"], (sink, thread, event))
        shift(moves, cast(str, sink), State.IN_FLIGHT, settlement.state)
    return bool(found)
