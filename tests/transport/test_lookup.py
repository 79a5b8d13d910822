"""Names by the system's resolver, which may take its time."""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from router.errors import Unreachable
from router.sinks.sink import Request, Sink
from router.transport.lookup import Lookup
from router.transport.transport import Lanes
from router.units import Network
from tests.transport.servers import OK, Peer, Talk
from tests.waiting import LIMIT, until

LOOPBACK = (Network.parse("127.0.0.0/8"),)


async def answering(talk: Talk) -> None:
    """One answer."""
    await talk.hear()
    await talk.say(OK)


async def test_names_without_an_answer_keep_no_other_sink_waiting(
    listening: Callable[[Peer], Awaitable[Peer]],
    post: Callable[..., Request],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However few threads the loop has for names: two, of uvloop's."""
    answer, asked = threading.Event(), list[str]()

    def look_up(host: str, port: int, *_: object, **__: object) -> list[tuple[object, ...]]:
        asked.append(host)
        if host.startswith("slow") and answer.wait(LIMIT):
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    peer = await listening(Peer(answering))
    async with Lanes(connect=LIMIT) as lanes:

        async def fail(name: str) -> None:
            with pytest.raises(Unreachable, match="could not resolve the host name"):
                await lanes.lane(Sink(name=name)).send(post(f"http://{name}.example/"))

        async with asyncio.TaskGroup() as hanging:
            for name in ("slow-one", "slow-other", "slow-third"):
                hanging.create_task(fail(name))
            await until(lambda: len(asked) > 0)
            try:
                async with asyncio.timeout(LIMIT / 6):
                    named = lanes.lane(Sink(name="quick", allow_networks=LOOPBACK))
                    reply = await named.send(post(peer.url().replace("127.0.0.1", "quick.example")))
            finally:
                answer.set()

    assert reply.status == 200
    assert "quick.example" in asked


async def test_a_lookup_whose_time_is_up_is_left_alone_and_asked_for_no_second_time(
    post: Callable[..., Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for the thread that still asks, and the next attempts leave no further ones behind."""
    answer, asked, answered = threading.Event(), list[str](), list[str]()

    def look_up(host: str, *_: object, **__: object) -> list[object]:
        asked.append(host)
        answer.wait(LIMIT)
        answered.append(host)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    async with Lanes(connect=0.01) as lanes:
        try:
            for number in range(5):
                with pytest.raises(Unreachable, match=r"no connection within 0\.01 s"):
                    await lanes.lane(Sink(name=f"slow-{number % 2}")).send(post("http://slow.example/"))

            await until(lambda: asked != [])
            assert (asked, answered) == (["slow.example"], [])
        finally:
            answer.set()
        await until(lambda: answered == asked)
        lanes.lane(Sink(name="slow-0")).connect = LIMIT
        with pytest.raises(Unreachable, match="could not resolve the host name"):
            await lanes.lane(Sink(name="slow-0")).send(post("http://slow.example/"))


async def test_a_name_is_looked_up_anew_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it is today is for the system to know: a host that moved is found."""
    places = iter(("127.0.0.1", "127.0.0.2"))

    def look_up(_: str, port: int, *__: object, **___: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(places), port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    lookup = Lookup()
    found = [await lookup.resolve("moving.example", 80) for _ in range(2)]

    assert [[each["host"] for each in one] for one in found] == [["127.0.0.1"], ["127.0.0.2"]]


async def test_names_that_hang_take_so_many_threads_and_no_more(
    post: Callable[..., Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a name server that is away would use up what the journal and the files need."""
    answer, asked = threading.Event(), list[str]()

    def look_up(host: str, *_: object, **__: object) -> list[object]:
        asked.append(host)
        answer.wait(LIMIT)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    async with Lanes(connect=0.3) as lanes:

        async def fail(name: str) -> None:
            with pytest.raises(Unreachable):
                await lanes.lane(Sink(name=name)).send(post(f"http://{name}.example/"))

        try:
            async with asyncio.TaskGroup() as hanging:
                for number in range(40):
                    hanging.create_task(fail(f"slow-{number}"))

            await until(lambda: len(asked) >= 16)
            assert len(asked) == 16
        finally:
            answer.set()
            # Those who waited for a thread ask now: later they would ask the next test's names.
            await until(lambda: len(asked) == 40)
