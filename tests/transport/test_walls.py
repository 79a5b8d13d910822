"""Where a sink may lead: every connection is checked on its own address."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from ipaddress import ip_address

import pytest

from router.errors import ForbiddenAddress, Unreachable
from router.sinks.sink import Request, Sink
from router.transport.transport import Lanes
from router.units import Duration, Network
from tests.address_vectors import NEVER, SPECIAL
from tests.transport.servers import Names, Nowhere, Peer, saying_goodbye

Listening = Callable[[Peer], Awaitable[Peer]]
Post = Callable[..., Request]
LAST = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


def sink(*allowed: str) -> Sink:
    """A sink with these networks allowed."""
    return Sink(
        name="peer",
        timeout=Duration(5),
        allow_networks=tuple(Network.parse(text) for text in allowed),
    )


async def refusal(transports: Lanes, to: Sink, request: Request) -> str:
    """Why a request was refused."""
    with pytest.raises(ForbiddenAddress) as error:
        await transports.lane(to).send(request)
    return error.value.reason


@pytest.mark.parametrize(("text", "title"), (SPECIAL | NEVER).items())
async def test_a_name_that_leads_to_a_special_address_is_refused(
    text: str, title: str, post: Post, canary: Peer
) -> None:
    """Whatever the resolver says; the reason names the address and the setting."""
    async with Lanes(Names(text)) as transports:
        reason = await refusal(transports, sink(), post(canary.url(host="sink.example")))

    assert reason == f"'{ip_address(text)}' is {title}; list it in allow_networks"


@pytest.mark.parametrize(("text", "title"), NEVER.items())
async def test_a_literal_that_nobody_means_is_refused(
    text: str, title: str, transports: Lanes, post: Post, canary: Peer
) -> None:
    """A literal asks no resolver, and is checked all the same."""
    host = f"[{text}]" if ":" in text else text

    reason = await refusal(transports, sink(), post(canary.url(host=host)))

    assert reason == f"'{ip_address(text)}' is {title}; list it in allow_networks"


@pytest.mark.parametrize(
    "host", ["0x7f000001", "2130706433", "127.1", "0177.0.0.1", "127.0.0.1.", "%31%32%37.0.0.1"]
)
async def test_a_host_that_hides_an_address_is_refused(
    host: str, transports: Lanes, post: Post, canary: Peer
) -> None:
    """Also when it came out of a secret that the configuration check never saw."""
    assert host in await refusal(transports, sink("0.0.0.0/0"), post(canary.url(host=host)))


async def test_a_loopback_literal_and_localhost_are_the_operators_word(
    transports: Lanes, listening: Listening, post: Post
) -> None:
    """Many a sink runs on the same host."""
    peer = await listening(Peer())

    for host in ("127.0.0.1", "localhost", "LOCALHOST"):
        assert (await transports.lane(sink()).send(post(peer.url(host=host)))).status == 200


async def test_localhost_leads_nowhere_but_to_this_host(post: Post, canary: Peer) -> None:
    """A resolver that says otherwise is not believed."""
    async with Lanes(Names("10.0.0.1")) as transports:
        reason = await refusal(transports, sink("10.0.0.0/8"), post(canary.url(host="localhost")))

    assert reason == (
        "'localhost' leads to '10.0.0.1', which is not a loopback address; write the address meant"
    )


async def test_allow_networks_opens_what_it_lists(listening: Listening, post: Post) -> None:
    """Internal sinks have names, too."""
    peer = await listening(Peer())

    async with Lanes(Names("127.0.0.1")) as transports:
        request = post(peer.url(host="sink.example"))
        assert (await transports.lane(sink("127.0.0.0/8")).send(request)).status == 200
        await transports.retain({})
        assert "allow_networks" in await refusal(transports, sink("127.0.0.2"), request)

    assert len(peer.requests) == 1
    assert peer.requests[0].header("Host") == [f"sink.example:{peer.port}"]


async def test_a_name_that_changes_its_mind_gains_nothing(canary: Peer, post: Post) -> None:
    """A good address first and loopback second: each connection is judged by its own address."""
    good = socket.create_server(("127.0.0.2", canary.port))
    good.setblocking(False)
    server = await asyncio.start_server(lambda _, writer: writer.close(), sock=good)
    async with server, Peer(saying_goodbye(LAST)) as peer:
        names = Names("127.0.0.2", "127.0.0.1", turns=True)
        async with Lanes(names) as transports:
            request = post(peer.url(host="rebind.example"))
            lane = transports.lane(sink("127.0.0.1"))
            heard = []
            for _ in range(200):
                try:
                    heard.append((await lane.send(request)).status)
                except ForbiddenAddress as error:
                    heard.append(error.reason)

    assert names.asked == 200
    refused = "'127.0.0.2' is a loopback address; list it in allow_networks"
    assert heard == [refused, 200] * 100


async def test_of_several_addresses_the_allowed_ones_are_tried(listening: Listening, post: Post) -> None:
    """A name with one forbidden address still reaches the others."""
    peer = await listening(Peer())

    async with Lanes(Names("10.9.9.9", "::1", "127.0.0.1")) as transports:
        reply = await transports.lane(sink("127.0.0.1")).send(post(peer.url(host="sink.example")))

    assert reply.status == 200


async def test_if_all_addresses_are_forbidden_the_first_is_named(canary: Peer, post: Post) -> None:
    """However many there are, and of both families."""
    async with Lanes(Names("127.0.0.3", "127.0.0.1", "::1", "10.0.0.1")) as transports:
        reason = await refusal(transports, sink(), post(canary.url(host="sink.example")))

    assert reason == "'127.0.0.3' is a loopback address; list it in allow_networks"


async def test_a_resolver_that_answers_with_a_name_is_not_believed(canary: Peer, post: Post) -> None:
    """Else the system would look that up, past the check."""
    async with Lanes(Names("localhost")) as transports:
        reason = await refusal(transports, sink("127.0.0.0/8"), post(canary.url(host="sink.example")))

    assert reason == "the name led to 'localhost', which is not an address"


async def test_a_name_that_nobody_knows_is_unreachable(post: Post) -> None:
    """That may pass, so it is tried again."""
    async with Lanes(Nowhere()) as transports:
        with pytest.raises(Unreachable) as error:
            await transports.lane(sink()).send(post("https://gone.example/"))

    assert (error.value.reason, error.value.tls) == ("could not resolve the host name", False)


async def test_an_allowed_address_that_is_down_is_not_taken_for_a_refusal(post: Post) -> None:
    """Though the name has a forbidden one as well: a refusal would pause the sink until somebody acts."""
    async with Peer() as peer:
        url = peer.url(host="sink.example")

    async with Lanes(Names("10.0.0.1", "127.0.0.1", "::1")) as transports:
        with pytest.raises(Unreachable) as error:
            await transports.lane(sink("127.0.0.1")).send(post(url))

    assert error.value.reason == "connection refused"


async def test_addresses_that_fail_for_different_reasons_are_one_sentence(post: Post) -> None:
    """At one of them nobody listens, the other is no address to connect to."""
    async with Peer() as peer:
        url = peer.url(host="sink.example")

    async with Lanes(Names("::1", "255.255.255.255")) as transports:
        with pytest.raises(Unreachable) as error:
            await transports.lane(sink("::1", "255.255.255.255")).send(post(url))

    assert error.value.reason == "none of the host's addresses could be connected to"
