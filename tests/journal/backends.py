"""What the conformance suite runs on, and the pieces its tests are made of.

A further backend is one more entry of BACKENDS: its name, and how it is opened in a folder of its own.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path

import psycopg

from router.clock import Clock, id_text
from router.delivery import Attempt, Claim, Route, Settlement, State
from router.event import Event
from router.journal.journal import Journal, JournalOpener
from router.journal.postgres import Timing, open_postgres
from router.journal.sqlite import open_sqlite
from tests.journal.postgres.server import CUT, databases

START = 1_800_000_000.0


class Time:
    """Time that only tests move. `clock()` is what a process started now would have."""

    def __init__(self) -> None:
        self.wall = START
        self.monotonic = 1000.0

    def pass_by(self, seconds: float) -> None:
        """Let time go by."""
        self.wall += seconds
        self.monotonic += seconds

    def step(self, seconds: float) -> None:
        """Set the host's clock to another time."""
        self.wall += seconds

    def clock(self) -> Clock:
        """The clock of a process that starts now."""
        return Clock(lambda: self.wall, lambda: self.monotonic)


def _sqlite(folder: Path, clock: Clock) -> JournalOpener:
    return open_sqlite(folder / "journal.db", clock)


def database_of(folder: Path) -> str:
    """The URL of a folder's database, which is made if it is not there."""
    note = folder / "database"
    if not note.exists():
        note.write_text(databases().borrow())
    return note.read_text()


def _postgres(folder: Path, clock: Clock) -> JournalOpener:
    if (folder / "journal.db").exists():
        # A backup: it opens without a server.
        return open_sqlite(folder / "journal.db", clock)
    # Time is the test's, nothing is looked for by itself, and retention goes event by event.
    timing = Timing(own_clock=True, poll=3600, grain=0)
    return open_postgres(database_of(folder), clock, may_lose=True, timing=timing)


BACKENDS: dict[str, Callable[[Path, Clock], JournalOpener]] = {"postgres": _postgres, "sqlite": _sqlite}


async def _copied(place: "Place", journal: Journal, number: int) -> "Place":
    """What is on disk while the process still runs."""
    folder = place.folder / f"life {number}"
    folder.mkdir()
    await journal.backup(str(folder / "journal.db"))
    return Place(place.backend, folder, place.time)


_SILENCE = "UPDATE router SET lease_until = 0"


async def _silenced(place: "Place", journal: Journal, number: int) -> "Place":
    """The same database, when the lease of the router has ended and its sessions are gone."""
    with psycopg.connect(database_of(place.folder), autocommit=True) as connection:
        connection.execute(CUT)
        connection.execute(_SILENCE)
    return place


_CRASHES: dict[str, Callable[["Place", Journal, int], Awaitable["Place"]]] = {
    "postgres": _silenced,
    "sqlite": _copied,
}


class Place:
    """Where one test's journal lives; `open` opens it, again and again if need be."""

    def __init__(self, backend: str, folder: Path, time: Time) -> None:
        self.folder = folder
        self.time = time
        self.backend = backend

    def open(self) -> JournalOpener:
        """The journal, by a process that starts now."""
        return BACKENDS[self.backend](self.folder, self.time.clock())

    async def after_crash(self, journal: Journal, number: int) -> "Place":
        """The place a process would find that started after the journal's died, for the nth time."""
        return await _CRASHES[self.backend](self, journal, number)

    def leave(self) -> None:
        """Nobody opens it again."""
        if (self.folder / "database").exists():
            databases().give_back(database_of(self.folder))


def an_event(journal: Journal, time: Time, **fields: object) -> Event:
    """A new event with an id of its own."""
    values: dict[str, object] = {
        "id": id_text("evt", journal.ids.next()),
        "source": "web",
        "provider": "chromatic",
        "kind": "build",
        "received_at": time.wall,
        "payload": b'{"build": 1}',
        "subject": "build 1",
    }
    return Event(**{**values, **fields})  # type: ignore[arg-type]  # a table of test values


async def recorded(journal: Journal, time: Time, *sinks: str, **fields: object) -> Event:
    """An event that is in the journal, owed to these sinks; no other one is like it."""
    event = an_event(journal, time, **fields)
    routes = [Route(f"rule of {sink}", sink) for sink in sinks]
    receipt = await journal.record(event, routes, window=0, ruleset="rules")
    assert receipt.id == event.id
    return event


async def claimed(journal: Journal, sink: str) -> Claim:
    """The one delivery that is due for a sink, in flight."""
    (claim,) = (await journal.claim({sink: 1})).claims
    return claim


def attempt_of(claim: Claim, outcome: str = "delivered") -> Attempt:
    """What was tried under a claim."""
    return Attempt(number=claim.delivery.claim, started_at=START, seconds=0.25, outcome=outcome, status=200)


def settlement(claim: Claim, state: State, **fields: object) -> Settlement:
    """What becomes of a claim."""
    values = {"delivery_id": claim.delivery.id, "claim": claim.delivery.claim, "state": state, **fields}
    return Settlement(**values)  # type: ignore[arg-type]  # a table of test values


async def settled(journal: Journal, sink: str, state: State, **fields: object) -> Claim:
    """The one due delivery of a sink, claimed and settled."""
    claim = await claimed(journal, sink)
    assert await journal.settle([settlement(claim, state, **fields)]) == []
    return claim
