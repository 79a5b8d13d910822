"""The room for bodies in flight: who gets it, who loses it to whom, and that it always comes back."""

import asyncio

import pytest

from router.errors import Unavailable
from router.metrics import Metrics
from router.server.budget import Budget
from router.server.settings import ServerSettings
from router.units import Listen, Size
from tests.server.edge import BODY, OPEN, error_of, post, serving
from tests.waiting import until

LOOPBACK = Listen(host="127.0.0.1", port=0)


async def test_bodies_in_flight_have_a_bound() -> None:
    """What does not fit beside those under way is told to come back; later there is room again."""
    settings = ServerSettings(listen=LOOPBACK, in_flight=Size(60))
    async with serving(OPEN, settings=settings) as stage, stage.wire() as first:
        stage.inbox.gate = asyncio.Event()
        await first.send(post("/hooks/open"))
        await stage.inbox.asked.wait()
        held = stage.metrics.text().decode()
        second = await stage.ask(post("/hooks/open"))
        stage.inbox.gate.set()

        assert f"visual_router_body_bytes_in_flight {len(BODY)}.0" in held
        assert error_of(second) == (503, b'{"error": "try again later"}')
        assert second.headers["Retry-After"] == "1"
        assert (await first.reply()).status == 202
        assert (await stage.ask(post("/hooks/open"))).status == 202
        assert "visual_router_body_bytes_in_flight 0.0" in stage.metrics.text().decode()


async def test_a_body_that_has_no_room_is_refused_unread() -> None:
    """The answer comes though not one byte of the body does, and the journal is not asked."""
    settings = ServerSettings(listen=LOOPBACK, in_flight=Size(60))
    async with serving(OPEN, settings=settings) as stage, stage.wire() as first, stage.wire() as second:
        stage.inbox.gate = asyncio.Event()
        await first.send(post("/hooks/open"))
        await stage.inbox.asked.wait()
        await second.send(post("/hooks/open", b"", {"Content-Length": "40", "Expect": "100-continue"}))
        refused = await second.reply()
        stage.inbox.gate.set()

        assert error_of(refused) == (503, b'{"error": "try again later"}')
        assert refused.headers["Retry-After"] == "1"
        assert refused.headers["Connection"] == "close"
        assert (await first.reply()).status == 202
        assert len(stage.inbox.events) == 1


@pytest.mark.parametrize("size", [61, 40_000, 1 << 20])
async def test_a_body_that_outgrows_the_room_is_refused_as_it_arrives(size: int) -> None:
    """Nobody waits for the rest of it, takes it for its end, or keeps what came; its sender hears why."""
    settings = ServerSettings(listen=LOOPBACK, in_flight=Size(60))
    async with serving(OPEN, settings=settings) as stage, stage.wire() as wire:
        await wire.send(post("/hooks/open", b"", {"Transfer-Encoding": "chunked"}))
        await wire.send(b"1\r\n{\r\n")
        await until(lambda: "visual_router_body_bytes_in_flight 1.0" in stage.metrics.text().decode())
        await wire.send(b"%x\r\n%s\r\n" % (size, b"x" * size))

        assert error_of(await wire.reply()) == (503, b'{"error": "try again later"}')
        assert await wire.closed()
        assert "visual_router_body_bytes_in_flight 0.0" in stage.metrics.text().decode()
        assert (await stage.ask(post("/hooks/open"))).status == 202


async def test_of_bodies_that_arrive_side_by_side_the_first_goes_on() -> None:
    """Each of them fits, not both: the one that began later makes room, or neither would ever be complete."""
    settings = ServerSettings(listen=LOOPBACK, in_flight=Size(60))
    head = post("/hooks/open", b"", {"Transfer-Encoding": "chunked"})
    async with serving(OPEN, settings=settings) as stage, stage.wire() as first, stage.wire() as second:
        await first.send(head + b"14\r\n" + BODY[:20] + b"\r\n")
        await until(lambda: "visual_router_body_bytes_in_flight 20.0" in stage.metrics.text().decode())
        await second.send(head + b"1e\r\n" + BODY[:30] + b"\r\n")
        await until(lambda: "visual_router_body_bytes_in_flight 50.0" in stage.metrics.text().decode())
        await first.send(b"14\r\n" + BODY[20:] + b"\r\n0\r\n\r\n")

        assert error_of(await second.reply()) == (503, b'{"error": "try again later"}')
        assert (await first.reply()).status == 202
        assert await second.closed()
        assert [event.payload for event in stage.inbox.events] == [BODY]
        assert "visual_router_body_bytes_in_flight 0.0" in stage.metrics.text().decode()


def test_who_has_no_room_takes_nobody_along() -> None:
    """It began last: its room would be that of those who came before it."""
    cut: list[str] = []
    budget = Budget(60, Metrics(), 10.0, lambda: 0.0)
    with budget.portion(100, 0) as first, budget.portion(100, 0) as second:
        with first.arriving(lambda: cut.append("first")), second.arriving(lambda: cut.append("second")):
            assert first.take(30)
            assert not second.take(50)
        first.check()
        with pytest.raises(Unavailable, match=r"^too much in flight$"):
            second.check()

    assert cut == []


async def test_of_large_bodies_that_arrive_side_by_side_the_last_is_refused_early() -> None:
    """What is still to come of the first has its room: nobody sends most of a body for nothing."""
    settings = ServerSettings(listen=LOOPBACK, in_flight=Size(300_000))
    body = b'{"a": "%b"}' % (b"x" * 199_991)
    announced = {"Content-Length": "200000"}
    async with serving(OPEN, settings=settings) as stage, stage.wire() as first, stage.wire() as second:
        await second.send(post("/hooks/open", body[:10], announced))
        await until(lambda: "visual_router_body_bytes_in_flight 10.0" in stage.metrics.text().decode())
        await first.send(post("/hooks/open", body[:9_000], announced))
        await until(lambda: "visual_router_body_bytes_in_flight 9010.0" in stage.metrics.text().decode())
        await second.send(body[10:9_000])

        assert error_of(await second.reply()) == (503, b'{"error": "try again later"}')
        assert error_of(await stage.ask(post("/hooks/open", body))) == (503, b'{"error": "try again later"}')

        await first.send(body[9_000:])
        assert (await first.reply()).status == 202
        assert (await stage.ask(post("/hooks/open", body))).status == 202
        assert "visual_router_body_bytes_in_flight 0.0" in stage.metrics.text().decode()


async def test_who_will_not_be_done_in_time_loses_the_room_kept_for_it() -> None:
    """A few beginnings must not keep everybody else out; who keeps pace is not disturbed."""
    settings = ServerSettings(listen=LOOPBACK, in_flight=Size(300_000))
    body = b'{"a": "%b"}' % (b"x" * 199_991)
    async with serving(OPEN, settings=settings) as stage, stage.wire() as slow:
        await slow.send(post("/hooks/open", body[:100_000], {"Content-Length": "200000"}))
        await until(lambda: "visual_router_body_bytes_in_flight 100000.0" in stage.metrics.text().decode())
        stage.time.monotonic += 5.9
        assert (await stage.ask(post("/hooks/open", body))).status == 503

        stage.time.monotonic += 0.2
        assert (await stage.ask(post("/hooks/open", body))).status == 202
        assert error_of(await slow.reply()) == (503, b'{"error": "try again later"}')
        assert "visual_router_body_bytes_in_flight 0.0" in stage.metrics.text().decode()


async def test_who_leaves_gives_back_what_was_kept_for_it() -> None:
    """Else a few beginnings would take all the room for good."""
    settings = ServerSettings(listen=LOOPBACK, in_flight=Size(300_000))
    body = b'{"a": "%b"}' % (b"x" * 199_991)
    async with serving(OPEN, settings=settings) as stage:
        async with stage.wire() as wire:
            await wire.send(post("/hooks/open", body[:9_000], {"Content-Length": "200000"}))
            await until(lambda: "visual_router_body_bytes_in_flight 9000.0" in stage.metrics.text().decode())
        await until(lambda: "visual_router_body_bytes_in_flight 0.0" in stage.metrics.text().decode())

        assert (await stage.ask(post("/hooks/open", body))).status == 202


async def test_an_announcement_takes_no_room() -> None:
    """Else whoever sends headers only would keep everybody else out."""
    settings = ServerSettings(listen=LOOPBACK, in_flight=Size(60))
    async with serving(OPEN, settings=settings) as stage, stage.wire() as silent:
        await silent.send(post("/hooks/open", b"", {"Content-Length": "59", "Expect": "100-continue"}))
        assert (await silent.reply()).status == 100

        assert (await stage.ask(post("/hooks/open"))).status == 202
