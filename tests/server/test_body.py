"""Bodies: their size and their time, and what their senders hear."""

import asyncio

import pytest
from anyio.lowlevel import checkpoint
from structlog.testing import capture_logs

from router.server.settings import ServerSettings
from router.units import Duration, Listen, Size
from tests.server.edge import BODY, GUARDED, OPEN, error_of, post, serving

LOOPBACK = Listen(host="127.0.0.1", port=0)
SMALL = type(OPEN)(name="small", unsigned=True, max_body=Size(64))
TOKEN = "t0ken-%C3%BC"


async def test_a_body_announced_too_large_is_refused_unread() -> None:
    """The answer comes though not one byte of the body does."""
    async with serving(OPEN) as stage, stage.wire() as wire:
        await wire.send(post("/hooks/open", b"", {"Content-Length": str((8 << 20) + 1)}))
        reply = await wire.reply()

        assert error_of(reply) == (413, b'{"error": "the body is too large"}')
        assert reply.headers["Connection"] == "close"


@pytest.mark.parametrize("size", [65, 100_000])
async def test_a_chunked_body_is_refused_once_it_is_too_large(size: int) -> None:
    """Its length is known to nobody: it is counted."""
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (size, b"x" * size)
    async with serving(SMALL) as stage:
        reply = await stage.ask(post("/hooks/small", body, {"Transfer-Encoding": "chunked"}))

        assert error_of(reply) == (413, b'{"error": "the body is too large"}')


async def test_each_source_has_its_own_limit() -> None:
    """The largest body that a source takes is taken."""
    exact = b'{"a":"%s"}' % (b"x" * 56)
    async with serving(SMALL) as stage:
        assert (await stage.ask(post("/hooks/small", exact))).status == 202
        assert (await stage.ask(post("/hooks/small", exact + b" "))).status == 413


@pytest.mark.parametrize("sent", [b"", b'{"a"'])
async def test_a_body_that_does_not_come_in_time_is_given_up(sent: bytes) -> None:
    """408 for a sender that stops; its connection is closed."""
    settings = ServerSettings(listen=LOOPBACK, body_timeout=Duration(0.05))
    async with serving(OPEN, settings=settings) as stage, stage.wire() as wire:
        await wire.send(post("/hooks/open", sent, {"Content-Length": "40"}))
        reply = await wire.reply()

        assert error_of(reply) == (408, b'{"error": "the body did not arrive in time"}')
        assert reply.headers["Connection"] == "close"
        assert stage.counted("open", 408) == 1


async def test_a_body_that_trickles_is_given_up() -> None:
    """The limit is for the whole body: a byte now and then does not extend it."""
    settings = ServerSettings(listen=LOOPBACK, body_timeout=Duration(0.1))
    async with serving(OPEN, settings=settings) as stage, stage.wire() as wire:
        await wire.send(post("/hooks/open", b"", {"Content-Length": str(OPEN.max_body)}))
        async with asyncio.TaskGroup() as tasks:

            async def trickle() -> None:
                while True:
                    await wire.send(b"x")
                    await checkpoint()

            drip = tasks.create_task(trickle())
            assert (await wire.reply()).status == 408
            drip.cancel()


async def test_a_large_body_is_taken_whole() -> None:
    """Also where two of them come at once."""
    body = b'{"a":"%s"}' % (b"x" * (3 << 20))
    async with serving(OPEN) as stage, asyncio.TaskGroup() as tasks:
        for end in (b"", b" "):
            tasks.create_task(stage.ask(post("/hooks/open", body + end)))

    assert {len(event.payload) for event in stage.inbox.events} == {len(body), len(body) + 1}


async def test_a_refused_sender_is_not_invited_to_send() -> None:
    """`100 Continue` comes after the checks that need no body."""
    async with serving(GUARDED) as stage:
        for path, first in (("/hooks/guarded/wrong", 401), (f"/hooks/guarded/{TOKEN}", 100)):
            async with stage.wire() as wire:
                await wire.send(post(path, b"", {"Expect": "100-continue", "Content-Length": str(len(BODY))}))
                reply = await wire.reply()
                assert reply.status == first
                if first == 100:
                    await wire.send(BODY)
                    assert (await wire.reply()).status == 202
                else:
                    assert reply.headers["Connection"] == "close"


async def test_a_sender_that_goes_away_leaves_nothing_behind() -> None:
    """It is counted; nobody is told, because nobody is to blame."""
    async with serving(OPEN) as stage:
        with capture_logs() as logs:
            async with stage.wire() as wire:
                await wire.send(post("/hooks/open", BODY[:5], {"Content-Length": str(len(BODY))}))
                wire.close()
            await stage.server.drain()

        assert stage.counted("open", 499) == 1
        assert logs == []
        assert "visual_router_body_bytes_in_flight 0.0" in stage.metrics.text().decode()
