"""Names that change their mind: what was public a moment ago and is this host now is never connected to."""

from collections.abc import Callable

import pytest

from router.errors import ForbiddenAddress, Unreachable
from router.sinks.sink import Request, Sink
from router.transport.transport import Lanes
from router.units import Duration, Network
from tests.hostile.level import level
from tests.transport.servers import Names, Peer, saying_goodbye

Post = Callable[..., Request]
LAST = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
# For each of the names below; all of them together make ten thousand at the long level.
TRIES = level(6, 770)
# Where the good destination of these tests lives: listed, so that it stands for a public address.
GOOD = "127.0.0.2"
SINK = Sink(name="peer", timeout=Duration(5), allow_networks=(Network.parse(GOOD),))
TURNS = {
    "loopback": "127.0.0.1",
    "loopback of IPv6": "::1",
    "this host": "0.0.0.0",
    "this host by IPv6": "::",
    "metadata": "169.254.169.254",
    "metadata of IPv6": "fd00:ec2::254",
    "mapped loopback": "::ffff:127.0.0.1",
    "mapped metadata": "::ffff:169.254.169.254",
    "NAT64 loopback": "64:ff9b::7f00:1",
    "NAT64 metadata": "64:ff9b::a9fe:a9fe",
    "6to4 loopback": "2002:7f00:1::",
    "compatible loopback": "::127.0.0.1",
    "private": "10.0.0.1",
}


@pytest.mark.parametrize("turned", TURNS.values(), ids=TURNS)
async def test_a_name_that_turns_to_a_forbidden_address_is_refused_from_then_on(
    turned: str, canary: Peer, post: Post
) -> None:
    """It answers once from a good address; each connection after that is judged by what the name is then."""
    async with Peer(saying_goodbye(LAST), where=(GOOD, canary.port)) as good:
        names = Names(GOOD, turned, turns=True)
        async with Lanes(names) as transports:
            lane = transports.lane(SINK)
            request = post(canary.url(host="rebind.example"))
            heard = []
            for _ in range(TRIES):
                try:
                    heard.append((await lane.send(request)).status)
                except ForbiddenAddress:
                    heard.append(0)

    assert names.asked == TRIES
    assert heard == [200, 0] * (TRIES // 2)
    assert good.connections == TRIES // 2


@pytest.mark.parametrize("turned", TURNS.values(), ids=TURNS)
@pytest.mark.parametrize("first", [True, False], ids=["before", "behind"])
async def test_of_a_names_addresses_only_the_allowed_ones_are_ever_connected_to(
    first: bool, turned: str, canary: Peer, post: Post
) -> None:
    """A forbidden one beside it changes nothing, wherever it stands in the answer."""
    async with Peer(saying_goodbye(LAST), where=(GOOD, canary.port)) as good:
        found = (turned, GOOD) if first else (GOOD, turned)
        async with Lanes(Names(*found)) as transports:
            lane = transports.lane(SINK)
            for _ in range(3):
                assert (await lane.send(post(canary.url(host="both.example")))).status == 200

    assert good.connections == 3


@pytest.mark.parametrize("turned", TURNS.values(), ids=TURNS)
async def test_if_the_good_address_is_down_no_forbidden_one_takes_its_place(
    turned: str, canary: Peer, post: Post
) -> None:
    """Whoever runs the name's server might switch the good one off."""
    async with Lanes(Names(GOOD, turned)) as transports:
        with pytest.raises(Unreachable) as error:
            await transports.lane(SINK).send(post(canary.url(host="down.example")))

    assert error.value.reason == "connection refused"
