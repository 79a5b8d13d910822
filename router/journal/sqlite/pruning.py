"""Pruning: events with all that belongs to them, out of the tables, many at once.

Owns what belongs to an event. Must not know how old is old enough.
"""

from collections.abc import Sequence
from typing import cast

import apsw

from router.delivery import State
from router.journal.rows import event_of
from router.journal.sqlite.bulk import Bulk
from router.journal.sqlite.statements import statements
from router.journal.sqlite.writer import Written
from router.journal.tally import Moves, shift

_SQL = statements("pruning")
_PRUNABLE, _SETTLED = Bulk(_SQL["prunable"]), Bulk(_SQL["settled"])
_LATEST, _ATTEMPTS, _DELIVERIES, _SEEN, _BODIES, _EVENTS = (
    Bulk(_SQL[f"drop_{what}"]) for what in ("latest", "attempts", "settled", "seen", "bodies", "events")
)


def prune(numbers: Sequence[int], before: float, cursor: apsw.Cursor) -> Written[int]:
    """Delete these events, unless one was requeued since it was looked at; how many."""
    rows = _PRUNABLE.ask(cursor, [(number, before) for number in numbers])
    events = {cast(int, row[0]): event_of(row) for row in rows}
    keys = [(number,) for number in events]
    settled = cast(list[tuple[int, int, str, str]], _SETTLED.ask(cursor, keys))
    moves: Moves = {}
    for _, _, sink, state in settled:
        shift(moves, sink, State(state), None)
    _LATEST.run(
        cursor,
        [
            (sink, thread, event)
            for _, event, sink, _ in settled
            # An older release kept it whole.
            for thread in {events[event].thread, events[event].whole_thread}
        ],
    )
    deliveries = [(delivery,) for delivery, _, _, _ in settled]
    _ATTEMPTS.run(cursor, deliveries)
    _DELIVERIES.run(cursor, deliveries)
    _SEEN.run(cursor, [(event.source, event.subject, number) for number, event in events.items()])
    _BODIES.run(cursor, keys)
    _EVENTS.run(cursor, keys)
    return Written(len(events), moves)
