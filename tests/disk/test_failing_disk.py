"""A disk that fails: no false answer, no storm of duplicates, and the way back without anybody's help.

`DISK_FAULTS=200` tries a fault at each of the first 200 calls instead of a few.
"""

import asyncio
import os
import resource
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from router.clock import Clock
from router.delivery import State
from router.journal.journal import DeliveryQuery, EventQuery
from router.journal.sqlite import open_sqlite
from tests.disk.machine import Machine, Sender, gone
from tests.process.harness import Destination

FAULTS = int(os.environ.get("DISK_FAULTS", "0"))
SYNCS = range(1, FAULTS + 1) or (1, 5, 25)
WRITES = range(1, FAULTS + 1) or (1, 20, 60)
# Far more than what is asked for, because this host may be busy; the note on reliability has the figures.
LIMIT = 60.0
# However long it takes until there is room: nothing dies of that.
PATIENT = ", ".join(["1s"] * 100)


def to(sink: Destination) -> dict[str, str]:
    """One webhook, tried again every second."""
    return {"out": f"type: webhook, url: '{sink.url}', retry: {{schedule: [{PATIENT}]}}"}


def fill(disk: Path, leave: int) -> Path:
    """Use up a small disk but for so many bytes; returns what to delete to make room."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            file.truncate(max(0, file.tell() - leave))
    return ballast


def only_honest(sender: Sender) -> None:
    """Every answer is a 202 or a 503 that says when to come again, and there is an answer to everything."""
    assert {status for status, _ in sender.refused} <= {503}
    assert all(after is not None and int(after) > 0 for _, after in sender.refused)
    assert sender.unanswered == 0


async def once_there_is_room(sender: Sender) -> None:
    """Post until one is accepted."""
    async with asyncio.timeout(LIMIT), aiohttp.ClientSession() as session:
        while await sender.post(session) != 202:
            pass


async def ready(machine: Machine, expected: int) -> list[str]:
    """Wait until `/readyz` answers that; returns the reasons."""
    async with asyncio.timeout(LIMIT):
        while True:
            status, document = await machine.readiness()
            if status == expected:
                return list(document["reasons"])


async def arrived(sink: Destination, sender: Sender) -> None:
    """Wait until whatever was acknowledged is at the destination."""
    missing = set(sender.acknowledged)

    def none() -> bool:
        missing.difference_update(document["data"]["id"] for document in sink.documents)
        return not missing

    await sink.until(none)


async def written_down(machine: Machine, sender: Sender, *states: State) -> None:
    """Stop it; then its journal holds whatever was acknowledged, delivered or (after a crash) in `states`."""
    assert await machine.stop() == 0
    async with open_sqlite(machine.disk / "journal.db", Clock()) as journal:
        events = {event.id for event in await journal.events(EventQuery(limit=10**6))}
        deliveries = await journal.deliveries(DeliveryQuery(limit=10**6))
    found = {delivery.event_id: delivery.state for delivery in deliveries}
    assert set(sender.acknowledged) <= events
    assert {found[event] for event in sender.acknowledged} <= {State.DELIVERED, *states}


async def test_a_disk_that_fills_up_under_load_costs_nothing_but_time(
    small_disk: Path, machine: Callable[..., Machine], sink: Destination
) -> None:
    """503 while it is full, nothing sent twice, and as soon as there is room it goes on by itself."""
    router = machine(small_disk, to(sink))
    await router.start()
    sender = Sender(router, 4000)
    await sender.send(20)
    ballast = fill(small_disk, 200_000)
    await sender.send(300)
    assert sender.refused
    assert await ready(router, 503)
    await sender.send(100)
    full = dict(sender.acknowledged)
    seen = list(sink.ids)
    ballast.unlink()
    await once_there_is_room(sender)
    await sender.send(20)
    await arrived(sink, sender)

    only_honest(sender)
    assert len(seen) == len(set(seen))
    assert len(sink.ids) == len(set(sink.ids)) == len(sender.acknowledged) > len(full)
    assert {document["data"]["id"] for document in sink.documents} == set(sender.acknowledged)
    assert await ready(router, 200) == []
    await written_down(router, sender)


async def test_a_start_on_a_full_disk_works_and_is_not_ready(
    small_disk: Path, machine: Callable[..., Machine], sink: Destination
) -> None:
    """Hooks answer 503, readiness says why, and with room it opens its journal and goes on by itself."""
    ballast = fill(small_disk, 0)
    router = machine(small_disk, to(sink))
    await router.start()
    sender = Sender(router)
    await sender.send(5)
    assert len(sender.refused) == 5
    assert await ready(router, 503) == [
        "starting: the journal cannot be opened now: database or disk is full (SQLITE_FULL)"
    ]
    ballast.unlink()
    await once_there_is_room(sender)
    await arrived(sink, sender)

    only_honest(sender)
    assert await ready(router, 200) == []
    assert await router.stop() == 0


async def test_a_start_without_leave_to_write_a_byte_works_too(
    tmp_path: Path, machine: Callable[..., Machine], sink: Destination
) -> None:
    """The same without a disk of its own: no file may grow, until the limit is lifted."""
    router = machine(tmp_path / "disk", to(sink))
    router.tool = ["sh", "-c", 'ulimit -S -f 0; exec "$@"', "sh"]
    await router.start()
    sender = Sender(router)
    assert await sender.send(3) == [503] * 3
    (reason,) = await ready(router, 503)
    assert reason.startswith("starting: the journal cannot be opened now: ")
    resource.prlimit(router.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await once_there_is_room(sender)
    await arrived(sink, sender)

    only_honest(sender)
    assert await ready(router, 200) == []
    await written_down(router, sender)


async def test_a_restart_on_a_full_disk_keeps_what_is_owed(
    small_disk: Path, machine: Callable[..., Machine], sink: Destination
) -> None:
    """Killed, then started on a full disk: what is owed arrives once there is room."""
    sink.status = 503
    router = machine(small_disk, to(sink))
    await router.start()
    sender = Sender(router)
    await sender.send(20)
    router.kill()
    ballast = fill(small_disk, 0)
    sink.status = 200
    await router.start()
    assert await sender.send(3) == [503] * 3
    ballast.unlink()
    await arrived(sink, sender)

    assert {document["data"]["id"] for document in sink.documents} == set(sender.acknowledged)
    only_honest(sender)
    assert await router.stop() == 0


async def test_a_limit_on_the_size_of_files_is_a_full_disk(
    tmp_path: Path, machine: Callable[..., Machine], sink: Destination
) -> None:
    """EFBIG instead of ENOSPC: the same answers, and the same way back when the limit is raised."""
    disk = tmp_path / "disk"
    router = machine(disk, to(sink))
    router.tool = ["sh", "-c", 'ulimit -S -f 1600; exec "$@"', "sh"]
    await router.start()
    sender = Sender(router, 8000)
    await sender.send(150)
    assert sender.refused
    resource.prlimit(router.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await once_there_is_room(sender)
    await arrived(sink, sender)

    only_honest(sender)
    assert len(sink.ids) == len(set(sink.ids)) == len(sender.acknowledged)
    await written_down(router, sender)


@pytest.mark.parametrize("number", SYNCS)
async def test_after_a_failed_sync_nothing_is_acknowledged_and_the_process_ends(
    strace: str, tmp_path: Path, machine: Callable[..., Machine], sink: Destination, number: int
) -> None:
    """Though the next sync would succeed; the next process checks the file and serves it."""
    router = machine(tmp_path / "disk", to(sink))
    router.tool = ["strace", "-f", "--seccomp-bpf", "-o", str(tmp_path / "trace"), "-e", "trace=fdatasync",
                   "-e", f"inject=fdatasync:error=EIO:when={number}"]  # fmt: skip
    router.launch()
    sender = Sender(router)
    statuses = await until_it_ends(router, sender)

    assert await gone(router, LIMIT) == 1
    # Sixteen at once: answers that were under way may overtake one another, nothing else.
    first = statuses.index(503) if 503 in statuses else len(statuses)
    assert 202 not in statuses[first + 16 :]
    only_honest_or_cut(sender)
    assert "a sync failed" in (router.disk / "journal.db.lock").read_text()
    router.tool = ()
    await router.start()
    assert await sender.send(5) == [202] * 5
    await arrived(sink, sender)
    # Delivered by the first process, which could not write it down any more.
    await written_down(router, sender, State.PENDING)


async def until_it_ends(router: Machine, sender: Sender) -> list[int]:
    """Post, sixteen at a time, until nobody answers; returns the statuses."""
    statuses: list[int] = []
    assert router.process is not None
    async with asyncio.timeout(LIMIT):
        while router.process.poll() is None:
            statuses += await sender.send(16)
    return [status for status in statuses if status]


def only_honest_or_cut(sender: Sender) -> None:
    """Every answer there was is a 202 or a 503 that says when to come again."""
    sender.unanswered = 0
    only_honest(sender)


@pytest.mark.parametrize("number", WRITES)
async def test_a_failed_write_is_a_503_and_no_end(
    strace: str, tmp_path: Path, machine: Callable[..., Machine], sink: Destination, number: int
) -> None:
    """Whatever it strikes, opening included: nothing acknowledged is lost, and it goes on by itself."""
    router = machine(tmp_path / "disk", to(sink))
    router.tool = ["strace", "-f", "--seccomp-bpf", "-o", str(tmp_path / "trace"), "-e", "trace=pwrite64",
                   "-e", f"inject=pwrite64:error=EIO:when={number}"]  # fmt: skip
    await router.start()
    sender = Sender(router)
    await sender.send(60)
    await once_there_is_room(sender)
    await arrived(sink, sender)

    only_honest(sender)
    assert "EIO" in (tmp_path / "trace").read_text()
    assert len(sink.ids) == len(set(sink.ids)) == len(sender.acknowledged)
    await written_down(router, sender)
