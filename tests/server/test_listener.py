"""Listener: how many connections it takes, and how they end without losing a request."""

import asyncio
import socket
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest
from anyio.lowlevel import checkpoint

from router.server import edge
from router.server.listener import Listener
from router.server.request import Request
from router.server.settings import ServerSettings
from router.server.sockets import bind, shown
from router.server.wire import Reply, refusal
from router.units import Listen
from tests.server.edge import BODY, OPEN, Wire, post, serving
from tests.waiting import LIMIT

LOOPBACK = Listen(host="127.0.0.1", port=0)


async def not_found(request: Request) -> Reply:
    """An answer."""
    return refusal(404)


def nothing(status: int, peer: object, error: BaseException | None) -> None:
    """Does not count."""


def address(listener: Listener) -> tuple[str, int]:
    """Where it listens."""
    host, _, port = listener.addresses[0].removeprefix("http://").rpartition(":")
    return host, int(port)


async def test_a_unix_socket_goes_with_its_server(tmp_path: Path) -> None:
    """A stopped daemon leaves no file behind."""
    path = tmp_path / "public.sock"
    async with serving(OPEN, settings=ServerSettings(listen=Listen(path=str(path)))):
        assert path.is_socket()

    assert not path.exists()


async def test_connections_have_a_bound() -> None:
    """One more gets a 503 at once; the others, and whoever comes when one has gone, get answers."""
    failures: list[tuple[int, object]] = []

    def failed(status: int, peer: object, error: BaseException | None) -> None:
        failures.append((status, error))

    listener = Listener(not_found, failed, most=2)
    async with listener.listening(LOOPBACK), AsyncExitStack() as stack:
        wires = []
        for _ in range(3):
            wire = Wire(*await asyncio.open_connection(*address(listener)))
            stack.callback(wire.close)
            wires.append(wire)
        refused = await wires[2].reply()
        await wires[0].send(post("/x"))

        assert (refused.status, refused.body) == (503, b'{"error": "try again later"}')
        assert (refused.headers["Retry-After"], refused.headers["Connection"]) == ("1", "close")
        assert await wires[2].closed()
        assert (await wires[0].reply()).status == 404
        assert failures == [(503, None)]

        await wires[0].send(post("/x", headers={"Connection": "close"}))
        await wires[0].reply()
        assert await wires[0].closed()
        again = Wire(*await asyncio.open_connection(*address(listener)))
        stack.callback(again.close)
        await again.send(post("/x"))

        assert (await again.reply()).status == 404


def sent_before_it_is_read(where: tuple[str, int], request: bytes) -> bytes:
    """What a sender hears that listens only after it has said everything."""
    with socket.create_connection(where, 30) as sock:
        sock.sendall(request)
        return sock.recv(12)


async def lost(wire: Wire) -> None:
    """Return once the other side takes nothing any more: to have said its last word is not to be gone."""
    async with asyncio.timeout(LIMIT):
        with suppress(ConnectionError):
            while True:
                await wire.send(b"x")
                await checkpoint()


async def test_who_is_turned_away_may_finish_before_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its 503 is there after it sent everything: no reset takes the answer away; beyond a bound it may."""
    monkeypatch.setattr(edge, "LINGER", 600.0)
    request = post("/x", b"x" * (4 << 20))
    listener = Listener(not_found, nothing, most=2)
    async with listener.listening(LOOPBACK), AsyncExitStack() as stack:
        for _ in range(2):
            stack.callback(Wire(*await asyncio.open_connection(*address(listener))).close)

        heard = await asyncio.to_thread(sent_before_it_is_read, address(listener), request)

        assert heard == b"HTTP/1.1 503"


async def test_who_is_turned_away_beyond_all_bounds_is_answered_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who linger are bounded themselves; who reads at once hears its 503 all the same."""
    monkeypatch.setattr(edge, "LINGER", 600.0)
    listener = Listener(not_found, nothing, most=2)
    async with listener.listening(LOOPBACK), AsyncExitStack() as stack:
        wires = []
        for _ in range(5):
            wires.append(Wire(*await asyncio.open_connection(*address(listener))))
            stack.callback(wires[-1].close)

        assert [(await each.reply()).status for each in wires[2:]] == [503] * 3
        await lost(wires[4])


@pytest.mark.parametrize("sent", [b"", b"POST", b"POST /x HTTP/1.1\r\nHost: x\r\nX:"])
async def test_a_connection_that_sends_no_whole_head_is_closed(sent: bytes) -> None:
    """Waiting costs a stranger as much as us: idle, in the request line, in the headers."""
    listener = Listener(not_found, nothing, idle=0.05)
    async with listener.listening(LOOPBACK):
        for before in (b"", post("/x")):
            wire = Wire(*await asyncio.open_connection(*address(listener)))
            await wire.send(before + sent)
            if before:
                assert (await wire.reply()).status == 404
            assert await wire.closed()
            wire.close()


async def test_a_request_on_the_wire_is_answered_while_draining() -> None:
    """Under way in every stage: being committed, half sent, sent over an idle connection just now."""
    async with serving(OPEN) as stage, stage.wire() as idle, stage.wire() as half, stage.wire() as whole:
        await idle.send(post("/hooks/open"))
        assert "Connection" not in (await idle.reply()).headers
        stage.inbox.gate = asyncio.Event()
        stage.inbox.asked.clear()
        await half.send(post("/hooks/open")[:-5])
        await whole.send(post("/hooks/open"))
        await stage.inbox.asked.wait()
        async with asyncio.TaskGroup() as tasks:
            drained = tasks.create_task(stage.server.drain())
            await checkpoint()
            await idle.send(post("/hooks/open"))
            await half.send(BODY[-5:])
            stage.inbox.gate.set()
            for wire in (idle, half, whole):
                reply = await wire.reply()
                assert (reply.status, reply.headers["Connection"]) == (202, "close")
                assert await wire.closed()
            await drained


async def test_draining_ends_when_idle_connections_stay_idle() -> None:
    """They get some time, and then they are closed."""
    async with serving(OPEN) as stage, stage.wire() as wire:
        await wire.send(post("/hooks/open"))
        await wire.reply()

        await stage.server.drain(patience=0.01)

        assert await wire.closed()


async def test_an_idle_connection_has_some_time_for_what_is_under_way() -> None:
    """What its client wrote before it could know of the end is answered, however late it arrives."""
    async with serving(OPEN) as stage, stage.wire() as wire:
        await wire.send(post("/hooks/open"))
        await wire.reply()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(stage.server.drain(patience=60))
            for _ in range(20):
                await checkpoint()
            await wire.send(post("/hooks/open"))

            reply = await wire.reply()
            assert (reply.status, reply.headers["Connection"]) == (202, "close")


async def test_a_body_half_sent_may_end_after_the_patience_with_idle_ones() -> None:
    """Only connections without a request are closed early."""
    async with serving(OPEN) as stage, stage.wire() as wire, stage.wire() as idle:
        await idle.send(post("/hooks/open"))
        await idle.reply()
        await wire.send(
            post("/hooks/open", b"", {"Expect": "100-continue", "Content-Length": str(len(BODY))})
        )
        assert (await wire.reply()).status == 100
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(stage.server.drain(patience=0))
            assert await idle.closed()
            await wire.send(BODY)

            assert (await wire.reply()).status == 202


async def test_who_connects_while_draining_waits_for_the_next_process() -> None:
    """A socket that was handed in stays open in the kernel: not one connection is refused."""
    (held,) = bind(LOOPBACK)
    with held:
        async with serving(OPEN, sockets=[held.dup()]) as stage:
            await stage.server.drain()
            reader, writer = await asyncio.open_connection(*held.getsockname())
            wire = Wire(reader, writer)
            await wire.send(post("/hooks/open"))
        async with serving(OPEN, sockets=[held.dup()]) as heir:
            assert (await wire.reply()).status == 202
            assert len(heir.inbox.events) == 1
        assert stage.inbox.events == []
        wire.close()


async def test_who_connects_while_its_own_socket_drains_is_refused() -> None:
    """At once, so that a load balancer, or whoever asks again, goes elsewhere: no next process answers."""
    async with serving(OPEN) as stage:
        await stage.server.drain()

        with pytest.raises(ConnectionRefusedError):
            async with stage.wire():
                pass


@pytest.mark.parametrize("turns", range(6))
async def test_who_connects_just_as_the_end_begins_is_answered(turns: int) -> None:
    """By this process, or by the next: also who is being accepted in that very turn of the loop."""
    (held,) = bind(LOOPBACK)
    with held, socket.socket() as client:
        async with serving(OPEN, sockets=[held.dup()]) as stage:
            client.connect(held.getsockname())
            client.sendall(post("/hooks/open"))
            for _ in range(turns):
                await checkpoint()
            await stage.server.drain()
        async with serving(OPEN, sockets=[held.dup()]):
            wire = Wire(*await asyncio.open_connection(sock=client.dup()))
            assert (await wire.reply()).status == 202
            wire.close()


async def test_who_was_not_accepted_yet_when_the_end_began_is_answered() -> None:
    """Its connection stands and its request is sent: to close the socket would reset it."""
    async with serving(OPEN) as stage, AsyncExitStack() as stack:
        clients = [
            stack.enter_context(socket.create_connection(("127.0.0.1", stage.port))) for _ in range(40)
        ]
        for client in clients:
            client.sendall(post("/hooks/open"))
        await stage.server.drain()

        for client in clients:
            wire = Wire(*await asyncio.open_connection(sock=client.dup()))
            assert (await wire.reply()).status == 202
            wire.close()


async def test_several_sockets_are_one_server() -> None:
    """Handed in or bound: each is answered, each is shown."""
    sockets = [bind(LOOPBACK)[0], bind(LOOPBACK)[0]]
    listener = Listener(not_found, nothing)
    async with listener.listening(Listen(path="/never/bound"), sockets):
        assert listener.addresses == tuple(shown(each) for each in sockets)
        for each in sockets:
            wire = Wire(*await asyncio.open_connection(*each.getsockname()))
            await wire.send(post("/x"))
            assert (await wire.reply()).status == 404
            wire.close()


async def test_a_server_that_never_listened_is_drained() -> None:
    """Nothing is open, nothing is waited for."""
    await Listener(not_found, nothing).drain()
