"""One connection between its transport and who asks: what no server can be made to do at the right moment."""

import asyncio

import pytest

from router.errors import Unreachable
from router.transport.exchange import Line
from tests.waiting import turns

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LARGE = bytes(3 << 20)


class Wire(asyncio.Transport):
    """A transport that only writes down what it is told."""

    def __init__(self, line: Line) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closing = False
        self.held = 0
        self.line = line
        line.connection_made(self)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Note it."""
        assert not self.closing
        self.written.append(bytes(data))

    def get_write_buffer_size(self) -> int:
        """What was written and is still here."""
        return self.held

    def is_closing(self) -> bool:
        """Whether it was closed."""
        return self.closing

    def abort(self) -> None:
        """Close."""
        self.closing = True

    def lose(self, error: Exception | None = None) -> None:
        """End the connection."""
        self.closing = True
        self.line.connection_lost(error)


async def test_a_connection_that_was_lost_before_it_was_used_says_so() -> None:
    """Nothing is written to it, and its owner does not wait for its end."""
    lines: set[Line] = set()

    for body in (b"", LARGE):
        line = Line(lines)
        Wire(line).lose(ConnectionResetError(104, "reset"))
        with pytest.raises(Unreachable) as error:
            await line.ask("POST", b"head", body)
        assert error.value.reason == "connection reset by peer"

    assert not lines


async def test_a_connection_in_use_is_known_to_who_closes_them_all() -> None:
    """From its first request until it is lost."""
    lines: set[Line] = set()
    line = Line(lines)
    wire = Wire(line)
    async with asyncio.TaskGroup() as group:
        group.create_task(line.ask("POST", b"head", b"body"))
        await turns()
        assert lines == {line}
        line.data_received(OK)

    wire.lose()

    assert not lines


async def test_a_connection_that_ends_behind_a_whole_answer_spoils_nothing() -> None:
    """Also if both come before anybody could look at the answer."""
    line = Line(set())
    wire = Wire(line)
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(line.ask("POST", b"head", b"body"))
        await turns()
        line.data_received(OK)
        wire.lose(ConnectionResetError(104, "reset"))

    assert (asking.result().status, asking.result().body) == (200, b"ok")


async def test_a_large_body_waits_for_room() -> None:
    """In pieces; a connection that is lost meanwhile is not written to any more."""
    line = Line(set())
    wire = Wire(line)
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(line.ask("POST", b"head", LARGE))
        await turns(1)
        line.pause_writing()
        begun = [*wire.written]
        await turns(50)
        assert wire.written == begun
        line.resume_writing()
        await turns(50)
        line.data_received(OK)

    assert asking.result().body == b"ok"
    assert b"".join(wire.written) == b"head" + LARGE
    assert max(map(len, wire.written)) <= 1 << 18
    assert line.usable


@pytest.mark.parametrize("full", [False, True])
async def test_an_early_answer_ends_a_large_body(full: bool) -> None:
    """The rest of it stays here, and the connection, which is owed the rest, is closed."""
    line = Line(set())
    wire = Wire(line)
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(line.ask("POST", b"head", LARGE))
        await turns(2)
        if full:
            line.pause_writing()
            await turns()
        line.data_received(OK)

    assert asking.result().status == 200
    assert len(b"".join(wire.written)) < len(LARGE)
    assert wire.closing
    assert not line.usable


async def test_a_request_that_is_still_on_its_way_out_ends_its_connection() -> None:
    """The answer came before the request had left."""
    line = Line(set())
    wire = Wire(line)
    wire.held = 1
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(line.ask("POST", b"head", b"body"))
        await turns()
        line.data_received(OK)

    assert asking.result().status == 200
    assert wire.closing


async def test_a_connection_that_is_closing_is_not_used_again() -> None:
    """Its loss is told a turn later; what is written meanwhile goes nowhere, or is an error."""
    line = Line(set())
    wire = Wire(line)
    async with asyncio.TaskGroup() as group:
        group.create_task(line.ask("POST", b"head", b"body"))
        await turns()
        line.data_received(OK)
    assert line.usable

    wire.closing = True

    assert not line.usable


async def test_a_dropped_connection_is_not_used_again() -> None:
    """Also if its transport would not say that it is closing."""
    line = Line(set())
    wire = Wire(line)
    async with asyncio.TaskGroup() as group:
        group.create_task(line.ask("POST", b"head", b"body"))
        await turns()
        line.data_received(OK)
    assert line.usable

    line.drop()
    wire.closing = False

    assert not line.usable
