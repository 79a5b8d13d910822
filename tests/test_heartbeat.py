"""Heartbeat: readiness and the watchdog hear what the journal's writer answers."""

import socket
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from structlog.testing import capture_logs

from router.clock import Clock
from router.errors import JournalBroken, JournalUnavailable
from router.heartbeat import Heartbeat
from router.metrics import Metrics
from tests.server.edge import Time
from tests.waiting import until


class Pinged:
    """A journal's writer at the edge: answers each ping as told, the last answer for ever."""

    def __init__(self, *answers: Exception | None) -> None:
        self.answers = list(answers)
        self.pings = 0
        self.broken: str | None = None

    async def ping(self) -> None:
        """Succeed, fail or hang (an answer of TimeoutError)."""
        self.pings += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, TimeoutError):
            await anyio.sleep_forever()
        if answer is not None:
            raise answer


@pytest.fixture
def supervisor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket of a service manager."""
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(path)
        listening.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        yield listening


async def beaten(journal: Pinged, beats: int) -> Heartbeat:
    """A heartbeat after that many beats."""
    heartbeat = Heartbeat(journal, Metrics(), Time().clock(), every=0.01)
    async with anyio.create_task_group() as loops:
        loops.start_soon(heartbeat.run)
        await until(lambda: journal.pings > beats)
        loops.cancel_scope.cancel()
    return heartbeat


async def test_a_journal_that_writes_keeps_the_watchdog_content(supervisor: socket.socket) -> None:
    """Every beat is one word to the service manager."""
    heartbeat = await beaten(Pinged(None), 2)

    assert heartbeat.trouble is None
    assert [supervisor.recv(99), supervisor.recv(99)] == [b"WATCHDOG=1"] * 2


async def test_a_full_disk_is_not_ready_but_no_reason_to_restart(supervisor: socket.socket) -> None:
    """The writer answered, so the watchdog is told; readiness says why not; the log says it once."""
    with capture_logs() as lines:
        heartbeat = await beaten(Pinged(JournalUnavailable("the disk is full")), 2)

    assert heartbeat.trouble == "the journal cannot write: the disk is full"
    assert supervisor.recv(99) == b"WATCHDOG=1"
    assert [line["event"] for line in lines] == ["journal_trouble"]


async def test_a_writer_that_hangs_lets_the_watchdog_bite(supervisor: socket.socket) -> None:
    """No word is sent, and readiness says so."""
    heartbeat = await beaten(Pinged(TimeoutError()), 1)

    assert heartbeat.trouble == "the journal does not answer within 0.01 s"
    with pytest.raises(BlockingIOError):
        supervisor.recv(99)


async def test_a_trouble_that_lasts_is_told_again_and_for_how_long_it_has() -> None:
    """Whoever looks at the log of an outage sees it near its end, not every second of it."""
    journal = Pinged(JournalUnavailable("the disk is full"))
    heartbeat = Heartbeat(journal, Metrics(), Time().clock(), every=0.01, remind=0.01)
    with capture_logs() as lines:
        async with anyio.create_task_group() as loops:
            loops.start_soon(heartbeat.run)
            await until(lambda: len(lines) > 2)
            loops.cancel_scope.cancel()

    assert {(line["event"], line["reason"]) for line in lines} == {
        ("journal_trouble", "the journal cannot write: the disk is full")
    }
    assert [line["seconds"] for line in lines] == sorted({line["seconds"] for line in lines})
    assert lines[0]["seconds"] == 0


async def test_recovery_is_told() -> None:
    """The trouble is gone, and the log has both its beginning and its end, with how long it lasted."""
    with capture_logs() as lines:
        heartbeat = await beaten(Pinged(JournalUnavailable("the disk is full"), None), 2)

    assert heartbeat.trouble is None
    assert [line["event"] for line in lines] == ["journal_trouble", "journal_recovered"]
    assert lines[1]["seconds"] >= 0.01


async def test_a_journal_that_is_back_is_ready_before_the_next_ordinary_beat() -> None:
    """While it is away it is looked for every second, or it would stay unready for longer than need be."""
    heartbeat = Heartbeat(Pinged(None), Metrics(), Time().clock(), every=3600.0)
    heartbeat.trouble = "the journal cannot write: the server is away"
    async with anyio.create_task_group() as loops:
        loops.start_soon(heartbeat.run)
        await until(lambda: heartbeat.trouble is None)
        loops.cancel_scope.cancel()


async def told(journal: Pinged, clock: Clock, time: Time, *steps: float) -> list[dict[str, object]]:
    """The lines about the clock, while the host's is set by so much, beat after beat."""
    with capture_logs() as lines:
        heartbeat = Heartbeat(journal, Metrics(), clock, every=0.01)
        async with anyio.create_task_group() as loops:
            loops.start_soon(heartbeat.run)
            for step in steps:
                time.wall += step
                pings = journal.pings
                # The second beat from here began after the step, and is over with the third.
                await until(lambda: journal.pings > pings + 2)  # noqa: B023  # waited for here
            loops.cancel_scope.cancel()
    return [dict(line) for line in lines]


async def test_an_operator_hears_that_the_hosts_clock_was_set_and_what_to_do() -> None:
    """Once for each time, with how far apart the two are; set back to where it was is good news."""
    time = Time()
    lines = await told(Pinged(None), time.clock(), time, 0.0, 259_200.0, -30.0, -259_170.0)

    assert lines == [
        {
            "event": "clock_set",
            "log_level": "warning",
            "seconds": 259_200,
            "effect": "this process still goes by the time of its start",
            "fix": "restart it if the host's clock is right now",
        },
        {"event": "clock_agrees", "log_level": "info"},
    ]


async def test_where_a_database_decides_over_the_time_it_tells_of_the_hosts() -> None:
    """Not the heartbeat: a restart would mend nothing."""
    time = Time()
    clock = time.clock()
    clock.agree(clock.now())

    assert await told(Pinged(None), clock, time, 3600.0) == []


async def test_a_broken_journal_ends_the_heartbeat_and_so_the_process() -> None:
    """After a failed sync only a restart knows what is on disk."""
    with pytest.raises(JournalBroken):
        await Heartbeat(Pinged(JournalBroken()), Metrics(), Time().clock(), every=0.0).run()


async def test_a_journal_that_broke_while_nobody_wrote_is_noticed_before_the_next_beat() -> None:
    """A failed sync while the log was copied, for example: the process ends within a second or so."""
    journal = Pinged(None)
    journal.broken = "a sync of the journal failed"
    with pytest.raises(JournalBroken, match=r"^a sync of the journal failed$"):
        await Heartbeat(journal, Metrics(), Time().clock(), every=3600.0).run()

    assert journal.pings == 0


async def test_the_watchdogs_limit_sets_the_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short limit makes for more frequent beats: here one within a hundredth of a second."""
    monkeypatch.setenv("WATCHDOG_USEC", "30000")
    journal = Pinged(None)
    async with anyio.create_task_group() as loops:
        loops.start_soon(Heartbeat(journal, Metrics(), Time().clock()).run)
        await until(lambda: journal.pings >= 2)
        loops.cancel_scope.cancel()
