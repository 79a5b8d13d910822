"""The writer's thread, where a fault of our own meets what waits for it."""

import asyncio
import threading
from pathlib import Path

import apsw
import pytest

from router.errors import JournalBroken
from router.journal.sqlite.writer import Work, Writer, Written
from tests.waiting import turns, until


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_what_waits_to_run_alone_is_told_when_the_thread_fails(tmp_path: Path) -> None:
    """It is in no transaction yet, and in the queue no more."""
    at_work, go_on = threading.Event(), threading.Event()
    told: list[str] = []

    def wait(_: apsw.Cursor) -> Written[None]:
        at_work.set()
        go_on.wait()
        return Written(None)

    def fail(_: apsw.Cursor) -> Written[None]:
        raise ZeroDivisionError

    async def write(work: Work[None], *, alone: bool) -> None:
        with pytest.raises(JournalBroken) as caught:
            await writer.write(work, alone=alone)
        told.append(str(caught.value))

    writer = Writer(apsw.Connection(str(tmp_path / "journal.db")), lambda _: None, lambda: None)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(writer.write(wait))
        await until(at_work.is_set)
        group.create_task(write(fail, alone=False))
        group.create_task(write(wait, alone=True))
        await turns()
        go_on.set()
    # The thread's last words must not be heard in the next test.
    await writer.close()

    assert told == ["the journal's thread failed; its traceback says where"] * 2
