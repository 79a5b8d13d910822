"""How many connections the admin listener has, and whose ends when there are too many."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import cast

from aiohttp import web

from router.admin.room import Room, most
from router.secret import Secret
from router.server.settings import ServerSettings
from router.units import Listen
from tests.admin.desk import Desk
from tests.server.edge import Wire
from tests.waiting import LIMIT


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Wire]:
    """A connection to a port of loopback."""
    wire = Wire(*await asyncio.open_connection("127.0.0.1", port))
    try:
        yield wire
    finally:
        wire.close()


async def ended(wire: Wire) -> bool:
    """Wait for the end of a connection on which nothing was said."""
    async with asyncio.timeout(LIMIT):
        return await wire.closed()


class Parlour:
    """A server with room for so many; one request is answered when the gate opens."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.gate = asyncio.Event()
        self.asked = asyncio.Event()
        self.port = 0

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Answer, behind the gate if asked there."""
        with self.room.asking(request.protocol):
            if request.path == "/gate":
                self.asked.set()
                await self.gate.wait()
        return web.Response(text="ok")


@asynccontextmanager
async def parlour(most: int) -> AsyncIterator[Parlour]:
    """One on a free port."""
    found = Parlour(Room(most))
    runner = web.ServerRunner(web.Server(found.answer))
    await runner.setup()
    admit = partial(found.room.admit, cast(web.Server, runner.server))
    server = await asyncio.get_running_loop().create_server(admit, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    yield found
    server.close()
    await runner.cleanup()


def asking(path: str) -> bytes:
    """A request as it stands on the wire."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


async def test_connections_that_say_nothing_keep_nobody_out(desk: Desk) -> None:
    """No token is needed to open them; they must not use up what the whole process has."""
    settings = ServerSettings(admin=Listen(host="127.0.0.1", port=0), admin_token=Secret("env:TOKEN", "t0k"))
    async with desk.admin.listening(settings) as url, AsyncExitStack() as stack:
        port = int(url.rpartition(":")[2])
        idle = [await stack.enter_async_context(connected(port)) for _ in range(most() + 1)]

        assert await ended(idle[0])
        await idle[-1].send(asking("/healthz"))
        assert (await idle[-1].reply()).status == 200


async def test_idle_connections_cut_no_call_under_way(desk: Desk) -> None:
    """However many come, and however long it takes: a backup is one."""
    settings = ServerSettings(admin=Listen(host="127.0.0.1", port=0), admin_token=Secret("env:TOKEN", "t0k"))
    async with desk.admin.listening(settings) as url, AsyncExitStack() as stack:
        port = int(url.rpartition(":")[2])
        busy = await stack.enter_async_context(connected(port))
        head = "POST /api/v1/backup HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer t0k\r\n"
        await busy.send(f"{head}Content-Length: 2\r\nExpect: 100-continue\r\n\r\n".encode())
        assert (await busy.reply()).status == 100
        idle = [await stack.enter_async_context(connected(port)) for _ in range(most())]

        assert await ended(idle[0])
        await busy.send(b"{}")
        assert (await busy.reply()).status == 400


async def test_who_waits_longest_makes_room() -> None:
    """Also who has asked before, and no less than who never did; the newest stay."""
    async with parlour(2) as here, AsyncExitStack() as stack:
        first, second, third = [await stack.enter_async_context(connected(here.port)) for _ in range(3)]
        assert await ended(first)
        await second.send(asking("/"))
        assert (await second.reply()).status == 200
        fourth = await stack.enter_async_context(connected(here.port))

        assert await ended(second)
        for wire in (third, fourth):
            await wire.send(asking("/"))
            assert (await wire.reply()).status == 200


async def test_who_is_being_answered_makes_room_last() -> None:
    """A backup takes its time; but slow requests alone must not keep everybody else out either."""
    async with parlour(2) as here, AsyncExitStack() as stack:
        busy, idle = [await stack.enter_async_context(connected(here.port)) for _ in range(2)]
        await busy.send(asking("/gate"))
        await here.asked.wait()
        late = await stack.enter_async_context(connected(here.port))
        assert await ended(idle)
        here.asked.clear()
        await late.send(asking("/gate"))
        await here.asked.wait()
        latest = await stack.enter_async_context(connected(here.port))

        assert await ended(busy)
        await latest.send(asking("/"))
        assert (await latest.reply()).status == 200
        here.gate.set()
        assert (await late.reply()).status == 200
