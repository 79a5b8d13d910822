"""Answers that other clients read otherwise, or for ever."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from router.errors import Unreachable
from router.sinks.sink import Request, Sink
from router.transport.transport import Lanes
from router.units import Duration
from tests.transport.servers import OK, Peer, Talk, saying

Listening = Callable[[Peer], Awaitable[Peer]]
Post = Callable[..., Request]
SINK = Sink(name="peer", timeout=Duration(10))
KIB64 = 64 << 10
FINE = b"HTTP/1.1 200 OK\r\n"
CHUNKED = FINE + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("last", [b"surplus", b"HTTP/1.1 500 Oh\r\n\r\n", b"\0", b"H"])
@pytest.mark.parametrize("close", [b"", b"Connection: close\r\n"], ids=["kept", "closing"])
async def test_bytes_behind_a_whole_answer_take_nothing_from_it(
    last: bytes, close: bytes, transports: Lanes, listening: Listening, post: Post
) -> None:
    """Others refuse it if they came in one packet, and take it if in two. The connection is not kept."""
    peer = await listening(Peer(saying(FINE + close + b"Content-Length: 2\r\n\r\nok" + last)))
    lane = transports.lane(SINK)

    replies = [await lane.send(post(peer.url())) for _ in range(2)]

    assert [(reply.status, reply.body) for reply in replies] == [(200, b"ok")] * 2
    assert peer.connections == 2


async def test_line_breaks_behind_an_answer_are_harmless(
    transports: Lanes, listening: Listening, post: Post
) -> None:
    """Old servers end a body with one that they did not count (RFC 9112, 2.2)."""
    peer = await listening(Peer(saying(OK + b"\r\n")))
    lane = transports.lane(SINK)

    replies = [await lane.send(post(peer.url())) for _ in range(2)]

    assert [reply.body for reply in replies] == [b"ok"] * 2
    assert peer.connections == 1


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (FINE, b"X: %b\r\n" % (b"y" * 1000)),
        (FINE + b"X: ", b"y" * 1000),
        (b"HTTP/1.1 200 ", b"y" * 1000),
        (b"", b"HTTP/1.1 103 Hints\r\n\r\n" * 40),
        (CHUNKED + b"2;", b"x" * 4096),
        (CHUNKED + b"2\r\nok\r\n0\r\nT: ", b"x" * 4096),
        (CHUNKED + b"2\r\nok\r\n0\r\n", b"T: x\r\n" * 600),
    ],
    ids=["headers", "header", "reason", "hints", "extension", "trailer", "trailers"],
)
async def test_what_never_ends_is_cut_off(
    begin: bytes, more: bytes, transports: Lanes, listening: Listening, post: Post
) -> None:
    """Not only a body: it costs no more memory than an answer may."""

    async def endless(talk: Talk) -> None:
        await talk.hear()
        await talk.say(begin)
        try:
            while True:
                await talk.say(more)
        except ConnectionError:
            talk.left()

    peer = await listening(Peer(endless))

    with pytest.raises(Unreachable) as error:
        await transports.lane(SINK).send(post(peer.url()))

    assert error.value.reason == "the answer is not HTTP, or its head is too large"
    await asyncio.wait_for(peer.closed.wait(), 10)


@pytest.mark.parametrize("size", [KIB64, KIB64 + 1])
async def test_a_body_in_the_smallest_chunks_is_read_whole(
    size: int, transports: Lanes, listening: Listening, post: Post
) -> None:
    """Six bytes on the wire for one."""
    peer = await listening(Peer(saying(CHUNKED + b"1\r\nx\r\n" * size + b"0\r\n\r\n")))

    reply = await transports.lane(SINK).send(post(peer.url()))

    assert reply.body == b"x" * KIB64


async def test_an_answer_to_head_has_no_body(transports: Lanes, listening: Listening, post: Post) -> None:
    """Whatever length it speaks of; and whether more comes nobody can know, so the connection is closed."""
    peer = await listening(Peer(saying(FINE + b"Content-Length: 5\r\n\r\n")))
    lane = transports.lane(SINK)

    replies = [await lane.send(post(peer.url(), b"", method="HEAD")) for _ in range(2)]

    assert [(reply.status, reply.body) for reply in replies] == [(200, b"")] * 2
    assert peer.connections == 2


async def test_a_server_that_switches_protocols_is_left(
    transports: Lanes, listening: Listening, post: Post
) -> None:
    """Nobody asked it to."""
    switching = b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
    peer = await listening(Peer(saying(switching, b"\1\2\3")))
    lane = transports.lane(SINK)

    replies = [await lane.send(post(peer.url())) for _ in range(2)]

    assert [(reply.status, reply.body) for reply in replies] == [(101, b"")] * 2
    assert peer.connections == 2


async def test_headers_are_found_by_any_spelling(transports: Lanes, listening: Listening, post: Post) -> None:
    """Of several of one name the first counts; what is no UTF-8 is kept as it is."""
    peer = await listening(
        Peer(saying(FINE + b"X-One: a \t\r\nx-one: b\r\nY: \xff\r\nContent-Length: 0\r\n\r\n"))
    )

    headers = (await transports.lane(SINK).send(post(peer.url()))).headers

    assert [headers[name] for name in ("X-One", "x-one", "Y")] == ["a", "a", "\udcff"]
    assert headers.get("z") is None
    assert [*headers] == ["X-One", "x-one", "Y", "Content-Length"]
    assert len(headers) == 4
