"""The sender: a process of its own that posts signed events in a closed loop and writes down what it saw.

`python -m tests.torture.sender '{"ports": […], "seed": …, "journal": …, …}'`; ends when its standard input
does. Who finds no answer at one port goes to the next one, as a load balancer would.
Each line of the journal is one request: [began, ended, number, outcome, status, event id, duplicate], times
from the monotonic clock, outcome one of ack, status, refused, reset, timeout.
"""

import asyncio
import itertools
import json
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.torture.workload import Sent, headers, sent

ANSWER_LIMIT = 60.0
_FLUSH_EVERY = 0.5


@dataclass
class Orders:
    """What one run of the sender is to do; `pace` is events per second in all, `first` the first number."""

    ports: list[int]
    seed: int
    journal: str
    connections: int = 16
    pace: float = 200.0
    first: int = 0


@dataclass(frozen=True)
class Seen:
    """What one request came to."""

    outcome: str
    status: int | None = None
    event_id: str | None = None
    duplicate: bool | None = None


class Line:
    """One connection, kept alive or not, that speaks just enough HTTP/1.1; `place` tells where it begins."""

    def __init__(self, ports: Sequence[int], place: int, *, keep: bool) -> None:
        self._ports = ports
        self._place = place
        self._keep = keep
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, event: Sent) -> Seen:
        """Send and wait for the answer."""
        try:
            async with asyncio.timeout(ANSWER_LIMIT):
                seen = await self._exchange(event)
            if seen.outcome == "ack":
                return seen
        except ConnectionRefusedError:
            seen = Seen("refused")
        except (ConnectionError, asyncio.IncompleteReadError):
            seen = Seen("reset")
        except TimeoutError:
            seen = Seen("timeout")
        self.close()
        self._place += 1
        return seen

    async def _exchange(self, event: Sent) -> Seen:
        if self._streams is not None and self._streams[0].at_eof():
            # The server said that it is done with this connection.
            self.close()
        if self._streams is None:
            self._streams = await asyncio.open_connection(
                "127.0.0.1", self._ports[self._place % len(self._ports)]
            )
        reader, writer = self._streams
        writer.write(self._request(event))
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(head.partition("content-length:")[2].split("\r\n", 1)[0])
        answer = await reader.readexactly(length)
        if not self._keep or "connection: close" in head:
            self.close()
        status = int(head.split(" ", 2)[1])
        if status != 202:
            return Seen("status", status)
        receipt = json.loads(answer)
        return Seen("ack", status, receipt["id"], receipt["duplicate"])

    def _request(self, event: Sent) -> bytes:
        lines = [
            f"POST /hooks/{event.provider} HTTP/1.1",
            "Host: router",
            f"Content-Length: {len(event.body)}",
        ]
        lines += [f"{name}: {value}" for name, value in headers(event, time.time()).items()]
        lines += [] if self._keep else ["Connection: close"]
        return "\r\n".join([*lines, "", ""]).encode() + event.body

    def close(self) -> None:
        """Let go of the connection."""
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None


class Sender:
    """All connections of one run."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._numbers = itertools.count(orders.first)
        self._next_at = time.monotonic()
        self._stopping = asyncio.Event()
        self._dice = random.Random(f"{orders.seed} resend")
        self._journal = Path(orders.journal).open("a", encoding="utf-8")  # noqa: SIM115  # closed at the end of `run`

    async def run(self) -> None:
        """Post until standard input ends; what is under way is finished."""
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), self._stopping.set)
        async with asyncio.TaskGroup() as workers:
            for place in range(self._orders.connections):
                workers.create_task(self._work(place))
            workers.create_task(self._flush())
        self._journal.close()

    async def _work(self, place: int) -> None:
        ports = self._orders.ports
        # Half of the connections to each port are kept.
        line = Line(ports, place, keep=place // len(ports) % 2 == 0)
        while not self._stopping.is_set():
            await self._turn()
            event = sent(self._orders.seed, next(self._numbers))
            while not await self._send(line, event) and self._dice.random() < 0.5:
                # Half of those who got no answer ask again, as a person would: it must not become two events.
                await self._turn()
        line.close()

    async def _send(self, line: Line, event: Sent) -> bool:
        began = time.monotonic()
        seen = await line.post(event)
        record = [
            round(began, 4), round(time.monotonic(), 4), event.number,
            seen.outcome, seen.status, seen.event_id, seen.duplicate,
        ]  # fmt: skip
        self._journal.write(json.dumps(record) + "\n")
        return seen.outcome == "ack"

    async def _turn(self) -> None:
        """Keep the pace; time lost is not made good by a burst."""
        now = time.monotonic()
        self._next_at = max(self._next_at + 1 / self._orders.pace, now - 0.1)
        await asyncio.sleep(self._next_at - now)

    async def _flush(self) -> None:
        while not self._stopping.is_set():
            self._journal.flush()
            await asyncio.sleep(_FLUSH_EVERY)


if __name__ == "__main__":

    async def main() -> None:
        """The process."""
        await Sender(Orders(**json.loads(sys.argv[1]))).run()

    asyncio.run(main())
