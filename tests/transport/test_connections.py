"""How connections are made, how long they are kept, and which is taken first."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trustme
from aiohttp.abc import ResolveResult

from router.errors import Unreachable
from router.sinks.sink import Request, Sink
from router.transport.transport import Lanes
from router.units import Duration, Network
from tests.transport.servers import OK, Names, Peer, Talk

Listening = Callable[[Peer], Awaitable[Peer]]
Post = Callable[..., Request]
SINK = Sink(name="peer", timeout=Duration(10))
LOOPBACK = (Network.parse("127.0.0.0/8"),)
NAMED = Sink(name="named", timeout=Duration(10), allow_networks=LOOPBACK)


async def test_a_connection_that_lies_idle_is_closed(listening: Listening, post: Post) -> None:
    """A server, or a firewall between, would forget it sooner or later; and each costs both sides memory."""
    first, other = await listening(Peer(staying)), await listening(Peer(staying))
    faults: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))

    async with Lanes(idle=0.05) as transports:
        for peer in (first, other, first):
            await transports.lane(SINK).send(post(peer.url()))
        for peer in (first, other):
            await asyncio.wait_for(peer.closed.wait(), 5)

        assert (await transports.lane(SINK).send(post(first.url()))).status == 200
    assert faults == []


async def test_the_connection_used_last_is_used_next(
    transports: Lanes, listening: Listening, post: Post
) -> None:
    """So that those not needed grow old, and the others stay warm."""
    together = asyncio.Barrier(3)
    served: list[int] = []

    async def numbered(talk: Talk) -> None:
        number = peer.connections
        await talk.hear()
        await together.wait()
        await talk.say(OK)
        while True:
            await talk.hear()
            served.append(number)
            await talk.say(OK)

    peer = await listening(Peer(numbered))
    lane = transports.lane(SINK)
    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(lane.send(post(peer.url())))

    for _ in range(5):
        await lane.send(post(peer.url()))

    assert peer.connections == 3
    assert len(set(served)) == 1


async def test_the_idle_connections_of_a_sink_that_is_removed_do_not_wait_for_its_busy_ones(
    transports: Lanes, listening: Listening, post: Post
) -> None:
    """And the busy one is closed after its answer."""
    go = asyncio.Event()

    async def slowly(talk: Talk) -> None:
        await talk.hear()
        await go.wait()
        await talk.say(OK)
        await talk.gone()

    idle, busy = await listening(Peer(staying)), await listening(Peer(slowly))
    lane = transports.lane(SINK)
    await lane.send(post(idle.url()))
    async with asyncio.TaskGroup() as group:
        sending = group.create_task(lane.send(post(busy.url())))
        await busy.opened.wait()
        await transports.retain({})
        await asyncio.wait_for(idle.closed.wait(), 5)
        assert not sending.done()
        go.set()

    assert sending.result().status == 200
    await asyncio.wait_for(busy.closed.wait(), 5)


async def test_many_urls_of_one_host_share_a_connection(
    transports: Lanes, listening: Listening, post: Post
) -> None:
    """However many there are."""
    peer = await listening(Peer())

    for number in range(200):
        await transports.lane(SINK).send(post(peer.url(f"/{number}")))

    assert [one.line for one in peer.requests] == [f"POST /{number} HTTP/1.1" for number in range(200)]
    assert peer.connections == 1


async def test_a_name_is_looked_up_once_for_those_who_connect_at_the_same_time(
    listening: Listening, post: Post
) -> None:
    """A burst after a pause must not fill the threads that look names up; and if one leaves, another asks."""
    peer = await listening(Peer())
    names = Slow("127.0.0.1")

    async with Lanes(names) as transports:
        lane = transports.lane(NAMED)
        async with asyncio.TaskGroup() as group:
            sends = [group.create_task(lane.send(post(peer.url(host="sink.example")))) for _ in range(5)]
            await names.questions.get()
            sends[0].cancel()
            await names.questions.get()
            names.go.set()

    assert [one.cancelled() or one.result().status for one in sends] == [True, 200, 200, 200, 200]
    assert names.asked == 2


async def test_a_name_without_an_address_is_unreachable(post: Post) -> None:
    """An empty answer is none."""
    async with Lanes(Names()) as transports:
        with pytest.raises(Unreachable) as error:
            await transports.lane(NAMED).send(post("http://sink.example/"))

    assert error.value.reason == "could not resolve the host name"


async def test_of_several_addresses_one_that_fails_the_handshake_leaves_the_others(
    post: Post, tmp_path: Path
) -> None:
    """One of two balancers may be broken."""
    authority = trustme.CA()
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("sink.example").configure_cert(server)
    sink = Sink(name="tls", timeout=Duration(10), allow_networks=LOOPBACK, ca=str(path))

    async with Peer(tls=server) as peer, Lanes(Names("127.0.0.2", "127.0.0.1")) as transports:
        broken = socket.create_server(("127.0.0.2", peer.port))
        async with await asyncio.start_server(lambda _, writer: writer.close(), sock=broken):
            request = post(peer.url(host="sink.example.", scheme="https"))
            reply = await transports.lane(sink).send(request)

    assert reply.status == 200
    assert peer.requests[0].header("Host") == [f"sink.example:{peer.port}"]


async def staying(talk: Talk) -> None:
    """Answer everything, and note when the client has left."""
    try:
        while True:
            await talk.hear()
            await talk.say(OK)
    finally:
        talk.left()


class Slow(Names):
    """A resolver that answers when it is told to."""

    def __init__(self, *addresses: str) -> None:
        super().__init__(*addresses)
        self.questions: asyncio.Queue[str] = asyncio.Queue()
        self.go = asyncio.Event()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """What the name leads to."""
        found = await super().resolve(host, port, family)
        self.questions.put_nowait(host)
        await self.go.wait()
        return found
