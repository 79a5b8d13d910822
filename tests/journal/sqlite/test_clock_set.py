"""A host's clock that was wrong while a journal was open, and what the next start makes of its times."""

from pathlib import Path

import apsw
import pytest
import structlog

from router.delivery import State
from router.errors import JournalBroken
from router.journal.journal import DeliveryQuery, Journal, SinkMark
from router.journal.sqlite import open_sqlite
from tests.journal.backends import Time, claimed, recorded, settlement
from tests.journal.sqlite.disk import Disk, failing, no_trouble

_DAYS = 3 * 86_400.0


async def times(journal: Journal, time: Time) -> dict[str, tuple[float, float]]:
    """What is pending, by sink: seconds from the host's time to its creation, and to when it is due."""
    deliveries = await journal.deliveries(DeliveryQuery(state=State.PENDING))
    return {each.sink: (each.created_at - time.wall, each.due - time.wall) for each in deliveries}


@pytest.mark.parametrize("killed", [False, True])
async def test_what_was_written_by_a_clock_that_was_ahead_does_not_wait_for_that_time(
    path: Path, time: Time, *, killed: bool
) -> None:
    """Clock set right, daemon restarted: retries and holds wait for what was left of them, not for days."""
    time.step(_DAYS)
    async with open_sqlite(path, time.clock()) as journal:
        await recorded(journal, time, "slack", "mail")
        claim = await claimed(journal, "slack")
        await journal.settle([settlement(claim, State.PENDING, due=time.wall + 300, reason="answered 500")])
        await journal.mark(SinkMark(sink="slack", fingerprint="1", held_until=time.wall + 60))
        await journal.ping()
        time.step(-_DAYS)
        if killed:
            await journal.claim({"mail": 1})
            await journal.backup(str(path.with_name("killed.db")))
    found = path.with_name("killed.db") if killed else path
    with structlog.testing.capture_logs() as logs:
        async with open_sqlite(found, time.clock()) as journal:
            assert await times(journal, time) == {"slack": (_DAYS, 300.0), "mail": (_DAYS, 0.0)}
            assert [mark.held_until for mark in await journal.marks()] == [time.wall + 60]
            assert len((await journal.claim({"mail": 9})).claims) == 1
    assert [(line["event"], line["seconds"]) for line in logs] == [("clock_set_back", _DAYS)]


async def test_a_second_start_with_the_right_clock_hastens_nothing_more(path: Path, time: Time) -> None:
    """However soon it follows: the first one has put the times right."""
    time.step(_DAYS)
    async with open_sqlite(path, time.clock()) as journal:
        await recorded(journal, time, "slack")
        claim = await claimed(journal, "slack")
        await journal.settle([settlement(claim, State.PENDING, due=time.wall + 300, reason="answered 500")])
        await journal.ping()
    time.step(-_DAYS)
    for _ in range(2):
        async with open_sqlite(path, time.clock()) as journal:
            assert await times(journal, time) == {"slack": (_DAYS, 300.0)}


async def test_a_clock_that_is_a_little_slower_moves_nothing(path: Path, time: Time) -> None:
    """Two hosts' clocks, or one that is set by seconds: what is due is due."""
    async with open_sqlite(path, time.clock()) as journal:
        await recorded(journal, time, "slack")
        await journal.ping()
        time.step(-59)
    async with open_sqlite(path, time.clock()) as journal:
        assert await times(journal, time) == {"slack": (59.0, 59.0)}


async def test_what_was_written_by_a_clock_that_was_behind_is_no_older_than_it_is(
    path: Path, time: Time
) -> None:
    """Clock set right, daemon restarted: a sink's `max_age` does not end what is minutes old."""
    async with open_sqlite(path, time.clock()) as journal:
        await recorded(journal, time, "before")
    time.pass_by(600)
    time.step(-_DAYS)
    async with open_sqlite(path, time.clock()) as journal:
        time.pass_by(10)
        await recorded(journal, time, "slack")
        time.step(_DAYS)
        time.pass_by(20)

    async with open_sqlite(path, time.clock()) as journal:
        ages = {sink: created for sink, (created, _) in (await times(journal, time)).items()}
        assert ages == {"slack": -20.0, "before": -630.0}
        assert await journal.outdate("slack", time.wall - 3600, 9, "older than max_age") == 0
        assert len((await journal.claim({"slack": 9})).claims) == 1


async def test_what_a_start_with_a_clock_that_is_behind_finds_waits_no_longer_and_gets_no_older(
    path: Path, time: Time
) -> None:
    """Neither before its clock is set and the daemon restarted, nor then."""
    async with open_sqlite(path, time.clock()) as journal:
        await recorded(journal, time, "slack")
        claim = await claimed(journal, "slack")
        await journal.settle([settlement(claim, State.PENDING, due=time.wall + 300, reason="answered 500")])
        await journal.ping()
    time.pass_by(60)
    time.step(-_DAYS)
    async with open_sqlite(path, time.clock()) as journal:
        ((_, due),) = (await times(journal, time)).values()
        assert due == 300
        time.step(_DAYS)
        time.pass_by(20)

    async with open_sqlite(path, time.clock()) as journal:
        ((created, due),) = (await times(journal, time)).values()
        assert (created, due <= 0) == (-80.0, True)


async def test_a_journal_that_broke_under_a_clock_that_was_behind_is_closed_all_the_same(
    path: Path, time: Time, disk: Disk
) -> None:
    """Its times stay as they are; it must let go of the file."""
    async with open_sqlite(path, time.clock(), vfs=disk.name) as journal:
        await recorded(journal, time, "slack")
        disk.trouble = failing(apsw.SQLITE_IOERR_FSYNC, ("sync", "db-wal"))
        with pytest.raises(JournalBroken):
            await recorded(journal, time, "mail")
        disk.trouble = no_trouble
        time.step(_DAYS)

    async with open_sqlite(path, time.clock()) as journal:
        assert (await times(journal, time))["slack"] == (-_DAYS, -_DAYS)
