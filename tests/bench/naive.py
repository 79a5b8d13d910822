"""What one writes in thirty lines: decode, answer 202, forward in the background. A crash loses all it holds.

python -m tests.bench.naive PORT SINK
"""

import asyncio
import sys
from collections.abc import AsyncIterator

import aiohttp
import msgspec
from aiohttp import web


class Forwarder:
    """One session, and a task per event."""

    def __init__(self, sink: str) -> None:
        self._sink = sink

    async def run(self, _: web.Application) -> AsyncIterator[None]:
        """Own session and tasks for as long as the server runs."""
        async with aiohttp.ClientSession() as self._session, asyncio.TaskGroup() as self._tasks:
            yield

    async def answer(self, request: web.Request) -> web.Response:
        """Decode, and forward later."""
        event = msgspec.json.decode(await request.read())
        self._tasks.create_task(self._forward(event))
        return web.Response(status=202)

    async def _forward(self, event: object) -> None:
        headers = {"Content-Type": "application/json"}
        async with self._session.post(self._sink, data=msgspec.json.encode(event), headers=headers) as answer:
            await answer.read()


def main(port: int, sink: str) -> None:
    """Serve until a signal ends it."""
    forwarder = Forwarder(sink)
    app = web.Application()
    app.cleanup_ctx.append(forwarder.run)
    app.router.add_post("/hooks/{path:.*}", forwarder.answer)
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
