"""A dispatcher on a real journal, with its far ends and its clock in the test's hands."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from router.clock import Clock, id_text
from router.delivery import Route, State
from router.dispatch.dispatcher import Dispatcher
from router.dispatch.outlet import SinkStatus
from router.errors import JournalUnavailable
from router.event import Event
from router.journal.sqlite import open_sqlite
from router.journal.sqlite.opening import SqliteJournal
from router.metrics import Metrics
from router.sinks.sink import Reply, Request, Sink, Transport
from router.template.template import Template

LIMIT = 60.0
# Seconds that a process must have lived before it tries a suspect.
TRIAL_AFTER = 30.0


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

    def flaky(self) -> "Flaky":
        """Put a journal between that fails and waits as told."""
        flaky = Flaky(self.journal)
        self.dispatcher = Dispatcher(flaky, self, self.clock, Metrics(), lambda: 0.0)
        return flaky

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

    async def chance(self) -> None:
        """Give the loop every chance to do what it must not do."""
        for _ in range(50):
            self.journal.wake()
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
            loops.cancel_scope.cancel()


def out(name: str = "out", **settings: object) -> Posts:
    """A sink."""
    return Posts(name=name, **settings)


class Flaky:
    """A journal whose writes fail at the edge where a disk would, as often as it is told."""

    def __init__(self, journal: SqliteJournal) -> None:
        self.journal = journal
        self.failures: dict[str, int] = {}
        self.held: dict[str, asyncio.Event] = {}
        self.let_go = False
        self.claimed = 0
        self.marked = 0
        self.expediting: list[str] = []

    def __getattr__(self, name: str) -> object:
        """Everything else is the journal's."""
        return getattr(self.journal, name)

    async def fail(self, name: str) -> None:
        """Raise as a full disk does, while there are failures left."""
        if self.failures.get(name, 0) > 0:
            self.failures[name] -= 1
            raise JournalUnavailable("the disk is full")

    async def claim(self, *args: object, **named: object) -> object:
        """Claim, or fail; the answer waits while it is held back."""
        await self.fail("claim")
        batch = await self.journal.claim(*args, **named)
        self.claimed += 1
        if "claim" in self.held:
            await self.held["claim"].wait()
        return batch

    def wake(self) -> None:
        """Wake; what is held back is let go a few turns of the loop later if `let_go`."""
        self.journal.wake()
        if self.let_go:
            asyncio.get_running_loop().call_soon(self.turn, 20)

    def turn(self, more: int) -> None:
        """Let so many turns of the loop pass, then let go."""
        if more:
            asyncio.get_running_loop().call_soon(self.turn, more - 1)
        else:
            for event in self.held.values():
                event.set()

    async def settle(self, *args: object) -> object:
        """Settle, or fail."""
        await self.fail("settle")
        return await self.journal.settle(*args)

    async def mark(self, *args: object) -> object:
        """Mark, or fail; the answer waits while it is held back."""
        await self.fail("mark")
        await self.journal.mark(*args)
        self.marked += 1
        if "mark" in self.held:
            await self.held["mark"].wait()

    async def expedite(self, sink: str) -> int:
        """Say so; then fail, wait while it is held back, or expedite."""
        self.expediting.append(sink)
        await self.fail("expedite")
        if "expedite" in self.held:
            await self.held["expedite"].wait()
        return await self.journal.expedite(sink)


async def crash_with(path: Path, clock: Clock, *events: str, times: int) -> None:
    """Die `times` times with all deliveries of sink `out` in flight; first make events for those sinks."""
    time = [clock.now()]
    moving = Clock(lambda: time[0], lambda: time[0])
    for crash in range(times):
        async with open_sqlite(path, moving) as journal:
            bench = Bench(journal, moving, time)
            for sink in events if crash == 0 else ():
                await bench.record(sink)
            await journal.claim({"out": 9, "other": 0})
            if crash > 1:
                time[0] += TRIAL_AFTER
                await journal.claim({"out": 9}, suspect=True)
