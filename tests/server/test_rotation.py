"""Who reads on, where many have much to say at once."""

import asyncio

from router.server.connection import Connection
from router.server.edge import Edge
from router.server.rotation import Rotation
from tests.server.hall import Hall
from tests.waiting import turns


class Reader:
    """Somebody who reads, told when to hold and when to go on."""

    def __init__(self, name: int, said: list[tuple[str, int]]) -> None:
        self._name = name
        self._said = said

    def hold(self) -> None:
        """Say so."""
        self._said.append(("hold", self._name))

    def release(self) -> None:
        """Say so."""
        self._said.append(("release", self._name))


class Ear(asyncio.Transport):
    """A transport that is read from, or not."""

    reading = True

    def pause_reading(self) -> None:
        """Not now."""
        self.reading = False

    def resume_reading(self) -> None:
        """Now."""
        self.reading = True


async def test_a_few_readers_are_never_held() -> None:
    """Four in one turn, and four more in the next."""
    rotation, said = Rotation(), list[tuple[str, int]]()
    for _ in range(3):
        for name in range(4):
            rotation.has_read(Reader(name, said), name)
        await turns(1)

    assert said == []


async def test_of_many_readers_those_that_began_first_go_on_first() -> None:
    """In whatever order they came this time; four in each turn."""
    rotation, said = Rotation(), list[tuple[str, int]]()
    for name in range(4):
        rotation.has_read(Reader(name, said), name)
    late = [20, 30, 12, 11, 10, 22]
    for name in late:
        rotation.has_read(Reader(name, said), name)
    assert said == [("hold", name) for name in late]
    said.clear()

    await turns(1)
    assert said == [("release", name) for name in sorted(late)[:4]]

    await turns(1)
    assert said == [("release", name) for name in sorted(late)]


async def test_what_is_dropped_is_read_beside_what_is_kept() -> None:
    """Those who have waited longest first: a refused sender is to hear its answer."""
    rotation, said = Rotation(), list[tuple[str, int]]()
    for name in range(40):
        rotation.has_read(Reader(name, said), None if name % 2 else name)
    said.clear()

    await turns(1)

    assert said == [
        *(("release", name) for name in range(4, 12, 2)),
        *(("release", name) for name in range(5, 13, 2)),
    ]


async def test_nothing_is_done_where_nobody_waits() -> None:
    """Once all are released there is no turn more to come."""
    rotation, said = Rotation(), list[tuple[str, int]]()
    for name in range(5):
        rotation.has_read(Reader(name, said), name)
    await turns()

    assert said == [("hold", 4), ("release", 4)]


async def test_a_connection_reads_on_when_nothing_holds_it_any_more() -> None:
    """Neither its turn nor what it has yet to take: the one must not end the other."""
    here, ear = Hall(), Ear()
    async with asyncio.TaskGroup() as tasks:
        edge = Edge(here.failed, 10, 60.0, tasks)
        connection = Connection(edge, here.answer)
        connection.connection_made(ear)
        connection.data_received(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")

        connection.hold()
        connection.pause_reading()
        connection.resume_reading()
        assert not ear.reading
        connection.release()
        assert ear.reading

        connection.hold()
        connection.pause_reading()
        connection.release()
        assert not ear.reading
        connection.resume_reading()
        assert ear.reading

        connection.connection_lost(None)
        await edge.emptied()
