"""Dispatcher: claims within limits, attempts, settles; over a real journal, with a clock at hand."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from structlog.testing import capture_logs

from router.clock import Clock, id_text
from router.delivery import Route, State
from router.dispatcher import Dispatcher, SinkStatus
from router.errors import JournalUnavailable, Unknown
from router.event import Event
from router.gate import FAILURES_TO_OPEN, PROBE_EVERY
from router.journal.journal import DeliveryQuery
from router.journal.sqlite import open_sqlite
from router.journal.sqlite.opening import SqliteJournal
from router.metrics import Metrics
from router.retry import RetryPolicy
from router.sinks.sink import Reply, Request, Sink, Transport
from router.template import Template
from router.units import Duration, Rate

LIMIT = 20.0


class Posts(Sink, frozen=True):
    """A sink whose request says which event it carries."""

    def request(self, event, delivery, now, message=None):
        """The request."""
        text = "" if message is None else message.text
        return Request(
            "POST", "https://example.com", {"attempt": str(delivery.claim)}, f"{event.id} {text}".encode()
        )


class Line:
    """The far end of one sink: answers with `status`, once `open` is set."""

    def __init__(self) -> None:
        self.status = 200
        self.headers: Mapping[str, str] = {}
        self.open = asyncio.Event()
        self.open.set()
        self.seen: list[Request] = []
        self.changed = asyncio.Condition()

    async def send(self, request: Request) -> Reply:
        """The answer."""
        async with self.changed:
            self.seen.append(request)
            self.changed.notify_all()
        await self.open.wait()
        return Reply(self.status, self.headers, b"")

    async def asked(self, times: int) -> None:
        """Wait until it was asked that often."""
        async with self.changed, asyncio.timeout(LIMIT):
            await self.changed.wait_for(lambda: len(self.seen) >= times)


class Bench:
    """A dispatcher on a real journal, with the far ends and the clock in the test's hands."""

    def __init__(self, journal: SqliteJournal, clock: Clock, time: list[float]) -> None:
        self.journal, self.clock, self.time = journal, clock, time
        self.lines: dict[str, Line] = {}
        self.retained: list[set[str]] = []
        self.dispatcher = Dispatcher(journal, self, clock, Metrics(), lambda: 0.0)

    def lane(self, sink: Sink) -> Transport:
        """The far end of a sink."""
        return self.lines.setdefault(sink.name, Line())

    async def retain(self, sinks: Mapping[str, Sink]) -> None:
        """Remember what was kept."""
        self.retained.append(set(sinks))

    async def use(self, *sinks: Sink, message: str | None = None) -> None:
        """Put sinks into force."""
        template = None if message is None else Template.parse(message)
        await self.dispatcher.use({sink.name: sink for sink in sinks}, lambda _: template)

    async def record(self, *sinks: str) -> str:
        """An event for these sinks; its id."""
        event = Event(
            id=id_text("evt", self.journal.ids.next()), source="web", provider="percy", kind="build",
            build="7", received_at=self.clock.now(), payload=b"{}", subject=str(self.journal.ids.next()),
        )  # fmt: skip
        await self.journal.record(event, [Route("all", sink) for sink in sinks], window=0, ruleset="r")
        return event.id

    async def until(self, sink: str, state: State, count: int = 1) -> None:
        """Wait until that many deliveries of a sink are in a state."""
        async with asyncio.timeout(LIMIT):
            while self.journal.counts().get((sink, state), 0) != count:
                await self.journal.ping()

    def later(self, seconds: float) -> None:
        """Let time pass."""
        self.time[0] += seconds
        self.journal.wake()

    def status(self, sink: str) -> SinkStatus:
        """How a sink stands."""
        return next(status for status in self.dispatcher.sinks() if status.name == sink)

    @asynccontextmanager
    async def running(self, grace: float = LIMIT) -> AsyncIterator[None]:
        """The loop at work."""
        async with anyio.create_task_group() as loops:
            loops.start_soon(self.dispatcher.run)
            yield
            await self.dispatcher.stop(grace)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """A bench whose clock stands still unless told."""
    time = [1_800_000_000.0]
    clock = Clock(lambda: time[0], lambda: time[0])
    async with open_sqlite(tmp_path / "journal.db", clock) as journal:
        yield Bench(journal, clock, time)


def out(name: str = "out", **settings: object) -> Posts:
    """A sink."""
    return Posts(name=name, **settings)


async def test_an_event_reaches_its_sink_with_the_rules_text(bench: Bench) -> None:
    """Claimed, attempted, settled; the history says when and what."""
    await bench.use(out(), message="{{ build }}")
    event_id = await bench.record("out")
    async with bench.running():
        await bench.until("out", State.DELIVERED)
    (delivery,) = await bench.journal.deliveries(DeliveryQuery(event_id=event_id))
    attempts = await bench.journal.attempts([delivery.id])

    assert bench.lines["out"].seen[0].body == f"{event_id} {{{{ build }}}}".encode()
    assert [(one.number, one.outcome, one.status) for one in attempts[delivery.id]] == [(1, "delivered", 200)]


async def test_concurrency_bounds_what_is_in_flight_and_a_free_slot_is_used_at_once(bench: Bench) -> None:
    """Two slots: two attempts; the third starts when one is settled."""
    await bench.use(out(concurrency=2))
    for _ in range(3):
        await bench.record("out")
    async with bench.running():
        line = bench.lines["out"]
        line.open.clear()
        await line.asked(2)
        assert (bench.status("out").in_flight, len(line.seen)) == (2, 2)
        line.open.set()
        await bench.until("out", State.DELIVERED, 3)


async def test_a_rate_lets_the_next_through_when_its_time_comes(bench: Bench) -> None:
    """One a second: the second waits for the clock."""
    await bench.use(out(rate=Rate(1, 1.0)))
    await bench.record("out")
    await bench.record("out")
    async with bench.running():
        await bench.until("out", State.DELIVERED)
        await bench.journal.ping()
        assert len(bench.lines["out"].seen) == 1
        bench.later(1)
        await bench.until("out", State.DELIVERED, 2)


async def test_a_failure_is_tried_again_by_the_schedule_with_a_rising_attempt_number(bench: Bench) -> None:
    """500, five seconds, again."""
    await bench.use(out())
    bench.lines["out"].status = 500
    await bench.record("out")
    async with bench.running():
        await bench.lines["out"].asked(1)
        await bench.until("out", State.PENDING)
        bench.lines["out"].status = 200
        bench.later(5)
        await bench.until("out", State.DELIVERED)

    assert [request.headers["attempt"] for request in bench.lines["out"].seen] == ["1", "2"]


async def test_the_end_of_the_schedule_is_a_dead_letter(bench: Bench) -> None:
    """A schedule of no waits makes one attempt."""
    await bench.use(out(retry=RetryPolicy(())))
    bench.lines["out"].status = 500
    event_id = await bench.record("out")
    async with bench.running():
        await bench.until("out", State.DEAD)
    (delivery,) = await bench.journal.deliveries(DeliveryQuery(event_id=event_id))

    assert delivery.reason == "the retry schedule ended: answered 500"
    assert (bench.status("out").dead, bench.status("out").last_error) == (1, "answered 500")


async def test_what_is_too_old_dies_without_an_attempt(bench: Bench) -> None:
    """`max_age` passed while nobody delivered."""
    await bench.use(out(max_age=Duration(60)))
    await bench.record("out")
    bench.later(61)
    async with bench.running():
        await bench.until("out", State.DEAD)

    assert bench.lines["out"].seen == []


async def test_an_open_sink_is_probed_and_its_recovery_makes_everything_due(bench: Bench) -> None:
    """Five failures open it; nothing more is sent but the probe; on success the rest follows at once."""
    await bench.use(out(concurrency=FAILURES_TO_OPEN))
    line = bench.lines["out"]
    line.status = 500
    for _ in range(FAILURES_TO_OPEN):
        await bench.record("out")
    async with bench.running():
        await line.asked(FAILURES_TO_OPEN)
        await bench.until("out", State.PENDING, FAILURES_TO_OPEN)
        await bench.record("out")
        await bench.journal.ping()
        assert bench.status("out").state == "open"
        bench.later(PROBE_EVERY)
        await line.asked(FAILURES_TO_OPEN + 1)
        await bench.until("out", State.PENDING, FAILURES_TO_OPEN + 1)
        line.status = 200
        bench.later(PROBE_EVERY)
        await bench.until("out", State.DELIVERED, FAILURES_TO_OPEN + 1)

    assert bench.status("out").state == "ready"


async def test_a_hold_outlives_the_process(bench: Bench) -> None:
    """429 with Retry-After: another dispatcher on the same journal keeps the silence."""
    await bench.use(out())
    line = bench.lines["out"]
    line.status, line.headers = 429, {"Retry-After": "600"}
    await bench.record("out")
    async with bench.running():
        await line.asked(1)
        await bench.until("out", State.PENDING)
    reborn = Bench(bench.journal, bench.clock, bench.time)
    await reborn.use(out())

    assert (reborn.status("out").state, reborn.status("out").until) == ("held", bench.clock.now() + 600)

    async with reborn.running():
        reborn.later(600)
        await reborn.until("out", State.DELIVERED)


async def test_a_pause_for_the_sinks_fault_ends_with_its_settings(bench: Bench) -> None:
    """410 pauses over a restart and a reload that changes nothing; changed settings end it."""
    await bench.use(out())
    bench.lines["out"].status = 410
    await bench.record("out")
    async with bench.running():
        await bench.lines["out"].asked(1)
        await bench.until("out", State.PENDING)
    reborn = Bench(bench.journal, bench.clock, bench.time)
    await reborn.use(out())
    await reborn.use(out())

    assert (reborn.status("out").state, reborn.status("out").reason) == ("paused", "answered 410")

    await reborn.use(out(timeout=Duration(3)))

    assert reborn.status("out").state == "ready"
    assert await bench.journal.marks() == []

    again = Bench(bench.journal, bench.clock, bench.time)
    await again.use(out())

    assert again.status("out").state == "ready"


async def test_an_operators_pause_ends_only_by_resume(bench: Bench) -> None:
    """Changed settings do not; `resume` makes everything due."""
    await bench.use(out())
    await bench.dispatcher.pause("out", "maintenance")
    await bench.record("out")
    reborn = Bench(bench.journal, bench.clock, bench.time)
    await reborn.use(out(timeout=Duration(3)))
    async with reborn.running():
        await reborn.journal.ping()
        assert (reborn.status("out").state, reborn.status("out").reason) == ("paused", "maintenance")
        await reborn.dispatcher.resume("out")
        await reborn.until("out", State.DELIVERED)


async def test_an_unknown_sink_cannot_be_paused_or_resumed(bench: Bench) -> None:
    """The message names those there are."""
    await bench.use(out())
    for action in (bench.dispatcher.resume("ouch"), bench.dispatcher.pause("ouch", "why")):
        with pytest.raises(Unknown) as caught:
            await action
        assert str(caught.value) == "no sink is called 'ouch'; sinks are out"


async def test_a_sink_that_left_the_configuration_keeps_its_deliveries(bench: Bench) -> None:
    """They wait for the name to return, and are shown as such."""
    await bench.use(out("other"))
    await bench.record("out")
    async with bench.running():
        await bench.journal.ping()
        status = bench.status("out")
        assert (status.state, status.pending) == ("no sink", 1)
        await bench.use(out(), out("other"))
        await bench.until("out", State.DELIVERED)

    assert bench.retained == [{"other"}, {"out", "other"}]
    assert set(bench.dispatcher.states()) == {"out", "other"}


async def test_stopping_waits_for_what_runs(bench: Bench) -> None:
    """An attempt that ends within the grace period is settled, not given back."""
    await bench.use(out())
    await bench.record("out")
    async with bench.running():
        line = bench.lines["out"]
        line.open.clear()
        await line.asked(1)
        line.open.set()

    assert bench.journal.counts()["out", State.DELIVERED] == 1


async def test_what_does_not_end_in_time_is_given_back_uncounted(bench: Bench) -> None:
    """After the grace period it is pending as before; the next process tries it."""
    await bench.use(out())
    event_id = await bench.record("out")
    async with bench.running(grace=0):
        line = bench.lines["out"]
        line.open.clear()
        await line.asked(1)
    (delivery,) = await bench.journal.deliveries(DeliveryQuery(event_id=event_id))

    assert (delivery.state, delivery.failures, delivery.due) == (State.PENDING, 0, bench.clock.now())


class Flaky:
    """A journal whose writes fail at the edge where a disk would, as often as it is told."""

    def __init__(self, journal: SqliteJournal) -> None:
        self.journal = journal
        self.failures: dict[str, int] = {}

    def __getattr__(self, name: str) -> object:
        """Everything else is the journal's."""
        return getattr(self.journal, name)

    def fail(self, name: str) -> None:
        """Raise as a full disk does, while there are failures left."""
        if self.failures.get(name, 0) > 0:
            self.failures[name] -= 1
            raise JournalUnavailable("the disk is full")

    async def claim(self, *args: object, **named: object) -> object:
        """Claim, or fail."""
        self.fail("claim")
        return await self.journal.claim(*args, **named)

    async def settle(self, *args: object) -> object:
        """Settle, or fail."""
        self.fail("settle")
        return await self.journal.settle(*args)

    async def mark(self, *args: object) -> object:
        """Mark, or fail."""
        self.fail("mark")
        return await self.journal.mark(*args)


async def test_what_was_delivered_but_not_recorded_is_not_sent_again(bench: Bench) -> None:
    """While the journal cannot write, the delivery keeps its slot and its mark is tried again."""
    flaky = Flaky(bench.journal)
    flaky.failures = {"claim": 1, "settle": 2}
    bench.dispatcher = Dispatcher(flaky, bench, bench.clock, Metrics(), lambda: 0.0)
    await bench.use(out())
    await bench.record("out")
    with capture_logs() as lines:
        async with bench.running():
            await bench.until("out", State.DELIVERED)

    assert len(bench.lines["out"].seen) == 1
    assert [line["event"] for line in lines if line["log_level"] == "warning"] == [
        "claim_postponed", "settle_postponed", "settle_postponed",
    ]  # fmt: skip


async def test_a_pause_that_cannot_be_written_still_pauses(bench: Bench) -> None:
    """The gate is closed in memory; the log says that a restart will have to learn it again."""
    flaky = Flaky(bench.journal)
    flaky.failures = {"mark": 1}
    bench.dispatcher = Dispatcher(flaky, bench, bench.clock, Metrics(), lambda: 0.0)
    await bench.use(out())
    bench.lines["out"].status = 410
    await bench.record("out")
    with capture_logs() as lines:
        async with bench.running():
            await bench.lines["out"].asked(1)
            await bench.until("out", State.PENDING)

    assert bench.status("out").state == "paused"
    assert "sink_mark_postponed" in [line["event"] for line in lines]


async def test_a_stop_while_the_journal_cannot_write_leaves_recovery_to_the_next_start(bench: Bench) -> None:
    """Giving back fails: the deliveries stay in flight on disk, which opening turns into pending."""
    flaky = Flaky(bench.journal)
    bench.dispatcher = Dispatcher(flaky, bench, bench.clock, Metrics(), lambda: 0.0)
    await bench.use(out())
    await bench.record("out")
    with capture_logs() as lines:
        async with bench.running(grace=0):
            line = bench.lines["out"]
            line.open.clear()
            await line.asked(1)
            flaky.failures = {"settle": 1}

    assert bench.journal.counts()["out", State.IN_FLIGHT] == 1
    assert "give_back_postponed" in [line["event"] for line in lines]
