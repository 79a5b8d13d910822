"""Reading: what a connection reads at once and ahead, how large a head is, and bodies one behind another."""

import asyncio
import socket

import pytest
from anyio.lowlevel import checkpoint

from router.server.connection import Connection
from router.server.edge import READ
from router.server.face import Face
from router.server.sockets import bind
from router.server.wire import AHEAD
from tests.server.edge import BODY, Wire, post
from tests.server.hall import LOOPBACK, Hall, edge_of, hall
from tests.waiting import turns, until

LINE = b"X: " + b"x" * 8000 + b"\r\n"


async def test_what_is_read_at_once_has_a_bound() -> None:
    """However much has come, and whatever a loop would read by itself."""
    async with hall() as here, here.wire() as wire:
        here.gate.clear()
        wire.writer.write(post("/metered", b"x" * (1 << 20)))
        await until(lambda: here.asked == ["/metered"])
        # Until nothing more goes out: nobody takes it yet.
        await turns(200)
        here.gate.set()

        assert (await wire.reply()).status == 202
    assert sum(here.counts) == 1 << 20
    assert max(here.counts) <= READ


async def test_what_is_read_ahead_has_a_bound() -> None:
    """A client that sends on and on without an answer fills buffers of the kernel, not of ours."""
    async with hall() as here, here.wire() as wire:
        here.gate.clear()
        request = post("/x", b"x" * 50_000)

        async def send() -> None:
            for _ in range(2000):
                await wire.send(request)

        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(send())
            await until(lambda: bool(here.asked))
            await turns(2000)
            assert not sending.done()
            assert len(here.asked) == 1
            here.gate.set()
            replies = [await wire.reply() for _ in range(AHEAD * 4)]
            sending.cancel()

        assert {reply.body for reply in replies} == {b"50000"}


LARGE = {
    "heads": post("/x", BODY, {f"X-{number}": "x" * 8000 for number in range(3)}),
    "heads alone": b"GET /x HTTP/1.1\r\nHost: x\r\n" + LINE * 3 + b"\r\n",
    "bodies": post("/x", b"x" * 24_000),
}


@pytest.mark.parametrize("kind", LARGE)
async def test_what_is_read_ahead_has_a_bound_in_bytes_too(kind: str) -> None:
    """Few, but large: a few hundred connections may do so at once."""
    here, (sock,) = Hall(), bind(LOOPBACK)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 12)
    here.gate.clear()
    async with edge_of(here, sock), asyncio.TaskGroup() as tasks:
        wire = Wire(*await asyncio.open_connection(*sock.getsockname()))
        wire.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 12)
        wire.writer.transport.set_write_buffer_limits(0)
        sending = tasks.create_task(wire.send(LARGE[kind] * (AHEAD - 2)))
        await until(lambda: bool(here.asked))
        await turns(2000)
        assert not sending.done()
        here.gate.set()
        replies = [await wire.reply() for _ in range(AHEAD - 2)]
        wire.close()

        assert {reply.status for reply in replies} == {202}


async def test_requests_beyond_what_is_read_ahead_are_answered_too() -> None:
    """In order, however they are cut into segments."""
    count = AHEAD * 3 + 1
    data = b"".join(post(f"/{number}", b"x" * number) for number in range(count))
    async with hall() as here, here.wire() as wire:
        async with asyncio.TaskGroup() as tasks:

            async def send() -> None:
                for at in range(0, len(data), 777):
                    await wire.send(data[at : at + 777])
                    await checkpoint()

            tasks.create_task(send())
            bodies = [(await wire.reply()).body for _ in range(count)]

        assert bodies == [b"%d" % number for number in range(count)]
        assert here.asked == [f"/{number}" for number in range(count)]


async def test_a_head_has_a_limit_before_it_is_whole() -> None:
    """Its lines may each be within theirs: a few hundred such heads would be all the memory there is."""
    async with hall() as here, here.wire() as wire:
        await wire.send(post("/x"))
        assert (await wire.reply()).status == 202
        await wire.send(b"POST /y HTTP/1.1\r\nHost: x\r\n" + LINE * 4 + LINE[:1000])

        assert (await wire.reply()).status == 400
        assert await wire.closed()
        assert here.asked == ["/x"]
        assert [status for status, _ in here.failures] == [400]


async def test_large_heads_may_follow_one_another() -> None:
    """The limit holds for each, not for what a connection says in all."""
    heads = {f"X-{number}": "x" * 8000 for number in range(3)}
    async with hall() as here, here.wire() as wire:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(wire.send(post("/x", BODY, heads) * 20))
            replies = [await wire.reply() for _ in range(20)]

        assert {reply.body for reply in replies} == {b"%d" % len(BODY)}


CHUNKED = post("/x", b"", {"Transfer-Encoding": "chunked"})
LONG_BODIES = {
    "announced": (post("/x", b"x" * 300_000), b"300000"),
    "in small chunks": (CHUNKED + b"4\r\nabcd\r\n" * 20_000 + b"0\r\n\r\n", b"80000"),
    "in single bytes": (CHUNKED + b"1\r\na\r\n" * 20_000 + b"0\r\n\r\n", b"20000"),
}


@pytest.mark.parametrize("step", [777, 1 << 20])
async def test_long_bodies_may_follow_one_another(step: int) -> None:
    """Bodies are no framing, however often they come on one connection and however they are cut."""
    data = b"".join(request for request, _ in LONG_BODIES.values()) * 2
    async with hall() as here, here.wire() as wire:
        async with asyncio.TaskGroup() as tasks:

            async def send() -> None:
                for at in range(0, len(data), step):
                    await wire.send(data[at : at + step])

            tasks.create_task(send())
            bodies = [(await wire.reply()).body for _ in range(6)]

        assert bodies == [length for _, length in LONG_BODIES.values()] * 2


async def test_a_body_that_is_cut_while_it_is_read_leaves_its_reader_what_came() -> None:
    """To read makes room for what the parser held back, and the cut falls into that."""
    here, (sock,), (near, far) = Hall(), bind(LOOPBACK), socket.socketpair()
    here.limit = 160_000
    loop = asyncio.get_running_loop()
    far.setblocking(False)
    with far:
        async with edge_of(here, sock) as edge:
            face = Face(Connection(edge, here.answer))
            await loop.connect_accepted_socket(lambda: face, near)

            def say(data: bytes) -> None:
                face.get_buffer(-1)[: len(data)] = data
                face.buffer_updated(len(data))

            say(post("/metered", b"", {"Transfer-Encoding": "chunked"}))
            await until(lambda: bool(here.counts))
            # At once, so that nobody reads between: more than is buffered, of which some is held back.
            for _ in range(3):
                say(b"1f40\r\n%b\r\n" % (b"x" * 8000) * 8)

            assert (await loop.sock_recv(far, 100)).startswith(b"HTTP/1.1 202")
    assert sum(here.counts) > here.limit
    assert here.failures == []
