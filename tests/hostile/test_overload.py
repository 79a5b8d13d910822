"""More than the daemon can take: it stays small, says so, keeps its word, and is well again afterwards."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable

import pytest

from tests.hostile.answers import Answer, read_all
from tests.hostile.level import level
from tests.hostile.senders import BODY, ask, post
from tests.hostile.target import RSS_LIMIT, Target
from tests.process.harness import percy_headers

SENDERS = level(120, 1000)
MEGABYTE = 1 << 20

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
  signed: {type: percy, secret: "env:PERCY", rate: 5/m}
  calm: {type: percy, secret: "env:PERCY"}
sinks:
  out: {type: log}
rules:
  - {name: everything, to: out}
"""


def large(number: int) -> bytes:
    """An event of exactly the largest size that is taken."""
    body = BODY % number
    return body[:-1] + b', "padding": "' + b"x" * (MEGABYTE - len(body) - 15) + b'"}'


async def almost(port: int, number: int, all_there: asyncio.Barrier) -> list[Answer]:
    """Send a large event but for its last byte; that one when everybody came as far, or was refused."""
    data = post("/hooks/web", large(number))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    refused = b""
    try:
        writer.write(data[:-1])
        async with asyncio.TaskGroup() as tasks:
            sent = tasks.create_task(writer.drain())
            answered = tasks.create_task(reader.read(1))
            await asyncio.wait([sent, answered], return_when=asyncio.FIRST_COMPLETED)
            await all_there.wait()
            if not answered.done():
                writer.write(data[-1:])
            refused = await answered
        return read_all(refused + await reader.read())
    except ConnectionError:
        return read_all(refused)
    finally:
        writer.transport.abort()


async def written(daemon: Target, count: int) -> Counter[str]:
    """The lines of the sink, once there are that many."""
    async with asyncio.timeout(30):
        while len(lines := daemon.output.splitlines()) < count:
            await daemon.metrics()
    return Counter(line.rpartition("n=")[2] for line in lines)


@pytest.mark.timeout(120)
async def test_memory_is_bounded_and_nothing_acknowledged_is_lost(target: Callable[..., Target]) -> None:
    """Twice the bytes that fit are in flight: the excess gets 503, the rest 202, and every 202 arrives."""
    daemon = await target(CONFIG).start()
    all_there = asyncio.Barrier(SENDERS)

    async with asyncio.TaskGroup() as tasks:
        sent = [tasks.create_task(almost(daemon.port, number, all_there)) for number in range(1, SENDERS + 1)]

    answers = {number: task.result() for number, task in enumerate(sent, 1)}
    acknowledged = [str(number) for number, found in answers.items() if [a.status for a in found] == [202]]
    refused = [found for found in answers.values() if [a.status for a in found] == [503]]
    assert len(acknowledged) + len(refused) == SENDERS, answers
    assert len(acknowledged) >= 32
    assert refused
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
        return [(await ask(daemon.port, event(source, n, secret)))[0].status for n in numbers]

    assert await statuses("signed", range(100), "a guess") == [401] * 100
    assert await statuses("signed", range(5)) == [202] * 5
    assert await statuses("signed", range(5, 10)) == [429] * 5
    assert await statuses("calm", range(20)) == [202] * 20
    assert await statuses("signed", range(5), "a guess") == [401] * 5
    assert await daemon.stop() == 0
