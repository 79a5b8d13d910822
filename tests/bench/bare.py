"""The yardstick: an aiohttp handler that reads the body and answers 204.

python -m tests.bench.bare PORT
"""

import sys

from aiohttp import web


async def answer(request: web.Request) -> web.Response:
    """Read, answer, forget."""
    await request.read()
    return web.Response(status=204)


def main(port: int) -> None:
    """Serve until a signal ends it."""
    app = web.Application()
    app.router.add_post("/hooks/{path:.*}", answer)
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None)


if __name__ == "__main__":
    main(int(sys.argv[1]))
