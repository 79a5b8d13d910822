"""Outlook: what a router sees of the others between two beats: who is at work, what they made of the sinks.

Owns when to look: every half second, sooner after a hint, but not all the time. Must not know leases, nor
what a mark means.
"""

from typing import cast

import msgspec

from router.delivery import State
from router.journal.fleet import RouterMark
from router.journal.journal import SinkMark
from router.journal.postgres.rows import plain
from router.journal.postgres.work import Cursor, Seen, Written
from router.journal.statements import statements
from router.share import ALONE, Share

_SQL = statements("postgres", "outlook")
_COUNTS = statements("postgres", "presence")["counts"]
_SUSPECTS = statements("postgres", "presence")["suspects"]
_MARKS = statements("postgres", "queue")["marks"]
# Many routers may hint at once.
_LEAST = 0.1

_RouterRow = tuple[str, str, int, str, float, float, bool, bool]
_MarkRow = tuple[str, str | None, bool, str, float | None]


class Glimpse(msgspec.Struct, frozen=True):
    """What one look found of the others."""

    routers: list[RouterMark]
    marks: dict[str, SinkMark]

    @property
    def share(self) -> Share:
        """The share of who looked; whoever finds itself missing, as after a long silence, comes last."""
        ranks = [one.own for one in self.routers if one.live or one.own]
        return Share(ranks.index(True), len(ranks)) if True in ranks else Share(len(ranks), len(ranks) + 1)


def marks_of(cursor: Cursor) -> list[SinkMark]:
    """All sinks that are paused or held."""
    rows = [plain(row) for row in cursor.execute(_MARKS).fetchall()]
    return [
        SinkMark(sink=sink, paused=paused, by_operator=by, fingerprint=fingerprint, held_until=until)
        for sink, paused, by, fingerprint, until in cast(list[_MarkRow], rows)
    ]


def look(number: int, node: int, now: float | None, cursor: Cursor) -> Written[Glimpse]:
    """Look, as the router with that number and node; `now` only where its own clock decides about leases."""
    rows = [plain(row) for row in cursor.execute(_SQL["routers"], (now, number)).fetchall()]
    routers = [
        RouterMark(
            name=name, version=version, node=its, configuration=configuration, started=started, seen=seen,
            live=live, own=own,
        )
        for name, version, its, configuration, started, seen, live, own in cast(list[_RouterRow], rows)
    ]  # fmt: skip
    counts = cast(list[tuple[str, str, int]], cursor.execute(_COUNTS).fetchall())
    suspects = bool(cursor.execute(_SUSPECTS).fetchall()[0][0])
    glimpse = Glimpse(routers, {mark.sink: mark for mark in marks_of(cursor)})
    whole = [(sink, State(state), count) for sink, state, count in counts]
    return Written(glimpse, seen=Seen(whole, None, suspects, glimpse.share.of - 1, node))


def introduce(number: int, configuration: str, cursor: Cursor) -> Written[None]:
    """Write down the configuration of the router with that number, for others to see."""
    cursor.execute(_SQL["introduce"], (configuration, number))
    return Written(None)


class Outlook:
    """What was seen last, and what is new of it. Times are the loop's, in seconds."""

    def __init__(self, poll: float) -> None:
        self.share = ALONE
        self.routers: list[RouterMark] = []
        self._poll = poll
        self._marks: dict[str, SinkMark] = {}
        self._news: list[SinkMark] = []
        self._last = 0.0
        self._due = 0.0

    def rest(self, now: float) -> float:
        """Seconds until it is time to look again."""
        return max(0.0, self._due - now)

    def looking(self, now: float) -> None:
        """A look begins."""
        self._last, self._due = now, now + self._poll

    def hinted(self) -> None:
        """Something happened elsewhere."""
        self._due = min(self._due, self._last + _LEAST)

    def begin(self, glimpse: Glimpse) -> None:
        """Take what is there at the start; nothing of it is news."""
        self.share, self.routers = glimpse.share, glimpse.routers
        self._marks, self._news = glimpse.marks, []

    def see(self, glimpse: Glimpse) -> None:
        """Tell what others changed from what was there before."""
        before, self._marks = self._marks, glimpse.marks
        self.share, self.routers = glimpse.share, glimpse.routers
        for sink in {**before, **glimpse.marks}:
            old, new = before.get(sink), glimpse.marks.get(sink)
            if old is not None and (new is None or _less(old, new)):
                self._news.append(SinkMark(sink=sink))
            if new is not None and new != old:
                self._news.append(new)

    def note(self, mark: SinkMark) -> None:
        """A mark of our own is no news."""
        if mark.empty:
            self._marks.pop(mark.sink, None)
        else:
            self._marks[mark.sink] = mark

    def news(self) -> list[SinkMark]:
        """What changed since the last call."""
        news, self._news = self._news, []
        return news


def _less(old: SinkMark, new: SinkMark) -> bool:
    """Whether it was forgotten in between: a mark that is only added to never says less."""
    ended = old.held_until is not None and (new.held_until is None or new.held_until < old.held_until)
    return old.fingerprint == new.fingerprint and (ended or (old.paused is not None and new.paused is None))
