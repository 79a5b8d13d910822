"""Move: the order of a journal's way from one backend to the other."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import msgspec

from router.errors import JournalError
from router.journal.moving.goal import Goal, open_goal
from router.journal.moving.kinds import KINDS, Count, Kind
from router.journal.moving.origin import Origin, Row, open_origin

# Of a kind, how many rows of how many are there; at last of `indexes`.
Tell = Callable[[str, int, int], None]

# One transaction: rows so that its sync costs little, bytes so that its memory is bounded.
_MOST_ROWS = 5000
_MOST_BYTES = 4 << 20


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a move came to: the counts on both sides, and how many rows this run added.

    `already`: it was finished before, and nothing was looked at.
    """

    counts: list[Count]
    added: int = 0
    already: bool = False

    @property
    def same(self) -> bool:
        """Whether both sides hold the same numbers."""
        return all(count.source == count.target for count in self.counts)


def move(path: Path, url: str, tell: Tell, *, may_lose: bool = False, most_rows: int = _MOST_ROWS) -> Verdict:
    """Move the journal of a file into a database, or go on with that; then count both.

    No router can open the target before the counts are the same. `may_lose`: see
    `journal.may_lose_acknowledged_events`.

    Raises:
        JournalError: it cannot be done, or not now; what was moved so far stays, and counts.
    """
    with open_origin(path) as origin, open_goal(url, may_lose=may_lose) as goal:
        mark = origin.mark()
        if not goal.begin(mark):
            return Verdict(counts=[], already=True)
        wanted = {kind.table: origin.count(kind) for kind in KINDS}
        added = sum(_fill(kind, wanted[kind.table], origin, goal, tell, most_rows) for kind in KINDS)
        if origin.mark() != mark:
            raise JournalError(f"'{path}' was written to meanwhile; name an empty database and move it again")
        counts = [Count(kind.table, wanted[kind.table], goal.count(kind)) for kind in KINDS]
        verdict = Verdict(counts=counts, added=added)
        if verdict.same:
            goal.finish(partial(tell, "indexes"))
        return verdict


def _fill(kind: Kind, total: int, origin: Origin, goal: Goal, tell: Tell, most_rows: int) -> int:
    """Add what is not there yet of a kind; returns how many rows that were."""
    before, there = goal.positions()[kind.table]
    first = there
    tell(kind.table, there, total)
    for rows in _bites(origin.rows(kind, kind.start if before is None else before), most_rows):
        before = goal.put(kind, before, rows)
        there += len(rows)
        tell(kind.table, there, total)
    return there - first


def _bites(rows: Iterable[Row], most_rows: int) -> Iterator[list[Row]]:
    bite: list[Row] = []
    weight = 0
    for row in rows:
        bite.append(row)
        weight += sum(len(value) for value in row if isinstance(value, str | bytes))
        if len(bite) == most_rows or weight >= _MOST_BYTES:
            yield bite
            bite, weight = [], 0
    if bite:
        yield bite
