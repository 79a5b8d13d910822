"""What is read before its turn: when enough waits, when there is room again, and what never ends."""

import asyncio

import pytest
from aiohttp import HttpVersion11
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from router.server.ahead import Ahead, Message
from router.server.edge import READ
from router.server.wire import AHEAD, HEAD_BYTES


async def message(value: bytes = b"") -> Message:
    """A request whose head has one header with that value."""
    headers = CIMultiDictProxy(CIMultiDict[str]())
    head = RawRequestMessage(
        "POST", "/x", HttpVersion11, headers, ((b"X", value),), should_close=False, compression=None,
        upgrade=False, chunked=False, url=URL("/x"),
    )  # fmt: skip
    loop = asyncio.get_running_loop()
    return head, StreamReader(BaseProtocol(loop), 1 << 16, loop=loop)


async def reading(ahead: Ahead, size: int, count: int = 1) -> bool:
    """Read so many bytes, with which so many requests come; whether enough wait."""
    ahead.unproductive += size
    return ahead.add([await message() for _ in range(count)])


async def test_requests_wait_until_there_are_enough() -> None:
    """Then more are read once half of them are answered: in steps, not one by one."""
    ahead = Ahead()
    enough = [await reading(ahead, 100) for _ in range(AHEAD)]

    assert enough == [False] * (AHEAD - 1) + [True]
    while len(ahead.requests) > AHEAD // 2:
        assert not ahead.has_room()
        ahead.requests.popleft()
    assert ahead.has_room()


async def test_few_but_large_requests_are_enough_too() -> None:
    """Of these, all are answered before more are read: nobody counts which bytes were whose."""
    ahead = Ahead()

    assert not await reading(ahead, READ)
    assert await reading(ahead, 1)
    ahead.requests.popleft()
    assert not ahead.has_room()
    ahead.requests.popleft()
    assert ahead.has_room()


async def test_what_was_read_counts_while_requests_wait() -> None:
    """A connection may say much, if it is answered in between."""
    ahead = Ahead()
    for _ in range(10):
        assert not await reading(ahead, READ)
        ahead.requests.clear()


@pytest.mark.parametrize(("size", "excessive"), [(HEAD_BYTES - 3, False), (HEAD_BYTES - 2, True)])
async def test_each_head_has_a_limit(size: int, excessive: bool) -> None:
    """Whatever stands before or behind it: path, names and values count."""
    ahead = Ahead()

    assert ahead.excessive([await message(), await message(b"x" * size)], 0) is excessive
    assert not ahead.excessive([await message()], 0)


async def test_what_frames_a_body_has_a_limit() -> None:
    """As long as the body grows, what was read was not all framing; if it does not, it was."""
    ahead = Ahead()
    for body in (1, 2, 1000):
        ahead.unproductive += HEAD_BYTES + 1
        assert not ahead.excessive([], body)
        assert ahead.unproductive == 0

    ahead.unproductive += HEAD_BYTES + 1
    assert ahead.excessive([], 1000)


async def test_the_next_body_grows_from_nothing() -> None:
    """What its predecessor came to says nothing about it."""
    ahead = Ahead()
    assert not ahead.excessive([], 1000)
    await reading(ahead, 100)

    assert not ahead.excessive([], 1)
    assert ahead.excessive([], 1)


async def test_a_head_without_an_end_is_excessive() -> None:
    """There is no body that could have grown."""
    assert Ahead().excessive([], 0)
