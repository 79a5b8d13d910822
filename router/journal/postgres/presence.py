"""Presence: this router's row, its lease, and taking over from routers whose leases ended.

For the writer's thread. The database's clock decides about leases. What is claimed belongs to the router's
row, so one statement renews everything. Must not know what deliveries are tried for.
"""

from collections.abc import Sequence
from typing import cast

import msgspec
import structlog

from router import __version__
from router.clock import FAR, Clock
from router.delivery import State
from router.errors import JournalUnavailable
from router.journal.fleet import own_name
from router.journal.journal import Stock
from router.journal.postgres.connecting import Connection
from router.journal.postgres.days import Days
from router.journal.postgres.work import Cursor, Moves, Seen, Written
from router.journal.statements import statements
from router.journal.tally import shift

log = structlog.get_logger(__name__)

_SQL = statements("postgres", "presence")
_BURY = statements("postgres", "moves")["bury"]
_LOCK = statements("postgres", "schema")["lock"]
_POISON = "in flight alone at 3 crashes"
# Seconds that the clocks of a router and of the database may be apart before the router's is set.
_APART = 0.25
_HINT_EVERY = 0.1


class Timing(msgspec.Struct, frozen=True):
    """When what happens, in seconds.

    `lease`: how long a router may be silent until others take over what it claimed. `poll`: how often `wait`
    returns to look for what other routers recorded. `grain`: how much longer an event may be kept so that it
    goes with its whole day. `own_clock`: the router's own clock decides instead of the database's: right for
    a single router only.
    """

    lease: float = 30.0
    poll: float = 0.5
    grain: float = 2 * 86_400.0
    own_clock: bool = False


class Presence:
    """One router among those that share a journal.

    `number` is its row, `node` tells its ids from all others'; a router that was away too long gets new ones.
    """

    def __init__(self, timing: Timing, clock: Clock, days: Days, *, hints: bool) -> None:
        self.node = 0
        self.number = 0
        self.configuration = ""
        self._timing = timing
        self._clock = clock
        self._days = days
        self._claims: dict[int, int] = {}
        self._hints = hints
        self._others = 0
        self._hint_at = 0.0
        self._apart = 0.0

    @property
    def every(self) -> float:
        """Seconds between two beats: two may fail before a lease ends."""
        return self._timing.lease / 3

    def beat(self, cursor: Cursor, *, again: bool) -> Written[object]:
        """Renew the lease, take over from routers that let theirs end, and look at the whole.

        One that was away too long finds its row gone, and starts as a new router. One that only now comes
        back from a silence takes over nothing yet: the others may have been cut off as it was.
        """
        moves: dict[tuple[str, State], int] = {}
        values = {
            "id": self.number, "configuration": self.configuration, "lease": self._timing.lease,
            "now": self._own_now(),
        }  # fmt: skip
        found = cast(list[tuple[float, bool]], cursor.execute(_SQL["beat"], values).fetchall())
        if found:
            ((now, unbroken),) = found
        else:
            now, unbroken = self.appear(cursor), not again
        self._agree(now)
        self._days.prepare(now, cursor)
        if again:
            self._reconcile(moves, cursor)
        if unbroken:
            self._take_over(now, moves, cursor)
        self.count(moves, cursor)
        return Written(None, seen=self.look(now, cursor), wake=again or bool(moves))

    def arrive(self, cursor: Cursor) -> Written[object]:
        """The first beat: take a place, and then as `beat`."""
        now = self.appear(cursor)
        if not self._timing.own_clock:
            # However near it is: from now on the database's decides.
            self._clock.agree(now)
        return self.beat(cursor, again=False)

    def appear(self, cursor: Cursor) -> float:
        """Take a free place as a new router; returns the time.

        Raises:
            JournalUnavailable: 256 routers are at work.
        """
        # Two that come at once would choose the same place.
        cursor.execute(_LOCK)
        self.number = cast(int, cursor.execute(_SQL["number"]).fetchall()[0][0])
        found = cursor.execute(
            _SQL["appear"],
            {"id": self.number, "name": own_name(), "version": __version__,
             "configuration": self.configuration, "lease": self._timing.lease, "now": self._own_now()},
        ).fetchall()  # fmt: skip
        if not found:
            raise JournalUnavailable("256 routers are at work on this journal already")
        self._claims.clear()
        self.node, now = cast(tuple[int, float], found[0])
        return now

    def look(self, now: float, cursor: Cursor) -> Seen:
        """What the database holds, and who else is at work."""
        counts = cast(list[tuple[str, str, int]], cursor.execute(_SQL["counts"]).fetchall())
        stock = cast(list[tuple[str, int, int]], cursor.execute(_SQL["stocks"]).fetchall())
        suspects = bool(cursor.execute(_SQL["suspects"]).fetchall()[0][0])
        self._others = cast(int, cursor.execute(_SQL["others"], (self.number, now)).fetchall()[0][0])
        return Seen(
            [(sink, State(state), count) for sink, state, count in counts],
            {source: Stock(count, size) for source, count, size in stock},
            suspects,
            self._others,
            self.node,
        )

    def count(self, moves: Moves, cursor: Cursor) -> None:
        """Add what a transaction changed to the counts that all routers share, in rows of our own."""
        if moves:
            keys = sorted(moves)
            cursor.execute(
                _SQL["tally"],
                (self.node, [sink for sink, _ in keys], [str(state) for _, state in keys],
                 [moves[key] for key in keys]),
            )  # fmt: skip

    def note(self, written: Written[object], connection: Connection) -> None:
        """Keep account of our claims; if something became due, hint at it to the others, not all the time."""
        self._claims.update(written.taken)
        self.drop(written.dropped)
        if written.wake and self._hints and self._others and self._clock.now() >= self._hint_at:
            self._hint_at = self._clock.now() + _HINT_EVERY
            connection.execute(_SQL["hint"])

    def undone(self) -> None:
        """A transaction came to nothing."""
        self._days.forget()

    def meet(self, others: int) -> None:
        """Know that so many others are at work, who want to hear hints."""
        self._others = others

    def drop(self, claims: Sequence[tuple[int, int]]) -> None:
        """Forget claims that are ours no longer."""
        for number, claim in claims:
            if self._claims.get(number) == claim:
                del self._claims[number]

    def leave(self, cursor: Cursor) -> None:
        """Give the place up; what is still in flight can be taken over at once."""
        if not cursor.execute(_SQL["resign"], (self.number, self.number)).fetchall():
            cursor.execute(_SQL["vanish"], (self.number,))

    def _own_now(self) -> float | None:
        return self._clock.now() if self._timing.own_clock else None

    def _agree(self, now: float) -> None:
        """Go by the database's clock, and tell a host whose own, which stamps and signs, is another one."""
        if self._timing.own_clock:
            return
        if abs(now - self._clock.now()) > _APART:
            self._clock.agree(now)
        apart = self._clock.apart()
        if abs(apart - self._apart) > FAR:
            self._apart = apart
            if abs(apart) > FAR:
                reason = "this host's clock is not the database's; set it"
                log.warning("clock_apart", seconds=round(apart), reason=reason)
            else:
                log.info("clock_agrees")

    def _reconcile(self, moves: dict[tuple[str, State], int], cursor: Cursor) -> None:
        """Give back what a lost answer claimed for us: nobody knows of it."""
        for (sink,) in cursor.execute(_SQL["reconcile"], (self.number, list(self._claims))).fetchall():
            shift(moves, cast(str, sink), State.IN_FLIGHT, State.PENDING)

    def _take_over(self, now: float, moves: dict[tuple[str, State], int], cursor: Cursor) -> None:
        """What was in flight at a router that died is pending again, one crash older."""
        for (router,) in cursor.execute(_SQL["gone"], (now, self.number)).fetchall():
            found = cast(list[tuple[int, str, int]], cursor.execute(_SQL["take_over"], (router,)).fetchall())
            for _, sink, _ in found:
                shift(moves, sink, State.IN_FLIGHT, State.PENDING)
            if len(found) == 1 and found[0][2] >= 3:
                values = {"ids": [found[0][0]], "reason": _POISON, "now": now}
                cursor.execute(_BURY, values)
                shift(moves, found[0][1], State.PENDING, State.DEAD)
            ((name,),) = cursor.execute(_SQL["vanish"], (router,)).fetchall()
            log.warning("router_gone", router=name, taken_over=len(found))
