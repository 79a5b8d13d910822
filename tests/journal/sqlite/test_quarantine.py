"""The quarantine on SQLite: it never takes anybody's room or transaction, and older files get its table."""

import asyncio
import os
from collections.abc import Awaitable
from pathlib import Path

import apsw
import pytest

from router.errors import JournalBroken, JournalUnavailable
from router.journal.journal import EventQuery, RefusedQuery
from router.journal.sqlite import open_sqlite
from router.journal.sqlite.schema import migrate
from router.journal.sqlite.statements import migrations
from tests.journal.backends import Time, recorded
from tests.journal.conformance.test_quarantine import a_request
from tests.journal.sqlite.disk import Disk, failing, no_trouble


async def test_a_journal_of_version_1_gets_its_quarantine(path: Path, time: Time) -> None:
    """Events that were there stay."""
    path.parent.mkdir()
    old = apsw.Connection(str(path))
    migrate(old, path, migrations()[:1])
    old.execute(
        "INSERT INTO events (id, source, provider, kind, received_at, subject, reused, ruleset)"
        " VALUES (1, 'web', 'percy', 'build', 1.0, 's', 0, 'r'); INSERT INTO bodies VALUES (1, x'7b7d')"
    )
    old.close()

    async with open_sqlite(path, time.clock()) as journal:
        assert len(await journal.events(EventQuery())) == 1
        request = a_request(journal, time)
        await journal.quarantine(request, most=1, most_bytes=100)
        assert await journal.refused(request.id) == request


async def test_an_event_never_fails_with_a_refused_request_beside_it(
    path: Path, time: Time, disk: Disk
) -> None:
    """The disk has no room for a large body; events that were recorded at the same moment are committed."""
    written = 0

    def no_room_for_a_mebibyte(operation: str, file: str) -> None:
        nonlocal written
        written = 0 if operation == "sync" else written + ((operation, file) == ("write", "db-wal"))
        if written > 400:
            written = 0
            failing(apsw.SQLITE_FULL, ("write", "db-wal"))(operation, file)

    async with open_sqlite(path, time.clock(), vfs=disk.name) as journal:
        disk.trouble = no_room_for_a_mebibyte
        refused: list[JournalUnavailable] = []

        async def keep() -> None:
            with pytest.raises(JournalUnavailable) as caught:
                await journal.quarantine(
                    a_request(journal, time, body=b"x" * (4 << 20)), most=9, most_bytes=9 << 20
                )
            refused.append(caught.value)

        async with asyncio.TaskGroup() as group:
            group.create_task(recorded(journal, time, "slack"))
            group.create_task(keep())
            group.create_task(recorded(journal, time, "slack"))

        assert len(refused) == 1
        assert len(await journal.events(EventQuery())) == 2
        assert journal.stock() == {}


async def test_the_last_room_on_a_disk_belongs_to_events(
    path: Path, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With less than 64 MiB left a refused request is not kept, and events are."""
    found = os.statvfs(path.parent.parent)
    fields = list(found)
    fields[4] = (64 << 20) // found.f_frsize - 1
    async with open_sqlite(path, time.clock()) as journal:
        monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result(fields))
        with pytest.raises(JournalUnavailable) as caught:
            await journal.quarantine(a_request(journal, time), most=1, most_bytes=100)
        await recorded(journal, time, "slack")

        assert str(caught.value) == "the disk is almost full; what room there is belongs to events"
        assert await journal.quarantined(RefusedQuery()) == []


async def test_closing_finishes_refused_requests_and_events_in_their_order(path: Path, time: Time) -> None:
    """What waited behind one another is all there."""
    async with open_sqlite(path, time.clock()) as journal, asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(recorded(journal, time, "slack"))
            group.create_task(journal.quarantine(a_request(journal, time), most=9, most_bytes=100))
    async with open_sqlite(path, time.clock()) as journal:
        assert len(await journal.events(EventQuery())) == 5
        assert len(await journal.quarantined(RefusedQuery())) == 5


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_fault_of_our_own_leaves_nobody_waiting(path: Path, time: Time, disk: Disk) -> None:
    """Neither what was in the transaction nor the refused request that was to follow it."""

    def fault(_operation: str, _file: str) -> None:
        raise ZeroDivisionError

    async with asyncio.timeout(60), open_sqlite(path, time.clock(), vfs=disk.name) as journal:
        disk.trouble = fault

        async def told(work: Awaitable[object]) -> None:
            with pytest.raises(JournalBroken):
                await work

        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(told(recorded(journal, time, "slack")))
                request = a_request(journal, time)
                group.create_task(told(journal.quarantine(request, most=9, most_bytes=100)))
        disk.trouble = no_trouble
