"""What comes back, from servers that mean well and from servers that do not."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable

import pytest

from router.errors import Unreachable
from router.sinks.sink import Request, Sink
from router.transport.transport import Lanes
from router.units import Duration
from tests.transport.servers import OK, Peer, Script, Talk, saying, saying_goodbye

Listening = Callable[[Peer], Awaitable[Peer]]
Post = Callable[..., Request]
SINK = Sink(name="peer", timeout=Duration(10))
KIB64 = 64 << 10
NO_HTTP = "the answer is not HTTP, or its head is too large"
NONE_CAME = "the connection was closed without an answer"
BROKEN = "the answer broke off"


async def refusal(transports: Lanes, sink: Sink, request: Request) -> str:
    """Why a request failed; never for reasons of TLS here."""
    with pytest.raises(Unreachable) as error:
        await transports.lane(sink).send(request)
    assert not error.value.tls
    return error.value.reason


async def cut_off(transports: Lanes, request: Request, peer: Peer) -> None:
    """Send as an attempt does whose time is up once the server does nothing more than to be slow."""
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        sending = group.create_task(transports.lane(SINK).send(request))
        await peer.dawdling.wait()
        sending.cancel()
    assert sending.cancelled()


@pytest.mark.parametrize("status", [200, 202, 204, 304, 400, 401, 404, 410, 429, 500, 503])
async def test_every_status_is_an_answer(
    status: int, transports: Lanes, listening: Listening, post: Post
) -> None:
    """What it means is up to the sink."""
    body = b"" if status in (204, 304) else b"no"
    peer = await listening(
        Peer(saying(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body))
    )

    reply = await transports.lane(SINK).send(post(peer.url()))

    assert (reply.status, reply.body) == (status, body)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(
    status: int, transports: Lanes, listening: Listening, post: Post, canary: Peer
) -> None:
    """Body and signature go to the host they were meant for, or nowhere."""
    head = f"HTTP/1.1 {status} Moved\r\nLocation: {canary.url('/take')}\r\nContent-Length: 0\r\n\r\n"
    peer = await listening(Peer(saying(head.encode())))

    reply = await transports.lane(SINK).send(post(peer.url()))

    assert (reply.status, reply.headers["location"]) == (status, canary.url("/take"))
    assert len(peer.requests) == 1


@pytest.mark.parametrize(
    ("pieces", "body"),
    [
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"], b"ok"),
        (
            [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;x=y\r\no\r\n", b"1\r\nk\r\n0\r\n\r\n"],
            b"ok",
        ),
        ([b"HTTP/1.1 200 OK\r\n\r\n", b"until", b" the end"], b"until the end"),
        ([b"HTTP/1.0 200 OK\r\n\r\nold"], b"old"),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", OK], b"ok"),
        ([b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 3 + OK], b"ok"),
        ([bytes([one]) for one in OK], b"ok"),
        ([b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok"], b"ok"),
        ([b"HTTP/1.1 200 OK\r\nX: \xe9\xff\r\nContent-Length: 2\r\n\r\nok"], b"ok"),
    ],
    ids=["chunked", "extension", "closed", "1.0", "continue", "hints", "bytes", "no-reason", "latin1"],
)
async def test_an_answer_may_come_in_every_form_of_http(
    pieces: list[bytes], body: bytes, transports: Lanes, listening: Listening, post: Post
) -> None:
    """Its end is found by length, by chunks or by the connection's end."""
    peer = await listening(Peer(saying_goodbye(*pieces)))

    reply = await transports.lane(SINK).send(post(peer.url()))

    assert (reply.status, reply.body) == (200, body)


@pytest.mark.parametrize("size", [KIB64 - 1, KIB64, KIB64 + 1, 5 * KIB64])
async def test_of_a_longer_body_only_64_kib_are_read(
    size: int, transports: Lanes, listening: Listening, post: Post
) -> None:
    """The rest is cut off; a shorter one leaves the connection in use."""
    peer = await listening(
        Peer(saying(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode() + b"x" * size))
    )
    lane = transports.lane(SINK)

    replies = [await lane.send(post(peer.url())) for _ in range(2)]

    assert [len(reply.body) for reply in replies] == [min(size, KIB64)] * 2
    assert peer.connections == 1 or size > KIB64


GIGABYTE = 1 << 30
MEGABYTE = 1 << 20


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"Content-Length: %d" % GIGABYTE, b"x" * MEGABYTE),
        (b"Transfer-Encoding: chunked", b"%x\r\n%b\r\n" % (MEGABYTE, b"x" * MEGABYTE)),
    ],
    ids=["flood", "endless chunks"],
)
async def test_a_bomb_is_cut_off(
    head: bytes, piece: bytes, transports: Lanes, listening: Listening, post: Post
) -> None:
    """A gigabyte costs 64 KiB: the connection is closed, not drained, and few megabytes ever left."""
    taken = 0

    async def flood(talk: Talk) -> None:
        nonlocal taken
        await talk.hear()
        await talk.say(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n" % head)
        try:
            while taken < GIGABYTE:
                await talk.say(piece)
                taken += MEGABYTE
        except ConnectionError:
            talk.left()

    peer = await listening(Peer(flood))

    reply = await transports.lane(SINK).send(post(peer.url()))
    await asyncio.wait_for(peer.closed.wait(), 10)

    assert (reply.status, len(reply.body)) == (200, KIB64)
    assert taken <= 32 * MEGABYTE  # what the buffers of two sockets hold, with room to spare


async def test_a_compressed_answer_is_not_unpacked(
    transports: Lanes, listening: Listening, post: Post
) -> None:
    """Ten megabytes in ten kilobytes stay ten kilobytes; and none was asked for."""
    packed = gzip.compress(bytes(10 << 20))
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
    peer = await listening(Peer(saying(head.encode() + packed)))

    reply = await transports.lane(SINK).send(post(peer.url()))

    assert reply.body == packed
    assert peer.requests[0].header("Accept-Encoding") == []


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", NONE_CAME),
        (b"HTTP/1.1 2", NONE_CAME),
        (b"HTTP/1.1 200 OK\r\nContent-Le", NONE_CAME),
        (b"HTTP/1.1 100 Continue\r\n\r\n", NONE_CAME),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", BROKEN),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nok", BROKEN),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", NO_HTTP),
        (b"SSH-2.0-OpenSSH_9.9\r\n\r\n", NO_HTTP),
        (b"HTTP/9.9 200 OK\r\n\r\n", NO_HTTP),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
            NO_HTTP,
        ),
        (
            b"HTTP/1.1 200 OK\r\nX: " + b"y" * 9_000 + b"\r\n\r\n",
            NO_HTTP,
        ),
        (
            b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % one for one in range(10_000)) + b"\r\n",
            NO_HTTP,
        ),
    ],
    ids=[
        *("nothing", "half-line", "half-head", "interim", "half-body", "half-chunk", "bad-chunk"),
        *("ssh", "version", "lengths", "long-header", "headers"),
    ],
)
async def test_what_is_no_whole_answer_is_a_failure(
    answer: bytes, reason: str, transports: Lanes, listening: Listening, post: Post
) -> None:
    """Nothing is taken for delivered on half an answer; the delivery is tried again by its schedule."""
    peer = await listening(Peer(saying_goodbye(answer)))

    assert await refusal(transports, SINK, post(peer.url())) == reason
    assert len(peer.requests) == 1


async def reset_at_once(talk: Talk) -> None:
    """Hang up on the caller."""
    talk.reset()


async def reset_after_hearing(talk: Talk) -> None:
    """Hang up after the question."""
    await talk.hear()
    talk.reset()


@pytest.mark.parametrize("script", [reset_at_once, reset_after_hearing])
async def test_a_reset_is_a_failure(
    script: Script, transports: Lanes, listening: Listening, post: Post
) -> None:
    """On a connection of its own it is not repeated: the server may have acted."""
    peer = await listening(Peer(script))

    assert await refusal(transports, SINK, post(peer.url())) in (
        "connection reset by peer",
        NONE_CAME,
    )
    assert peer.connections == 1


async def test_a_reset_behind_a_whole_answer_takes_nothing_from_it(
    transports: Lanes, listening: Listening, post: Post
) -> None:
    """Whoever answered 200 has acted: to send it again would be a duplicate."""

    async def answer_and_reset(talk: Talk) -> None:
        await talk.hear()
        await talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        talk.reset()

    peer = await listening(Peer(answer_and_reset))
    lane = transports.lane(SINK)

    assert [(await lane.send(post(peer.url()))).status for _ in range(20)] == [200] * 20
    assert len(peer.requests) == 20


async def say_nothing(talk: Talk) -> None:
    """Take whatever comes."""
    talk.dawdle()
    await talk.gone()


async def hang(talk: Talk) -> None:
    """Hear, and say nothing."""
    await talk.hear()
    talk.dawdle()
    await talk.gone()


async def hang_in_the_middle(talk: Talk) -> None:
    """Begin an answer, and never end it."""
    await talk.hear()
    await talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok")
    talk.dawdle()
    await talk.gone()


async def drip(talk: Talk) -> None:
    """A byte now and then, for ever."""
    await talk.hear()
    await talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n")
    leaving = asyncio.ensure_future(talk.gone())  # noqa: TID251  # ends with the connection
    while not (await asyncio.wait([leaving], timeout=0.02))[0]:
        await talk.say(b"x")
        talk.dawdle()


async def interim_without_end(talk: Talk) -> None:
    """Hints, hints, hints."""
    await talk.hear()
    leaving = asyncio.ensure_future(talk.gone())  # noqa: TID251  # ends with the connection
    while not (await asyncio.wait([leaving], timeout=0.02))[0]:
        await talk.say(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        talk.dawdle()


@pytest.mark.parametrize("script", [say_nothing, hang, hang_in_the_middle, drip, interim_without_end])
async def test_a_slow_server_is_cut_off_when_the_attempts_time_is_up(
    script: Script, transports: Lanes, listening: Listening, post: Post
) -> None:
    """However it is slow: the limit is for the whole attempt, and the connection is closed."""
    peer = await listening(Peer(script))

    await cut_off(transports, post(peer.url()), peer)
    await asyncio.wait_for(peer.closed.wait(), 5)


async def test_a_server_that_does_not_read_is_cut_off(
    transports: Lanes, listening: Listening, post: Post
) -> None:
    """A body that nobody takes holds up nothing but its own attempt."""
    stop = asyncio.Event()

    async def deaf(talk: Talk) -> None:
        await talk.take()
        talk.dawdle()
        await stop.wait()

    peer = await listening(Peer(deaf))

    await cut_off(transports, post(peer.url(), bytes(32 << 20)), peer)


async def test_an_early_answer_counts_though_the_body_was_not_taken(
    transports: Lanes, listening: Listening, post: Post
) -> None:
    """A 413 before the end of a large body is an answer, and its connection is not used again."""
    early = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"

    async def refuse(talk: Talk) -> None:
        await talk.say(early)
        await talk.gone()

    peer = await listening(Peer(refuse))
    lane = transports.lane(SINK)

    assert [(await lane.send(post(peer.url(), bytes(32 << 20)))).status for _ in range(2)] == [413, 413]
    assert peer.connections == 2
