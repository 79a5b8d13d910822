"""More than the daemon can take: it stays small, says so, keeps its word, and is well again afterwards."""

import asyncio
import itertools
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress

import pytest

from tests.hostile.answers import read_all
from tests.hostile.level import level, long_only
from tests.hostile.onlooker import HEALTH, onlooker
from tests.hostile.senders import BODY, ask, post
from tests.hostile.target import RSS_LIMIT, Target
from tests.process.harness import percy_headers

SENDERS = level(120, 1000)
MEGABYTE = 1 << 20
# Seconds of the measured overload.
OVERLOAD = int(os.environ.get("OVERLOAD", "60"))

CONFIG = """
sources:
  web: {type: chromatic, unsigned: true}
  other: {type: happo, unsigned: true}
sinks:
  out: {type: log}
rules:
  - {name: everything, to: out, message: "n={{ build }}"}
"""
RATED = """
sources:
  signed: {type: percy, secret: "env:PERCY", rate: 5/h}
  calm: {type: percy, secret: "env:PERCY"}
sinks:
  out: {type: log}
rules:
  - {name: everything, to: out, message: "n={{ source }}"}
"""


def large(number: int) -> bytes:
    """An event of exactly the largest size that is taken."""
    body = BODY % number
    return body[:-1] + b', "padding": "' + b"x" * (MEGABYTE - len(body) - 15) + b'"}'


async def almost(port: int, number: int, all_there: asyncio.Barrier) -> int:
    """Send a large event but for its last byte; that one when everybody came as far, or was answered.

    Returns the status of the answer; 0: the connection broke without one.
    """
    data = post("/hooks/web", large(number))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data[:-1])
    try:
        async with asyncio.TaskGroup() as tasks:
            sent = tasks.create_task(as_far_as_it_goes(writer))
            answered = tasks.create_task(status_of(reader))
            await asyncio.wait([sent, answered], return_when=asyncio.FIRST_COMPLETED)
            await all_there.wait()
            if not answered.done():
                writer.write(data[-1:])
        return answered.result()
    finally:
        writer.transport.abort()


async def as_far_as_it_goes(writer: asyncio.StreamWriter) -> None:
    """Return when all is on its way, or nobody takes it any more."""
    with suppress(ConnectionError):
        await writer.drain()


async def status_of(reader: asyncio.StreamReader) -> int:
    """The status of the one answer, read as soon as it is there: all of them end in a brace."""
    try:
        (answer,) = read_all(await reader.readuntil(b"}"))
    except (ConnectionError, asyncio.IncompleteReadError):
        return 0
    return answer.status


async def written(daemon: Target, count: int) -> Counter[str]:
    """The lines of the sink, once there are that many."""
    async with asyncio.timeout(30):
        while len(lines := daemon.output.splitlines()) < count:
            await daemon.metrics()
    return Counter(line.rpartition("n=")[2] for line in lines)


async def hammering(port: int, number: "itertools.count[int]", until: float) -> Counter[int]:
    """Post large events one after the other, hearing answers while sending; how often it was told what."""
    statuses: Counter[int] = Counter()
    while time.monotonic() < until:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post("/hooks/web", large(next(number))))
        statuses[await status_of(reader)] += 1
        writer.transport.abort()
    return statuses


@long_only
@pytest.mark.timeout(OVERLOAD * 2 + 120)
async def test_a_well_behaved_sender_is_never_reset_under_overload(target: Callable[..., Target]) -> None:
    """Far more large events than can be taken: told are the times of refusals, of health, and of resets."""
    daemon = await target(CONFIG).start()
    numbers = itertools.count(10_000_000)
    body = large(10_000_000).replace(b"10000000", b"########")
    async with (
        onlooker(daemon.port, post("/hooks/other", body)) as sender,
        onlooker(f"{daemon.folder}/admin.sock", HEALTH) as health,
        asyncio.TaskGroup() as tasks,
    ):
        until = time.monotonic() + OVERLOAD
        crowd = [tasks.create_task(hammering(daemon.port, numbers, until)) for _ in range(200)]

    total = sum((task.result() for task in crowd), Counter[int]())
    print(f"{OVERLOAD} s, 200 connections: {dict(total)}, {daemon.peak >> 20} MiB")
    print(sender.table("a sender of 1 MiB"), health.table("health"), sep="\n")
    assert set(sender.statuses()) <= {202, 503}
    assert daemon.peak <= RSS_LIMIT, f"{daemon.peak >> 20} MiB"
    acknowledged = total[202] + sender.statuses()[202]
    events = sum(
        value for name, value in (await daemon.metrics()).items() if name.startswith("visual_router_events_")
    )
    assert events >= acknowledged
    assert await daemon.stop() == 0


@pytest.mark.timeout(120)
async def test_a_refusal_waits_for_nobody(target: Callable[..., Target]) -> None:
    """All room is taken by senders who never end: who comes then hears 503, unread, and is never reset."""
    daemon = await target(CONFIG, server="in_flight: 16MiB, body_timeout: 60s").start()
    body = large(10_000_000).replace(b"10000000", b"########")
    writers = []
    for number in range(16):
        _, writer = await asyncio.open_connection("127.0.0.1", daemon.port)
        writers.append(writer)
        writer.write(post("/hooks/web", large(number))[:-1])
        await writer.drain()
    try:
        async with asyncio.timeout(30):
            while (await daemon.metrics())["visual_router_body_bytes_in_flight"] < (16 << 20) - 16:
                pass
        async with onlooker(daemon.port, post("/hooks/web", body)) as sender:
            for number in range(level(20, 200)):
                assert await announced(daemon.port, number) == 503
    finally:
        for writer in writers:
            writer.transport.abort()

    print(sender.table("a sender of 1 MiB, no room"))
    assert set(sender.statuses()) <= {503}
    assert await daemon.stop() == 0


async def announced(port: int, number: int) -> int:
    """What the head of a large event is answered, of which nothing else comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(post("/hooks/web", large(number)).partition(b"{")[0])
    try:
        return await status_of(reader)
    finally:
        writer.transport.abort()


async def first_heard(readers: Sequence[asyncio.StreamReader]) -> set[int]:
    """What the first of these are answered."""
    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(status_of(reader)) for reader in readers]
        done, left = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in left:
            task.cancel()
    return {task.result() for task in done}


async def test_a_few_beginnings_keep_nobody_out(target: Callable[..., Target]) -> None:
    """Room is kept for the rest of what has begun, but not for who then falls silent."""
    daemon = await target(CONFIG, server="in_flight: 16MiB").start()
    began = [await asyncio.open_connection("127.0.0.1", daemon.port) for _ in range(16)]
    try:
        for number, (_, writer) in enumerate(began):
            writer.write(post("/hooks/web", large(number))[:9000])
        async with asyncio.timeout(30):
            while (await daemon.metrics())["visual_router_body_bytes_in_flight"] < 16 * 8500:
                pass
            statuses = [(await ask(daemon.port, post("/hooks/web", BODY % 900)))[0].status]
            while statuses[-1] != 202:
                statuses.append((await ask(daemon.port, post("/hooks/web", BODY % 900)))[0].status)
            heard = await first_heard([reader for reader, _ in began])
    finally:
        for _, writer in began:
            writer.transport.abort()

    print(f"{len(statuses) - 1} refused before the first was taken")
    assert set(statuses) <= {202, 503}
    # Not 408: it was not its time that was up.
    assert heard == {503}
    assert await daemon.stop() == 0


@pytest.mark.timeout(120)
async def test_memory_is_bounded_and_nothing_acknowledged_is_lost(target: Callable[..., Target]) -> None:
    """Twice the bytes that fit are in flight: the excess gets 503, the rest 202, and every 202 arrives."""
    # Nobody's time is up before everybody came as far: on a busy machine that takes its time.
    daemon = await target(CONFIG, server="body_timeout: 60s").start()
    all_there = asyncio.Barrier(SENDERS)

    async with asyncio.TaskGroup() as tasks:
        sent = [tasks.create_task(almost(daemon.port, number, all_there)) for number in range(1, SENDERS + 1)]

    statuses = Counter(task.result() for task in sent)
    acknowledged = [str(number) for number, task in enumerate(sent, 1) if task.result() == 202]
    print(f"{dict(statuses)} of {SENDERS}, {daemon.peak >> 20} MiB")
    assert set(statuses) <= {202, 503, 0}
    # A sender that goes on for two seconds without hearing its refusal is cut off.
    assert statuses[0] <= statuses[503]
    assert len(acknowledged) >= 32
    assert statuses[503]
    assert await written(daemon, len(acknowledged)) == Counter(acknowledged)
    assert daemon.peak <= RSS_LIMIT, f"{daemon.peak >> 20} MiB"

    after = [(await ask(daemon.port, post("/hooks/web", BODY % number)))[0] for number in range(900, 920)]

    assert [answer.status for answer in after] == [202] * 20
    assert (await daemon.metrics())["visual_router_body_bytes_in_flight"] == 0
    assert await daemon.stop() == 0


async def test_a_body_that_is_too_large_is_refused_before_it_is_read(target: Callable[..., Target]) -> None:
    """By its announced length at once, in chunks as soon as the limit is passed; memory stays as it was."""
    daemon = await target(CONFIG).start()
    before = daemon.peak
    head = post("/hooks/web", b"").replace(b"Content-Length: 0", b"Content-Length: %d" % (1 << 40))
    chunks = post("/hooks/web", b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    announced = await ask(daemon.port, head)

    reader, writer = await asyncio.open_connection("127.0.0.1", daemon.port)
    writer.write(chunks)
    try:
        for _ in range(64):
            writer.write(b"%x\r\n" % (MEGABYTE // 8) + b"x" * (MEGABYTE // 8) + b"\r\n")
            await writer.drain()
    except ConnectionError:
        pass  # it need not listen to the end
    streamed = read_all(await reader.read())
    writer.transport.abort()

    assert [answer.status for answer in announced] == [413]
    assert [answer.status for answer in streamed] == [413]
    assert daemon.peak - before <= 16 << 20
    assert await daemon.stop() == 0


async def test_a_stranger_cannot_use_up_the_rate_of_a_source(target: Callable[..., Target]) -> None:
    """Only what is verified counts; over the rate it is 429 with Retry-After, and no other source notices."""
    daemon = await target(RATED, {"PERCY": "secret-of-percy"}).start()

    def event(source: str, number: int, secret: str = "secret-of-percy") -> bytes:
        body = json.dumps({"data": {"id": str(number), "attributes": {"event": "ping"}}}).encode()
        (name, value), *_ = percy_headers(body, secret).items()
        return post(f"/hooks/{source}", body, f"{name}: {value}")

    async def statuses(source: str, numbers: range, secret: str = "secret-of-percy") -> list[int]:
        # That a 429 has its Retry-After is seen by who reads the answers.
        return [(await ask(daemon.port, event(source, n, secret)))[0].status for n in numbers]

    assert await statuses("signed", range(100), "a guess") == [401] * 100
    assert await statuses("signed", range(5)) == [202] * 5
    async with asyncio.TaskGroup() as tasks:
        noisy = [tasks.create_task(statuses("signed", range(n, n + 10))) for n in range(5, 55, 10)]
        calm = [tasks.create_task(statuses("calm", range(n, n + 10))) for n in range(0, 50, 10)]
    assert [task.result() for task in noisy] == [[429] * 10] * 5
    assert [task.result() for task in calm] == [[202] * 10] * 5
    assert await written(daemon, 55) == {"signed": 5, "calm": 50}
    assert await statuses("signed", range(5), "a guess") == [401] * 5
    assert await daemon.stop() == 0
