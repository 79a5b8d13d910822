"""One connection: its requests, its answers, its end, whatever the other side does."""

import asyncio
import gc
import socket
import weakref
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest

from router.server import connection
from router.server.connection import Connection
from router.server.edge import Edge
from router.server.face import Face
from router.server.request import Request
from router.server.sockets import bind
from router.server.wire import Reply
from tests.server.edge import BODY, OPEN, post, serving
from tests.server.hall import LOOPBACK, Hall, deaf, edge_of, hall
from tests.waiting import LIMIT, turns, until


async def test_a_bug_answers_500_and_ends_its_connection_alone() -> None:
    """The error is reported; the connection beside it does not notice."""
    async with hall() as here, here.wire() as other, here.wire() as wire:
        await other.send(post("/x"))
        assert (await other.reply()).status == 202
        await wire.send(post("/bug") + post("/x"))
        reply = await wire.reply()

        assert (reply.status, reply.body) == (500, b'{"error": "internal error"}')
        assert reply.headers["Connection"] == "close"
        assert await wire.closed()
        assert here.failures == [(500, KeyError)]
        await other.send(post("/x"))
        assert (await other.reply()).status == 202
    assert here.asked == ["/x", "/bug", "/x"]


async def test_every_answer_says_when() -> None:
    """As RFC 9110 asks of who has a clock."""
    async with hall() as here, here.wire() as wire:
        await wire.send(post("/x"))
        reply = await wire.reply()

        assert list(reply.headers) == ["Server", "Content-Type", "Content-Length", "Date"]
        assert reply.headers["Date"].endswith(" GMT")


@pytest.mark.parametrize(
    ("version", "wish", "answer"),
    [
        (b"1.1", None, None),
        (b"1.1", "close", "close"),
        (b"1.0", None, "close"),
        (b"1.0", "keep-alive", "keep-alive"),
    ],
)
async def test_a_connection_lasts_as_long_as_its_client_wishes(
    version: bytes, wish: str | None, answer: str | None
) -> None:
    """HTTP/1.1 stays unless told to close, HTTP/1.0 closes unless asked to stay."""
    headers = {} if wish is None else {"Connection": wish}
    request = post("/x", headers=headers).replace(b"HTTP/1.1", b"HTTP/" + version)
    async with hall() as here, here.wire() as wire:
        await wire.send(request)
        reply = await wire.reply()

        assert reply.headers.get("Connection") == answer
        if answer == "close":
            assert await wire.closed()
        else:
            await wire.send(request)
            assert (await wire.reply()).status == 202


async def test_the_answer_to_head_has_no_body() -> None:
    """Its length is told all the same; what follows is the next answer."""
    async with serving(OPEN) as stage, stage.wire() as wire:
        await wire.send(b"HEAD /hooks/open HTTP/1.1\r\nHost: x\r\n\r\n" + post("/hooks/open"))
        head = (await wire.reader.readuntil(b"\r\n\r\n")).decode()
        reply = await wire.reply()

        assert head.startswith("HTTP/1.1 405 Method Not Allowed\r\n")
        assert "Content-Length: 31\r\n" in head
        assert reply.status == 202


async def test_a_client_that_takes_no_answer_is_asked_nothing_more() -> None:
    """While its answers do not leave, its next requests wait."""
    async with hall() as here, here.wire() as wire:
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a transport reads
        await wire.send(post("/large") * 8)
        await until(lambda: bool(here.asked))
        await turns(200)
        before = len(here.asked)
        wire.writer.transport.resume_reading()  # type: ignore[attr-defined]  # a transport reads
        replies = [await wire.reply() for _ in range(8)]

        assert before < 8
        assert [len(reply.body) for reply in replies] == [4 << 20] * 8


async def test_a_client_that_takes_its_answers_in_drips_is_cut_off() -> None:
    """What it is owed keeps its place and what it sent ahead: nobody may keep those for ever."""
    here, (sock,) = Hall(), bind(LOOPBACK)
    here.gate.clear()
    async with edge_of(here, sock) as edge, deaf(sock, post("/large") * 8):
        await until(lambda: bool(here.asked))
        edge.idle = 0.01
        here.gate.set()
        await edge.emptied()
        await until(lambda: not edge.open)

        assert len(here.asked) < 8


async def test_a_client_that_leaves_before_its_answers_frees_its_place() -> None:
    """At once: nobody waits for what can no longer be taken."""
    here, (sock,) = Hall(), bind(LOOPBACK)
    async with edge_of(here, sock) as edge:
        async with deaf(sock, post("/large") * 8):
            await until(lambda: bool(here.asked))
            await turns(200)
        async with asyncio.timeout(LIMIT / 2):
            await edge.emptied()

        assert len(here.asked) < 8
        assert here.failures == []


async def test_a_client_that_takes_its_last_answer_in_drips_is_cut_off() -> None:
    """Also one so small that nobody waited for it to leave."""
    here, (sock,) = Hall(), bind(LOOPBACK)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 12)
    here.gate.clear()
    async with edge_of(here, sock) as edge, deaf(sock, post("/small", headers={"Connection": "close"})):
        await until(lambda: bool(here.asked))
        edge.idle = 0.01
        here.gate.set()
        await edge.emptied()
        await until(lambda: not edge.open)


async def test_the_rest_of_a_refused_body_is_read_before_the_end() -> None:
    """Else its sender would see a reset instead of the answer."""
    async with hall() as here, here.wire() as wire:
        await wire.send(post("/refused", b"", {"Content-Length": str(8 << 20)}))
        await wire.send(b"x" * (8 << 20))
        reply = await wire.reply()

        assert (reply.status, reply.headers["Connection"]) == (413, "close")
        assert await wire.closed()


@pytest.mark.parametrize("junk", [b"junk\r\n\r\n", post("/x").replace(b"HTTP/1.1", b"HTTP/9.9")])
async def test_what_is_said_behind_broken_http_is_read_before_the_end(junk: bytes) -> None:
    """Whoever sends on sees the 400, not a reset."""
    async with hall() as here, here.wire() as wire:
        await wire.send(junk + bytes(8 << 20))
        reply = await wire.reply()

        assert (reply.status, reply.headers["Connection"]) == (400, "close")
        assert await wire.closed()


async def test_a_refused_client_that_is_not_done_sees_the_end_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It need not send the rest to learn that nothing else comes; what it sends nevertheless is dropped."""
    monkeypatch.setattr(connection, "LINGER", 600.0)
    async with hall() as here:
        async with here.wire() as wire:
            await wire.send(post("/refused", b"", {"Content-Length": str(8 << 20)}))

            assert (await wire.reply()).status == 413
            assert await wire.closed()
            await wire.send(b"x" * (8 << 20))
            await wire.send(post("/x"))
        await here.listener.drain(0.0)

        assert here.asked == ["/refused"]


async def test_a_refused_client_that_does_not_leave_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever neither listens nor ends takes up a connection for a while only."""
    monkeypatch.setattr(connection, "LINGER", 0.01)
    async with hall() as here, here.wire() as wire:
        await wire.send(post("/refused", b"", {"Content-Length": str(8 << 20)}))

        await until(lambda: bool(here.asked))
        await here.listener.drain(0.0)


async def test_what_a_client_sent_before_it_broke_off_is_answered_first() -> None:
    """The broken request behind it gets its 400 in its turn."""
    async with hall() as here, here.wire() as wire:
        here.gate.clear()
        await wire.send(post("/x"))
        await until(lambda: bool(here.asked))
        await wire.send(b"junk\r\n\r\n")
        await wire.send(post("/y"))
        here.gate.set()
        replies = [await wire.reply(), await wire.reply()]

        assert [reply.status for reply in replies] == [202, 400]
        assert await wire.closed()
        assert here.asked == ["/x"]
        assert [status for status, _ in here.failures] == [400]


async def test_a_client_that_left_is_answered_for_nobody() -> None:
    """What was begun comes to its end; what waited behind it is not begun."""
    async with hall() as here, here.wire() as wire:
        here.gate.clear()
        await wire.send(post("/x") + post("/y"))
        await until(lambda: bool(here.asked))
        wire.writer.transport.abort()
        drained = asyncio.Event()

        async def drain() -> None:
            await here.listener.drain(0.0)
            drained.set()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(drain())
            await turns(20)
            assert not drained.is_set()
            here.gate.set()

        assert here.asked == ["/x"]
        assert here.failures == []


async def test_an_upgrade_is_the_last_request() -> None:
    """What comes behind it is no HTTP: it is answered, and the connection ends."""
    headers = {"Connection": "Upgrade", "Upgrade": "websocket"}
    async with hall() as here, here.wire() as wire:
        await wire.send(post("/x", BODY, headers) + b"\x81\x05hello")
        reply = await wire.reply()

        assert reply.status == 202
        assert await wire.closed()
        assert here.failures == []


async def test_a_listener_that_ends_cuts_what_hangs() -> None:
    """An answer that never comes does not hold up the end, nor does its client wait on."""
    async with AsyncExitStack() as stack:
        async with hall() as here:
            wire = await stack.enter_async_context(here.wire())
            here.gate.clear()
            await wire.send(post("/x"))
            await until(lambda: bool(here.asked))

        async with asyncio.timeout(LIMIT):
            assert await wire.closed()


LIVES = {
    "kept": post("/x"),
    "closed": post("/x", headers={"Connection": "close"}),
    "refused": post("/refused", b"x" * 100_000, {"Content-Length": "1000000"}),
    "broken": b"junk\r\n\r\n",
    "never complete": b"POST /x HTTP/1.1\r\n",
    "upgraded": post("/x", headers={"Connection": "Upgrade", "Upgrade": "h2c"}),
}


@pytest.mark.parametrize("said", LIVES.values(), ids=LIVES)
async def test_a_connection_that_ended_needs_no_search_for_cycles(said: bytes) -> None:
    """Under a flood of short connections the dead ones would be most of the memory."""
    here, (sock,), (near, far) = Hall(), bind(LOOPBACK), socket.socketpair()
    loop = asyncio.get_running_loop()
    gc.disable()
    try:
        async with edge_of(here, sock) as edge:
            alive = await taken_up(edge, here, near)
            with far:
                far.setblocking(False)
                await loop.sock_sendall(far, said)
                if said is not LIVES["never complete"]:
                    await loop.sock_recv(far, 1000)
            await until(lambda: not edge.open)
            await until(lambda: alive() is None)
    finally:
        gc.enable()


async def taken_up(edge: Edge, here: Hall, sock: socket.socket) -> Callable[[], object]:
    """Have a connection that nobody here holds: what it answers with is gone when it is."""

    async def answer(request: Request) -> Reply:
        return await here.answer(request)

    def accept() -> Face:
        return Face(Connection(edge, answer))

    await asyncio.get_running_loop().connect_accepted_socket(accept, sock)
    return weakref.ref(answer)


async def test_a_client_that_left_in_its_body_leaves_no_cycle_either() -> None:
    """The error that says so knows who was reading, and what was read knows the error."""

    def alive() -> list[object]:
        return [each for each in gc.get_objects() if type(each) in (Connection, Request)]

    async with serving(OPEN) as stage:
        gc.disable()
        try:
            others = alive()
            async with stage.wire() as wire:
                await wire.send(post("/hooks/open", b"{", {"Content-Length": "1000"}))
                await until(lambda: len(alive()) > len(others) + 1)
            await until(lambda: stage.counted("open", 499) == 1)
            await turns()
            assert not [each for each in alive() if not any(each is other for other in others)]
        finally:
            gc.enable()
