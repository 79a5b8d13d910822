"""A power cut in the first start on a backup: the next start takes the log for the journal's own.

The same trial finds whoever lets a log begin before the file says on disk that it is its own.
"""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from router.clock import Clock
from router.journal.sqlite import open_sqlite
from tests.disk.machine import Machine, Sender, a_copy, settled
from tests.disk.test_power_cut import Recorded, losses, record
from tests.disk.trace import Said
from tests.process.harness import Destination

EVENTS = 20
CUTS = 150
UNSYNCED = ("journal/sqlite/header.py", "        sync_file(file)\n", "")


def _put(disk: Path, backup: Path, log: bytes | None) -> None:
    disk.mkdir(mode=0o700)
    (disk / "journal.db").write_bytes(backup.read_bytes())
    if log is not None:
        (disk / "journal.db-wal").write_bytes(log)


def _read(file: Path) -> bytes:
    return file.read_bytes()


async def restored(
    make: Callable[..., Machine], sink: Destination, quick: Path, package: Path | None, log_header: int
) -> Recorded:
    """The first life on a backup, up to its fifth acknowledgement; so much of an older log lies beside it."""
    sinks = dict.fromkeys(("one", "two"), f"type: webhook, url: '{sink.url}'")
    (quick / "before").mkdir(mode=0o700)
    first = await make(quick / "before", sinks, package).start()
    sender = Sender(first)
    assert set(await sender.send(EVENTS)) == {202}
    await settled(sink, 2 * EVENTS)
    log = _read(quick / "before" / "journal.db-wal")[:log_header]
    # Nothing is in flight in the backup: giving that back would bring the file to disk by another way.
    assert await first.stop() == 0
    async with open_sqlite(quick / "before" / "journal.db", Clock()) as journal:
        await journal.backup(str(quick / "backup.db"))
    _put(quick / "disk", quick / "backup.db", log or None)
    run = await record(make(quick / "disk", sinks, package), sink, quick / "trace", EVENTS, stop=False)
    answers = [at for at, step in enumerate(run.steps) if isinstance(step, Said) and b" 202 " in step.data]
    return msgspec.structs.replace(run, steps=run.steps[: answers[4] + 1], known=sender.acknowledged)


@pytest.mark.parametrize("log_header", [0, 32])
@pytest.mark.usefixtures("strace")
async def test_a_power_cut_in_the_first_start_on_a_backup_leaves_a_journal_that_starts(
    machine: Callable[..., Machine], sink: Destination, quick: Path, log_header: int
) -> None:
    """With all that was backed up and all that was acknowledged since."""
    run = await restored(machine, sink, quick, None, log_header)
    (quick / "after").mkdir(mode=0o700)

    assert await losses(run, CUTS, quick / "after") == []


@pytest.mark.usefixtures("strace")
async def test_the_trial_finds_a_log_that_begins_before_its_file_says_so_on_disk(
    machine: Callable[..., Machine], sink: Destination, quick: Path, tmp_path: Path
) -> None:
    """The next start would refuse its own log, with what was acknowledged in it."""
    run = await restored(machine, sink, quick, a_copy(tmp_path / "package", UNSYNCED), 0)
    (quick / "after").mkdir(mode=0o700)

    found = await losses(run, CUTS, quick / "after")
    assert any(
        "is a backup that no router has run on yet, but another journal's files" in loss for loss in found
    )
