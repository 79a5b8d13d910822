"""The same bytes to our client and to aiohttp's: both take the same answer from them, or neither takes one.

What we do otherwise on purpose is in `test_odd_answers.py`.
"""

import asyncio
from collections.abc import Iterator, Mapping
from itertools import pairwise

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.errors import Unreachable
from router.sinks.sink import Request, Sink
from router.transport.transport import Lanes
from router.units import Duration
from tests.transport.servers import Peer, saying_goodbye

SINK = Sink(name="peer", timeout=Duration(10))
KIB64 = 64 << 10
# It rarely waits for ever behind a chunk's size that it cannot read: then it takes no answer either.
PATIENCE = aiohttp.ClientTimeout(total=30)
Taken = tuple[int, list[tuple[str, str]], bytes]  # status, headers, body


def firsts(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """The headers in their order, in small letters; of several of one name the first."""
    return [(name, headers[name]) for name in dict.fromkeys(name.lower() for name in headers)]


async def ours(url: str) -> Taken | None:
    """What our client makes of it; None: no answer."""
    async with Lanes() as transports:
        try:
            reply = await transports.lane(SINK).send(Request("POST", url, {}, b"{}"))
        except Unreachable:
            return None
    return reply.status, firsts(reply.headers), reply.body


async def theirs(url: str) -> Taken | None:
    """What aiohttp's client makes of it, told to take what ours takes."""
    body = b""
    async with aiohttp.ClientSession(auto_decompress=False, timeout=PATIENCE) as session:
        try:
            async with session.post(url, data=b"{}", allow_redirects=False) as answer:
                while len(body) < KIB64 and (piece := await answer.content.read(KIB64 - len(body))):
                    body += piece
                answer.close()
        except (aiohttp.ClientError, TimeoutError):
            return None
    return answer.status, firsts(answer.headers), body


async def both(*pieces: bytes) -> tuple[Taken | None, Taken | None]:
    """Ours and theirs, of an answer in these pieces after which the server hangs up."""
    async with Peer(saying_goodbye(*pieces)) as peer:
        return await ours(peer.url()), await theirs(peer.url())


async def mine(*pieces: bytes) -> Taken | None:
    """Ours alone."""
    async with Peer(saying_goodbye(*pieces)) as peer:
        return await ours(peer.url())


def headers(count: int) -> bytes:
    """An answer with so many."""
    return (
        FINE + b"Content-Length: 0\r\n" + b"".join(b"X-%d: y\r\n" % one for one in range(1, count)) + b"\r\n"
    )


FINE = b"HTTP/1.1 200 OK\r\n"
HEADS = {
    "plain": FINE + b"Content-Length: 2\r\n\r\nok",
    "many headers": FINE + b"Retry-After: 7\r\nretry-after: 9\r\nX: \r\nY: a \t\r\nContent-Length: 0\r\n\r\n",
    "no reason": b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",
    "line feeds": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "folded": FINE + b"X: a\r\n b\r\nContent-Length: 2\r\n\r\nok",
    "blank lines before": b"\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "latin": b"HTTP/1.1 200 \xe9\r\nX: \xe9\xff\r\nContent-Length: 2\r\n\r\nok",
    "control in a value": FINE + b"X: a\x01b\r\nContent-Length: 2\r\n\r\nok",
    "zero in a value": FINE + b"X: a\0b\r\nContent-Length: 2\r\n\r\nok",
    "space in a name": FINE + b"X Y: a\r\nContent-Length: 2\r\n\r\nok",
    "space behind a name": FINE + b"X : a\r\nContent-Length: 2\r\n\r\nok",
    "no name": FINE + b": a\r\nContent-Length: 2\r\n\r\nok",
    "no colon": FINE + b"abc\r\nContent-Length: 2\r\n\r\nok",
    "length of words": FINE + b"Content-Length: two\r\n\r\nok",
    "negative length": FINE + b"Content-Length: -2\r\n\r\nok",
    "plus in the length": FINE + b"Content-Length: +2\r\n\r\nok",
    "two lengths": FINE + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "list of lengths": FINE + b"Content-Length: 2, 2\r\n\r\nok",
    "immense length": FINE + b"Content-Length: 99999999999999999999999\r\n\r\nok",
    "length and chunks": FINE + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks": FINE + b"Transfer-Encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0\r\nT: x\r\n\r\n",
    "chunks in capitals": FINE + b"TRANSFER-ENCODING: Chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n",
    "chunks and a space": FINE + b"Transfer-Encoding: chunked\r\n\r\n2 \r\nok\r\n0\r\n\r\n",
    "chunks of line feeds": FINE + b"Transfer-Encoding: chunked\r\n\r\n2\nok\n0\n\n",
    "chunk too long": FINE + b"Transfer-Encoding: chunked\r\n\r\n3\r\nok\r\n0\r\n\r\n",
    "chunk too short": FINE + b"Transfer-Encoding: chunked\r\n\r\n1\r\nok\r\n0\r\n\r\n",
    "immense chunk": FINE + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nok",
    "negative chunk": FINE + b"Transfer-Encoding: chunked\r\n\r\n-1\r\nok\r\n0\r\n\r\n",
    "gzip, chunked": FINE + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "gzip and chunked": FINE + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked, gzip": FINE + b"Transfer-Encoding: chunked, gzip\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "identity": FINE + b"Transfer-Encoding: identity\r\n\r\nok",
    "to the end": FINE + b"\r\nok",
    "to the end, empty": FINE + b"\r\n",
    "1.0": b"HTTP/1.0 200 OK\r\n\r\nold",
    "1.0 kept": b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nold",
    "closing": FINE + b"Connection: close\r\nContent-Length: 2\r\n\r\nok",
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "204 with a length": b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
    "304 with a length": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    "205": b"HTTP/1.1 205 Reset\r\nContent-Length: 0\r\n\r\n",
    "interim": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 P\r\nX: y\r\n\r\n" + FINE + b"\r\nok",
    "interim with a length": b"HTTP/1.1 103 H\r\nContent-Length: 0\r\n\r\n" + FINE + b"\r\nok",
    "only interim": b"HTTP/1.1 103 Hints\r\n\r\n",
    "switching": b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    "offering an upgrade": FINE + b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nok",
    "status of two digits": b"HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok",
    "status of four digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok",
    "status 000": b"HTTP/1.1 000 OK\r\nContent-Length: 2\r\n\r\nok",
    "status 999": b"HTTP/1.1 999 OK\r\nContent-Length: 2\r\n\r\nok",
    "2.0": b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "0.9": b"HTTP/0.9 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "1.2": b"HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "frame of HTTP/2": b"\0\0\x12\4\0\0\0\0\0\0\3\0\0\0\x80",
    "small letters": b"http/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "no HTTP": b"ICY 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "a request": b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nok",
    "a page": b"<html>nginx</html>",
    "nothing": b"",
    "128 headers": headers(128),
    "129 headers": headers(129),
    "long header": FINE + b"Content-Length: 0\r\nX: %b\r\n\r\n" % (b"y" * 8190),
    "too long a header": FINE + b"Content-Length: 0\r\nX: %b\r\n\r\n" % (b"y" * 8191),
    "64 KiB": FINE + b"Content-Length: 65536\r\n\r\n" + bytes(KIB64),
    "more than 64 KiB": FINE + b"Content-Length: 65537\r\n\r\n" + bytes(KIB64 + 1),
    "64 KiB, and cut": FINE + b"Content-Length: 65537\r\n\r\n" + bytes(KIB64),
    "64 KiB to the end": FINE + b"\r\n" + bytes(KIB64),
}  # fmt: skip


@pytest.mark.parametrize("answer", HEADS.values(), ids=HEADS)
async def test_an_answer_at_once_is_taken_as_by_another_client(answer: bytes) -> None:
    """Or refused, as by another client."""
    taken, oracle = await both(answer)

    assert taken == oracle


@pytest.mark.parametrize("answer", [one for one in HEADS.values() if len(one) < 400], ids=str)
async def test_an_answer_byte_by_byte_is_the_same_answer(answer: bytes) -> None:
    """However it is cut into packets: by line, by byte."""
    assert await mine(*(bytes([one]) for one in answer)) == await mine(answer)


VERSIONS = st.sampled_from([b"HTTP/1.1", b"HTTP/1.0"])
STATUSES = st.sampled_from([200, 201, 202, 302, 400, 404, 429, 500, 503, 599])
TOKENS = st.text("abcXYZ-_09!", min_size=1, max_size=12).map(str.encode)
VALUES = st.text(" abcXYZ:;=,\"'\té", max_size=20).map(str.encode)
INTERIM = st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n"])


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """An answer as a server may write it, whole or broken off anywhere."""
    body = draw(st.binary(max_size=300))
    lines = [
        b"X-%b: %b" % (name, value) for name, value in draw(st.lists(st.tuples(TOKENS, VALUES), max_size=5))
    ]
    frame = draw(st.sampled_from(["length", "longer", "chunks", "end"]))
    if frame == "length":
        lines.append(b"Content-Length: %d" % len(body))
    elif frame == "longer":
        lines.append(b"content-length:%d" % (len(body) + draw(st.integers(1, 9))))
    elif frame == "chunks":
        lines.append(b"Transfer-Encoding: chunked")
        size = draw(st.integers(1, 50))
        pieces = [body[start : start + size] for start in range(0, len(body), size)]
        body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    if draw(st.booleans()):
        lines.append(b"Connection: " + draw(st.sampled_from([b"close", b"keep-alive", b"upgrade, close"])))
    lines = draw(st.permutations(lines))
    head = b"%b %d %b" % (draw(VERSIONS), draw(STATUSES), draw(st.sampled_from([b"OK", b"", b"So so"])))
    whole = draw(INTERIM) + b"\r\n".join([head, *lines, b"", body])
    return whole[: draw(st.one_of(st.just(len(whole)), st.integers(0, len(whole))))]


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    """An event loop for many examples."""
    with asyncio.Runner() as runner:
        yield runner


def split(answer: bytes, cuts: list[int]) -> list[bytes]:
    """The answer in pieces, cut at these places."""
    places = sorted({0, len(answer), *(cut % (len(answer) + 1) for cut in cuts)})
    return [answer[start:end] for start, end in pairwise(places)]


@settings(max_examples=60, deadline=None)
@given(answer=answers(), cuts=st.lists(st.integers(0, 2000), max_size=4))
def test_every_answer_is_taken_as_by_another_client(
    answer: bytes, cuts: list[int], loop: asyncio.Runner
) -> None:
    """Made up, cut into packets anywhere, broken off anywhere."""
    taken, oracle = loop.run(both(*split(answer, cuts)))

    assert taken == oracle
