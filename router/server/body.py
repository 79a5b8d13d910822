"""Body: a request's bytes, read within a size, a time and the room that there is.

Must not know whose request it is, or what else is in flight.
"""

import asyncio
import io

from aiohttp import web

from router.errors import BodyTimeout, Undecodable
from router.server.budget import Portion
from router.server.pace import Pace
from router.server.request import Request

# Bytes from which on a body waits for its turn to be judged.
_LARGE = 64 << 10


async def read(request: Request, portion: Portion, pace: Pace, seconds: float) -> bytes:
    """The whole body as it was sent, as much as there is room for, within `seconds` from now.

    A client that expects `100 Continue` is told to go on.

    Raises:
        TooLarge, BodyTimeout, Unavailable: see there.
        Undecodable: its chunks are malformed.
        ConnectionError: the client went away.
    """
    try:
        return await _whole(request, portion, pace, seconds)
    except TimeoutError:
        raise BodyTimeout from None
    except web.RequestPayloadError:
        raise Undecodable("the body's framing is malformed") from None


async def _whole(request: Request, portion: Portion, pace: Pace, seconds: float) -> bytes:
    content = request.content
    # Most bodies are there already: they came with the headers.
    if content.is_eof():
        portion.take(content.total_bytes)
        portion.check()
        return content.read_nowait()
    cut = request.meter(portion.take)
    request.invite()
    # Unlike a bytearray it gives up its bytes without a copy.
    with io.BytesIO() as body:
        with portion.arriving(cut):
            async with asyncio.timeout(seconds):
                while chunk := await content.readany():
                    body.write(chunk)
        # A body that got no room ended there; nobody judges it, and it need not wait for that.
        portion.check()
        if body.tell() > _LARGE:
            await pace.turn(body.tell())
        return body.getvalue()
