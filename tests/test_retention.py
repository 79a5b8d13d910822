"""Retention: forgets what is settled and old, and nothing else."""

import random
from collections.abc import Mapping
from pathlib import Path

import anyio
import apsw
from structlog.testing import capture_logs

from router.clock import Clock, id_text
from router.delivery import Route, State
from router.errors import JournalUnavailable
from router.event import Event
from router.journal.journal import DeliveryQuery, EventQuery, RefusedQuery, RefusedRequest
from router.journal.sqlite import open_sqlite
from router.journal.sqlite.opening import SqliteJournal
from router.journal.sqlite.verify import verify
from router.retention import Retention
from router.rules.matcher import Matcher
from router.sinks.sink import Sink
from router.units import Duration
from tests.waiting import until

DAY = 86_400.0
OUT = Sink(name="out")
RULES = Matcher((), "rules: []")


def sweeping(
    journal: object, clock: Clock, sinks: Mapping[str, Sink] = {"out": OUT}, **options: object
) -> Retention:
    """What keeps events for thirty days, under these rules."""
    return Retention(journal, clock, 30 * DAY, lambda: sinks, lambda: RULES, **options)  # type: ignore[arg-type]  # parts of a journal, and options as they are


async def record(journal: SqliteJournal, clock: Clock, *sinks: str, payload: bytes = b"{}") -> str:
    """An event for these sinks; its id."""
    event = Event(
        id=id_text("evt", journal.ids.next()), source="web", provider="percy", received_at=clock.now(),
        payload=payload, subject=str(journal.ids.next()),
    )  # fmt: skip
    await journal.record(event, [Route("all", sink) for sink in sinks], window=0, ruleset="r")
    return event.id


async def at_once(_: float) -> None:
    """Take no rest."""


async def test_a_sweep_forgets_old_events_in_bites_and_keeps_what_is_open_or_young(tmp_path: Path) -> None:
    """Five hundred old events go; one that still waits for its sink and a new one stay."""
    time = [1_800_000_000.0]
    clock = Clock(lambda: time[0], lambda: time[0])
    async with open_sqlite(tmp_path / "journal.db", clock) as journal:
        waiting = await record(journal, clock, "out")
        for _ in range(500):
            await record(journal, clock)
        time[0] += 31 * DAY
        young = await record(journal, clock)
        time[0] += 1
        swept = await sweeping(journal, clock).sweep()
        left = [event.id for event in await journal.events(EventQuery())]

    assert swept == (500, 0, 0)
    assert left == [young, waiting]


async def test_deliveries_to_a_name_that_never_returned_end_at_keep(tmp_path: Path) -> None:
    """They become dead letters that say so."""
    time = [1_800_000_000.0]
    clock = Clock(lambda: time[0], lambda: time[0])
    async with open_sqlite(tmp_path / "journal.db", clock) as journal:
        await record(journal, clock, "gone")
        time[0] += 31 * DAY
        swept = await sweeping(journal, clock).sweep()

        assert swept == (0, 1, 0)
        assert journal.counts()["gone", State.DEAD] == 1


async def test_what_waits_for_a_paused_sink_ends_at_its_max_age(tmp_path: Path) -> None:
    """Nobody claims it meanwhile; younger ones, and those of sinks without such a limit, go on waiting."""
    time = [1_800_000_000.0]
    clock = Clock(lambda: time[0], lambda: time[0])
    sinks = {"out": Sink(name="out", max_age=Duration(3600)), "patient": Sink(name="patient")}
    async with open_sqlite(tmp_path / "journal.db", clock) as journal:
        for _ in range(300):
            await record(journal, clock, "out", "patient")
        time[0] += 1800
        young = await record(journal, clock, "out")
        retention = sweeping(journal, clock, sinks)
        assert await retention.sweep() == (0, 0, 0)
        time[0] += 1801
        swept = await retention.sweep()

        assert swept == (0, 300, 0)
        assert journal.counts() == {
            ("out", State.DEAD): 300,
            ("out", State.PENDING): 1,
            ("patient", State.PENDING): 300,
        }
        (waiting,) = await journal.deliveries(DeliveryQuery(sink="out", state=State.PENDING))
        (dead, *_) = await journal.deliveries(DeliveryQuery(sink="out", state=State.DEAD))
    assert waiting.event_id == young
    assert (dead.reason, dead.settled_at) == ("older than max_age (3600 s)", time[0])


async def test_refused_requests_end_at_keep(tmp_path: Path) -> None:
    """Older ones go, younger ones stay."""
    time = [1_800_000_000.0]
    clock = Clock(lambda: time[0], lambda: time[0])
    async with open_sqlite(tmp_path / "journal.db", clock) as journal:
        for _ in range(2):
            refused = RefusedRequest(
                id=id_text("req", journal.ids.next()), source="web", received_at=clock.now(), verified=False,
                reason="no", signature={}, labels={}, size=0,
            )  # fmt: skip
            await journal.quarantine(refused, most=9, most_bytes=9)
            time[0] += 31 * DAY
        time[0] -= 31 * DAY
        swept = await sweeping(journal, clock).sweep()

        assert swept == (0, 0, 1)
        assert [one.id for one in await journal.quarantined(RefusedQuery())] == [refused.id]


async def test_rules_in_force_stay_however_long_and_replaced_ones_go_with_their_last_event(
    tmp_path: Path,
) -> None:
    """Also those that judge nothing for months, and after a reload that failed half-way."""
    time = [1_800_000_000.0]
    clock = Clock(lambda: time[0], lambda: time[0])
    async with open_sqlite(tmp_path / "journal.db", clock) as journal:
        retention = sweeping(journal, clock)
        await journal.remember("r", "the rules before")
        await record(journal, clock)
        await journal.remember(RULES.digest, RULES.text)
        time[0] += 60
        await journal.remember("failed", "the rules of a reload that failed")
        kept: dict[str, int] = {}
        for day in range(100):
            await retention.sweep()
            for digest in ("r", "failed", RULES.digest):
                if await journal.rules(digest) is not None:
                    kept[digest] = day
            time[0] += DAY

    assert kept == {"r": 30, "failed": 31, RULES.digest: 99}


async def test_rules_in_force_that_were_forgotten_elsewhere_come_back(tmp_path: Path) -> None:
    """Another release on the same journal may know less of what is in force here."""
    time = [1_800_000_000.0]
    clock = Clock(lambda: time[0], lambda: time[0])
    async with open_sqlite(tmp_path / "journal.db", clock) as journal:
        retention = sweeping(journal, clock)
        await retention.sweep()
        time[0] += 60
        assert await journal.prune_rulesets(time[0]) == 1
        await retention.sweep()
        assert await journal.rules(RULES.digest) is None
        time[0] += DAY / 4
        await retention.sweep()

        assert await journal.rules(RULES.digest) == RULES.text


class Sweeping:
    """An upkeep at the edge: its first `expire` fails as a full disk does, its second finds work."""

    def __init__(self) -> None:
        self.calls = 0
        self.swept = anyio.Event()

    async def expire(self, sinks: object, before: float, limit: int) -> int:
        """Fail, find one, find none."""
        self.calls += 1
        if self.calls == 1:
            raise JournalUnavailable("the disk is full")
        return 1 if self.calls == 2 else 0

    async def outdate(self, sink: str, before: float, limit: int, reason: str) -> int:
        """Find none."""
        return 0

    async def remember(self, digest: str, rules: str) -> None:
        """See nothing in it."""

    async def prune_rulesets(self, before: float) -> int:
        """Find none."""
        return 0

    async def prune_quarantine(self, before: float, limit: int) -> int:
        """Find none."""
        return 0

    async def prune(self, before: float, limit: int) -> int:
        """Find none."""
        self.swept.set()
        return 0


class Full(Sweeping):
    """An upkeep with many events to forget; `bites` is how large each bite was to be."""

    def __init__(self, events: int) -> None:
        super().__init__()
        self.events = events
        self.bites: list[int] = []

    async def expire(self, sinks: object, before: float, limit: int) -> int:
        """Find none."""
        return 0

    async def prune(self, before: float, limit: int) -> int:
        """Forget as many as were asked for, as far as there are."""
        self.bites.append(limit)
        gone = min(limit, self.events)
        self.events -= gone
        return gone


async def test_a_sweep_rests_between_bites_until_there_is_too_much() -> None:
    """Events of a day are forgotten gently; a journal that grows faster than that is kept from growing."""
    rests: list[float] = []

    async def rest(seconds: float) -> None:
        rests.append(seconds)

    upkeep = Full(300_000)
    await sweeping(upkeep, Clock(), {}, rest=rest).sweep()

    assert upkeep.events == 0
    assert upkeep.bites == [10] * 20_000 + [100] * 1001
    assert rests == [0.02] * 20_000 + [0] * 1000


async def test_a_journal_that_cannot_write_is_swept_later() -> None:
    """The loop says so and goes on."""
    upkeep = Sweeping()
    with capture_logs() as lines:
        async with anyio.create_task_group() as loops:
            loops.start_soon(sweeping(upkeep, Clock(), {}, every=0.0).run)
            await upkeep.swept.wait()
            await until(lambda: len(lines) >= 2)
            loops.cancel_scope.cancel()

    assert [line["event"] for line in lines[:2]] == ["retention_postponed", "retention_swept"]


async def test_the_file_stays_as_large_as_it_was_once_and_can_be_made_smaller(tmp_path: Path) -> None:
    """What is forgotten makes room for as much again; SQLite's VACUUM gives it back to the disk."""
    time, path, sizes = [1_800_000_000.0], tmp_path / "journal.db", list[int]()
    clock = Clock(lambda: time[0], lambda: time[0])
    for _ in range(3):
        async with open_sqlite(path, clock) as journal:
            for number in range(200):
                await record(
                    journal,
                    clock,
                    payload=b'{"a": "%s"}' % random.Random(number).randbytes(2000).hex().encode(),
                )
            time[0] += 31 * DAY
            assert await sweeping(journal, clock, rest=at_once).sweep() == (200, 0, 0)
        sizes.append(path.stat().st_size)

    assert sizes[2] <= sizes[1] <= 1.1 * sizes[0]

    connection = apsw.Connection(str(path))
    connection.execute("VACUUM")
    connection.close()

    assert path.stat().st_size < 0.5 * sizes[0]
    assert verify(path).problems == []
