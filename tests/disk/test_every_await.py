"""A crash or a cancellation at every point of the journal's protocol, for accepting and for delivering.

One story (record, claim, settle) is broken off before each disk operation it makes, and between them. A model
(what the journal's callers were told) says what must be there.
"""

import asyncio
import contextlib
import itertools
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from anyio.lowlevel import checkpoint

from router.delivery import Settlement, State
from router.journal.journal import DeliveryQuery, EventQuery, Journal
from router.journal.sqlite import open_sqlite
from tests.journal.backends import Time, recorded, settlement
from tests.journal.room import Room
from tests.journal.sqlite.disk import a_disk, no_trouble

SINKS = ("slack", "hook")


class Told(msgspec.Struct):
    """What the journal's callers were told so far: events, claims by delivery, ends by delivery."""

    events: list[str] = []
    claims: dict[str, int] = {}
    ends: dict[str, State] = {}
    room: Room = msgspec.field(default_factory=lambda: Room({}))

    def copy(self) -> "Told":
        """As it is now."""
        return Told(list(self.events), self.all_claims(), dict(self.ends))

    def all_claims(self) -> dict[str, int]:
        """Claims that were asked for, and those that were handed over, whoever was cancelled meanwhile."""
        return self.claims | {one.delivery.id: one.delivery.claim for one in self.room.taken}


async def story(journal: Journal, time: Time, told: Told) -> None:
    """Accept and deliver: some delivered, some to be tried again, some given back, some never claimed.

    Before all that, one event is handed over as it is recorded: one delivery ends, the other stays in flight.
    """
    told.room = room = Room(dict.fromkeys(SINKS, 1))
    journal.offer(room)
    told.events.append((await recorded(journal, time, *SINKS)).id)
    await journal.settle([settlement(room.taken[0], State.DELIVERED)])
    told.ends[room.taken[0].delivery.id] = State.DELIVERED
    for _ in range(3):
        told.events.append((await recorded(journal, time, *SINKS)).id)
    ends = iter([State.DELIVERED, State.PENDING, State.DEAD, State.DELIVERED])
    for _ in range(2):
        batch = await journal.claim({"slack": 1, "hook": 1})
        told.claims |= {claim.delivery.id: claim.delivery.claim for claim in batch.claims}
        for claim in batch.claims:
            end = next(ends)
            due = time.wall + 60 if end is State.PENDING else 0.0
            await journal.settle([settlement(claim, end, due=due, reason="r")])
            told.ends[claim.delivery.id] = end
    batch = await journal.claim({"slack": 1})
    told.claims |= {claim.delivery.id: claim.delivery.claim for claim in batch.claims}


async def check(journal: Journal, time: Time, told: Told, *, crashed: bool) -> None:
    """Nothing that was told is gone, and whatever is owed can still be delivered."""
    journal.offer(None)
    claims = told.all_claims()
    events = {event.id for event in await journal.events(EventQuery(limit=10**6))}
    deliveries = {one.id: one for one in await journal.deliveries(DeliveryQuery(limit=10**6))}
    assert set(told.events) <= events
    assert len(deliveries) == len(SINKS) * len(events)
    for delivery, end in told.ends.items():
        assert deliveries[delivery].state is end
    held = {one for one in claims if one not in told.ends and deliveries[one].state is State.IN_FLIGHT}
    flying = {one.id for one in deliveries.values() if one.state is State.IN_FLIGHT}
    assert flying == (set() if crashed else held)
    for delivery in set(claims) - set(told.ends):
        assert deliveries[delivery].claim >= claims[delivery]
    for delivery in held:
        done = Settlement(delivery_id=delivery, claim=claims[delivery], state=State.DELIVERED)
        assert await journal.settle([done]) == []
    await _deliver_the_rest(journal, time)
    left = {state for _, state in journal.counts()}
    assert left <= {State.DELIVERED, State.DEAD}


async def _deliver_the_rest(journal: Journal, time: Time) -> None:
    time.pass_by(100)
    while claims := (await journal.claim(dict.fromkeys(SINKS, 9))).claims:
        assert await journal.settle([settlement(claim, State.DELIVERED) for claim in claims]) == []


async def test_a_crash_before_any_disk_operation_loses_nothing_that_was_told(quick: Path) -> None:
    """The files as they are at every moment of the story are opened as the next process would."""
    path, time, told = quick / "var" / "journal.db", Time(), Told()
    crashes: list[tuple[Path, Told]] = []

    def crash(operation: str, _file: str) -> None:
        if operation != "read":
            after = quick / f"after{len(crashes)}"
            shutil.copytree(path.parent, after)
            crashes.append((after, told.copy()))

    with a_disk("disk of every crash") as disk:
        async with open_sqlite(path, time.clock(), vfs=disk.name) as journal:
            disk.trouble = crash
            await story(journal, time, told)
            crash("end", "")
            disk.trouble = no_trouble
    for after, then in crashes:
        async with open_sqlite(after / path.name, time.clock()) as journal:
            await check(journal, time, then, crashed=True)

    assert len(crashes) > 30
    assert (len(told.events), len(told.all_claims()), len(told.ends)) == (4, 7, 5)


class Breaker:
    """Cancels a task before the disk operation of some number, so many turns of the loop later."""

    def __init__(self, number: int, turns: int) -> None:
        self.operations = 0
        self.task: asyncio.Task[None] | None = None
        self._number = number
        self._turns = turns
        self._loop = asyncio.get_running_loop()

    def __call__(self, operation: str, _file: str) -> None:
        """In the writer's thread."""
        if operation == "read":
            return
        self.operations += 1
        if self.operations == self._number:
            done = threading.Event()
            self._loop.call_soon_threadsafe(self._cancel, self._turns, done.set)
            # With no turns to go, the cancellation comes first; else it races with the answer, as in life.
            if self._turns == 0:
                done.wait()

    def _cancel(self, turns: int, done: Callable[[], None]) -> None:
        if turns:
            self._loop.call_soon(self._cancel, turns - 1, done)
        elif self.task is not None:
            self.task.cancel()
        done()


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 20])
async def test_a_caller_cancelled_around_any_disk_operation_leaves_nothing_in_limbo(
    quick: Path, turns: int
) -> None:
    """The process lives on: what nobody was told of is given back, what was told stays."""
    for number in itertools.count(1):
        path, time, told = quick / str(number) / "journal.db", Time(), Told()
        with a_disk(f"disk {turns} {number}") as disk:
            async with open_sqlite(path, time.clock(), vfs=disk.name) as journal:
                disk.trouble = breaker = Breaker(number, turns)
                await _run(journal, time, told, breaker)
                disk.trouble = no_trouble
                await _quiet(journal)
                await check(journal, time, told, crashed=False)
        if breaker.operations < number:
            break

    assert number > 30


async def _quiet(journal: Journal) -> None:
    """Wait until what was asked for is written, and then until what had to be taken back is."""
    for _ in range(2):
        await journal.ping()


async def _run(journal: Journal, time: Time, told: Told, breaker: Breaker) -> None:
    async with asyncio.TaskGroup() as group:
        breaker.task = group.create_task(story(journal, time, told))
        with contextlib.suppress(asyncio.CancelledError):
            await breaker.task


async def test_a_caller_cancelled_after_any_turn_of_the_loop_leaves_nothing_in_limbo(quick: Path) -> None:
    """Also between the disk's operations: before a transaction begins, and while its answer is on its way."""
    path, time = quick / "journal.db", Time()
    async with open_sqlite(path, time.clock()) as journal:
        for turns in range(60):
            told = Told()
            async with asyncio.TaskGroup() as group:
                task = group.create_task(story(journal, time, told))
                for turn in range(turns):
                    await (journal.ping() if turn % 3 == 2 else checkpoint())
                task.cancel()
            await _quiet(journal)
            await check(journal, time, told, crashed=False)
