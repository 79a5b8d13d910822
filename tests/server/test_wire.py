"""HTTP as strangers speak it: hostile bytes get a fixed 400 and a closed connection, never a traceback."""

import asyncio
import os
import subprocess
import sys

import pytest
from structlog.testing import capture_logs

from tests.server.edge import BODY, OPEN, SIGNED, post, serving
from tests.waiting import until

HEAD = b"POST /hooks/open HTTP/1.1\r\n"
HOST = b"Host: x\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
END = b"\r\n"
LONG = b"X: " + b"a" * 8000 + b"\r\n"

HOSTILE = {
    "two lengths": HEAD + HOST + LENGTH + b"Content-Length: 1\r\n" + END + BODY,
    "one length twice": HEAD + HOST + LENGTH + LENGTH + END + BODY,
    "a list of lengths": HEAD + HOST + b"Content-Length: 7, 7\r\n" + END + BODY,
    "length and chunks": HEAD + HOST + LENGTH + CHUNKED + END + CHUNKS,
    "chunks and length": HEAD + HOST + CHUNKED + LENGTH + END + CHUNKS,
    "an unknown framing": HEAD + HOST + b"Transfer-Encoding: xchunked\r\n" + END + CHUNKS,
    "a framing without end": HEAD + HOST + b"Transfer-Encoding: chunked, identity\r\n" + END + CHUNKS,
    "chunked twice": HEAD + HOST + CHUNKED + CHUNKED + END + CHUNKS,
    "a length with a sign": HEAD + HOST + b"Content-Length: +7\r\n" + END + BODY,
    "a negative length": HEAD + HOST + b"Content-Length: -1\r\n" + END + BODY,
    "a length with an underscore": HEAD + HOST + b"Content-Length: 1_0\r\n" + END + BODY,
    "an empty length": HEAD + HOST + b"Content-Length: \r\n" + END + BODY,
    "a length beyond 64 bits": HEAD + HOST + b"Content-Length: 99999999999999999999999\r\n" + END + BODY,
    "a blank before the colon": HEAD + b"Host : x\r\n" + LENGTH + END + BODY,
    "bare line feeds": (HEAD + HOST + LENGTH + END).replace(b"\r", b"") + BODY,
    "a folded header": HEAD + HOST + b"X: a\r\n b\r\n" + LENGTH + END + BODY,
    "a line feed in a chunk's extension": HEAD + HOST + CHUNKED + END + CHUNKS.replace(b"\r", b";\na\r", 1),
    "a chunk size that is none": HEAD + HOST + CHUNKED + END + b"zz\r\n\x1b[31mevil",
    "a header with NUL": HEAD + HOST + b"X: a\0b\r\n" + LENGTH + END + BODY,
    "no host": HEAD + LENGTH + END + BODY,
    "two hosts": HEAD + HOST + HOST + LENGTH + END + BODY,
    "200 headers": HEAD + HOST + b"".join(b"X-%d: a\r\n" % i for i in range(200)) + LENGTH + END + BODY,
    "a header of 9 kB": HEAD + HOST + b"X: " + b"a" * 9000 + b"\r\n" + LENGTH + END + BODY,
    "a URL of 9 kB": HEAD.replace(b"open", b"open?" + b"a" * 9000) + HOST + LENGTH + END + BODY,
    "10,000 trailers": HEAD + HOST + CHUNKED + END + CHUNKS[:-2] + b"A: b\r\n" * 10_000 + END,
    "a head of 33 kB": HEAD + HOST + LONG * 4 + b"Y: " + b"a" * 900 + b"\r\n" + LENGTH + END + BODY,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/9.9": HEAD.replace(b"1.1", b"9.9") + HOST + LENGTH + END + BODY,
    "HTTP/2.0 without its preface": HEAD.replace(b"1.1", b"2.0") + HOST + LENGTH + END + BODY,
    "HTTP/0.9": HEAD.replace(b"1.1", b"0.9") + HOST + LENGTH + END + BODY,
    "a method of its own": HEAD.replace(b"POST", b"EVIL") + HOST + LENGTH + END + BODY,
    "an escape in the URL": HEAD.replace(b"open", b"o\x1b[31mpen") + HOST + LENGTH + END + BODY,
    "a URL that is not ASCII": HEAD.replace(b"open", b"op\xc3\xa9n") + HOST + LENGTH + END + BODY,
    "a URL with a broken host": HEAD.replace(b"/hooks", b"http://[x/hooks") + HOST + LENGTH + END + BODY,
    "a star": HEAD.replace(b"/hooks/open", b"*") + HOST + LENGTH + END + BODY,
    "text": b"\x1b[31mevil <script>\r\n\r\n",
    "junk behind a request": HEAD + HOST + LENGTH + END + BODY + b"junk\x00\r\n\r\n",
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_what_is_no_http_is_a_400_and_a_closed_connection(name: str) -> None:
    """One fixed answer that repeats nothing; counted; no event, no traceback."""
    async with serving(OPEN) as stage, stage.wire() as wire:
        with capture_logs() as logs:
            await wire.send(HOSTILE[name])
            reply = await wire.reply()

            assert (reply.status, reply.body) == (400, b'{"error": "bad request"}')
            assert reply.headers["Server"] == "visual-router"
            assert await wire.closed()

        assert stage.inbox.calls == []
        assert stage.counted("", 400) + stage.counted("open", 400) == 1
        assert len(logs) == 1
        assert "evil" not in str(logs)
        assert "exc_info" not in logs[0]


async def test_chunks_that_break_off_in_the_middle_are_a_400() -> None:
    """The framing was fine until the body was half read."""
    async with serving(OPEN) as stage, stage.wire() as wire:
        await wire.send(HEAD + HOST + CHUNKED + b"Expect: 100-continue\r\n" + END)
        assert (await wire.reply()).status == 100

        with capture_logs() as logs:
            await wire.send(b"2\r\n{}\r\nzz\r\n")
            reply = await wire.reply()

            assert await wire.closed()

        assert (reply.status, reply.headers["Connection"]) == (400, "close")
        assert [line["event"] for line in logs] == ["body_undecodable"]
        assert stage.inbox.calls == []


async def test_what_frames_a_body_has_a_limit_too() -> None:
    """Trailers are kept as headers are: they end before there is an end to them."""
    async with serving(OPEN) as stage, stage.wire() as wire:
        await wire.send(HEAD + HOST + CHUNKED + b"Expect: 100-continue\r\n" + END)
        assert (await wire.reply()).status == 100

        await wire.send(CHUNKS[:-2] + LONG * 20)

        assert (await wire.reply()).status == 400
        assert await wire.closed()
        assert stage.inbox.calls == []


async def test_a_flood_of_bad_requests_is_a_few_lines() -> None:
    """A flood costs the log nothing; the counters stay exact."""
    async with serving(OPEN) as stage:
        with capture_logs() as logs:
            for _ in range(100):
                async with stage.wire() as wire:
                    await wire.send(HOSTILE["text"])
                    assert (await wire.reply()).status == 400
            for _ in range(100):
                await stage.ask(post("/nowhere"))

        assert len(logs) == 20
        assert {line["event"] for line in logs} == {"request_malformed", "hook_unknown"}
        assert stage.counted("", 400) == 100
        assert stage.counted("", 404) == 100


async def test_requests_share_a_connection() -> None:
    """Also after a refusal whose body had arrived; HTTP/1.0 closes as it says."""
    async with serving(OPEN, SIGNED) as stage, stage.wire() as wire:
        for path, status in (("/hooks/open", 202), ("/hooks/signed", 401), ("/x", 404), ("/hooks/open", 202)):
            await wire.send(post(path))
            reply = await wire.reply()
            assert reply.status == status
            assert "Connection" not in reply.headers

        await wire.send(post("/hooks/open").replace(b"HTTP/1.1", b"HTTP/1.0"))

        assert (await wire.reply()).status == 202
        assert await wire.closed()


async def test_requests_sent_ahead_are_answered_one_by_one() -> None:
    """In order, each with its own answer."""
    async with serving(OPEN) as stage, stage.wire() as wire:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(wire.send((post("/hooks/open") + post("/x")) * 250))
            statuses = [(await wire.reply()).status for _ in range(500)]

        assert statuses == [202, 404] * 250


async def test_an_upgrade_is_not_taken_up() -> None:
    """A client offers HTTP/2 with its POST, as curl does: it is answered, and the connection ends.

    What followed in the same packet is not all there any more: a body could be taken for a request.
    """
    request = post("/hooks/open", headers={"Connection": "Upgrade", "Upgrade": "h2c"})
    async with serving(OPEN) as stage, stage.wire() as wire:
        await wire.send(request + post("/hooks/open", post("/hooks/smuggled")))
        reply = await wire.reply()

        assert (reply.status, reply.headers["Connection"]) == (202, "close")
        assert await wire.closed()
        assert len(stage.inbox.events) == 1


async def test_many_small_chunks_hold_up_nothing_behind_them() -> None:
    """The parser pauses after 1,024 chunks that nobody read: what comes then is a request like any other."""
    body = b'{"a":"%s"}' % (b"x" * 1017)
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    async with serving(OPEN) as stage, stage.wire() as wire:
        await wire.send(post("/hooks/open", chunks, {"Transfer-Encoding": "chunked"}))
        assert (await wire.reply()).status == 202
        await wire.send(post("/hooks/open"))
        assert (await wire.reply()).status == 202


async def test_the_rest_of_many_small_chunks_may_come_later() -> None:
    """Also where the pause fell between two packets."""
    body = b'{"a":"%s"}' % (b"x" * 2000)
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    whole = post("/hooks/open", chunks, {"Transfer-Encoding": "chunked"})
    border = whole.index(b"\r\n\r\n") + 4 + 1025 * 6
    async with serving(OPEN) as stage, stage.wire() as wire:
        await wire.send(whole[:border])
        await until(lambda: "visual_router_body_bytes_in_flight 0.0" not in stage.metrics.text().decode())
        await wire.send(whole[border:])

        assert (await wire.reply()).status == 202
        assert stage.inbox.events[0].payload == body


async def test_a_body_in_single_bytes_arrives_whole() -> None:
    """A thousand chunks of one byte are a body like any other."""
    body = b'{"a":"%s"}' % (b"x" * 1000)
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    async with serving(OPEN) as stage:
        reply = await stage.ask(post("/hooks/open", chunks, {"Transfer-Encoding": "chunked"}))

        assert reply.status == 202
        assert stage.inbox.events[0].payload == body


def test_the_parser_in_python_is_refused() -> None:
    """What parses strangers' bytes is the parser that is known; the message says what to do."""
    code = (
        "from router.errors import RouterError\nfrom router.server.wire import require_c_parser\n"
        "try:\n    require_c_parser()\nexcept RouterError as error:\n    print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "AIOHTTP_NO_EXTENSIONS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "aiohttp runs without its parser in C; unset AIOHTTP_NO_EXTENSIONS\n"
