"""Kept connections: what happens to them between requests, and over reloads."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from router.errors import ForbiddenAddress, Unreachable
from router.sinks.sink import Request, Sink
from router.transport.transport import Lanes
from router.units import Duration, Network
from tests.transport.servers import OK, Peer, Script, Talk, saying, saying_goodbye

Listening = Callable[[Peer], Awaitable[Peer]]
Post = Callable[..., Request]
SINK = Sink(name="peer", timeout=Duration(5))
OTHER_WALLS = Sink(name="peer", timeout=Duration(5), allow_networks=(Network.parse("10.0.0.0/8"),))


async def test_a_connection_is_kept_between_requests(
    transports: Lanes, listening: Listening, post: Post
) -> None:
    """One handshake for many deliveries; two sinks share nothing."""
    peer = await listening(Peer())

    for name in ("a", "a", "a", "b"):
        await transports.lane(Sink(name=name, timeout=Duration(5))).send(post(peer.url()))

    assert (peer.connections, len(peer.requests)) == (2, 4)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    ],
)
async def test_a_connection_that_the_server_ends_is_not_kept(
    answer: bytes, transports: Lanes, listening: Listening, post: Post
) -> None:
    """It said so."""
    peer = await listening(Peer(saying(answer)))

    for _ in range(2):
        await transports.lane(SINK).send(post(peer.url()))

    assert peer.connections == 2


def ending(first: int, *last: bytes, reset: bool = False) -> Script:
    """A script whose first connection answers once, hears one request more and ends without an answer to it.

    The connections up to the one numbered `first` do so too; later ones are friendly.
    """
    connections = 0

    async def script(talk: Talk) -> None:
        nonlocal connections
        connections += 1
        number = connections
        if number == 1:
            await talk.hear()
            await talk.say(OK)
        while number > first:
            await talk.hear()
            await talk.say(OK)
        await talk.hear()
        await talk.say(*last)
        if reset:
            talk.reset()

    return script


@pytest.mark.parametrize("reset", [False, True], ids=["end", "reset"])
@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_a_kept_connection_that_was_dead_is_replaced_once(
    method: str, reset: bool, transports: Lanes, listening: Listening, post: Post
) -> None:
    """The server may close just as the next request leaves: no attempt is wasted on that."""
    peer = await listening(Peer(ending(1, reset=reset)))
    lane = transports.lane(SINK)

    replies = [await lane.send(post(peer.url(), b"%d" % number, method=method)) for number in range(3)]

    assert [reply.body for reply in replies] == [b"ok"] * 3
    assert [one.body for one in peer.requests] == [b"0", b"1", b"1", b"2"]


async def test_a_fresh_connection_that_dies_as_well_is_a_failure(
    transports: Lanes, listening: Listening, post: Post
) -> None:
    """Once, not for ever: the schedule of the sink decides when it is tried again."""
    peer = await listening(Peer(ending(9)))
    lane = transports.lane(SINK)
    await lane.send(post(peer.url()))

    with pytest.raises(Unreachable) as error:
        await lane.send(post(peer.url()))

    assert error.value.reason == "the connection was closed without an answer"
    assert (peer.connections, len(peer.requests)) == (2, 3)


@pytest.mark.parametrize("method", ["POST", "PUT", "GET"])
async def test_a_first_connection_is_never_replaced(
    method: str, transports: Lanes, listening: Listening, post: Post
) -> None:
    """It was alive when the request left: the server may have acted on it."""
    peer = await listening(Peer(saying_goodbye()))

    with pytest.raises(Unreachable):
        await transports.lane(SINK).send(post(peer.url(), method=method))

    assert len(peer.requests) == 1


@pytest.mark.parametrize("last", [b"H", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"])
@pytest.mark.parametrize("reset", [False, True], ids=["end", "reset"])
async def test_once_a_byte_of_an_answer_came_nothing_is_sent_again(
    last: bytes, reset: bool, transports: Lanes, listening: Listening, post: Post
) -> None:
    """The server had the request."""
    gate = asyncio.Event()

    async def script(talk: Talk) -> None:
        await talk.hear()
        await talk.say(OK)
        await talk.hear()
        await talk.say(last)
        await gate.wait()
        if reset:
            talk.reset()

    peer = await listening(Peer(script))
    lane = transports.lane(SINK)
    await lane.send(post(peer.url()))

    async with asyncio.TaskGroup() as group:
        task = group.create_task(outcome(lane.send(post(peer.url()))))
        # The byte is in the client's hands once a round trip elsewhere is done.
        other = await listening(Peer())
        await transports.lane(Sink(name="other", timeout=Duration(5))).send(post(other.url()))
        gate.set()

    assert task.result() in ("the connection was closed without an answer", "connection reset by peer")
    assert (peer.connections, len(peer.requests)) == (1, 2)


async def outcome(sending: Awaitable[object]) -> str:
    """The reason of a failure, or `sent`."""
    try:
        await sending
    except Unreachable as error:
        return error.reason
    return "sent"


@pytest.mark.parametrize("late", [False, True], ids=["with the answer", "later"])
async def test_an_answer_that_nobody_asked_for_is_never_taken_for_the_next(
    late: bool, transports: Lanes, listening: Listening, post: Post
) -> None:
    """A delivery counts only by its own answer."""
    forged = b"HTTP/1.1 299 Forged\r\nContent-Length: 0\r\n\r\n"
    go, sent = asyncio.Event(), asyncio.Event()

    async def forging(talk: Talk) -> None:
        await talk.hear()
        if late:
            await talk.say(OK)
            await go.wait()
            await talk.say(forged)
        else:
            await talk.say(OK + forged)
        sent.set()
        await talk.hear()
        await talk.gone()

    peer = await listening(Peer(forging))
    other = await listening(Peer())
    lane = transports.lane(SINK)
    assert (await lane.send(post(peer.url()))).status == 200
    peer.script = saying(OK)
    go.set()
    await sent.wait()
    # What was sent is in the client's hands once a round trip elsewhere is done.
    await transports.lane(Sink(name="other", timeout=Duration(5))).send(post(other.url()))

    assert (await lane.send(post(peer.url()))).status == 200
    assert peer.connections == 2


async def test_a_reload_that_changes_nothing_keeps_the_connections(
    transports: Lanes, listening: Listening, post: Post
) -> None:
    """Nor does a longer time limit or another text cost a handshake."""
    peer = await listening(Peer())
    lane = transports.lane(SINK)
    await lane.send(post(peer.url()))
    again = Sink(name="peer", timeout=Duration(7), concurrency=2)

    await transports.retain({"peer": again})
    await transports.lane(again).send(post(peer.url()))
    await lane.send(post(peer.url()))

    assert transports.lane(again) is lane
    assert peer.connections == 1


async def test_a_reload_that_moves_the_walls_closes_the_old_connections(
    transports: Lanes, listening: Listening, post: Post
) -> None:
    """A connection that was allowed yesterday is not kept alive for today."""
    peer = await listening(Peer(talking_until_gone))
    lane = transports.lane(SINK)
    await lane.send(post(peer.url()))

    await transports.retain({"peer": OTHER_WALLS})
    await asyncio.wait_for(peer.closed.wait(), 5)

    await lane.send(post(peer.url()))
    assert peer.connections == 2


async def talking_until_gone(talk: Talk) -> None:
    """Answer once, then wait for the client to leave."""
    await talk.hear()
    await talk.say(OK)
    await talk.gone()


async def test_what_is_in_flight_at_a_reload_ends_in_peace(
    transports: Lanes, listening: Listening, post: Post
) -> None:
    """Its connection closes after its answer, not before."""
    heard, go = asyncio.Event(), asyncio.Event()

    async def slowly(talk: Talk) -> None:
        await talk.hear()
        heard.set()
        await go.wait()
        await talk.say(OK)
        await talk.gone()

    peer = await listening(Peer(slowly))
    lane = transports.lane(SINK)
    async with asyncio.TaskGroup() as group:
        sending = group.create_task(lane.send(post(peer.url())))
        await heard.wait()
        await transports.retain({})
        assert not peer.closed.is_set()
        go.set()

    assert sending.result().status == 200
    await asyncio.wait_for(peer.closed.wait(), 5)


async def test_an_attempt_that_began_before_its_sink_was_removed_still_goes_out(
    transports: Lanes, listening: Listening, post: Post
) -> None:
    """And leaves nothing behind."""
    peer = await listening(Peer(talking_until_gone))
    lane = transports.lane(SINK)
    await transports.retain({})

    assert (await lane.send(post(peer.url()))).status == 200
    await asyncio.wait_for(peer.closed.wait(), 5)


async def test_a_lane_obeys_the_walls_of_today(transports: Lanes, canary: Peer, post: Post) -> None:
    """Asking for the lane again is enough."""
    allowed = Sink(name="peer", timeout=Duration(5), allow_networks=(Network.parse("::ffff:0:0/96"),))
    url = canary.url(host="[::ffff:127.0.0.1]")
    lane = transports.lane(allowed)
    transports.lane(SINK)

    with pytest.raises(ForbiddenAddress):
        await lane.send(post(url))


async def test_closing_closes_every_connection(listening: Listening, post: Post) -> None:
    """After the transport nothing is left open."""
    peers = [await listening(Peer(talking_until_gone)) for _ in range(2)]

    async with Lanes() as transports:
        for number, peer in enumerate(peers):
            await transports.lane(Sink(name=str(number), timeout=Duration(5))).send(post(peer.url()))

    for peer in peers:
        await asyncio.wait_for(peer.closed.wait(), 5)
