"""The sinks: a process of its own that answers by a script and writes down what arrived.

`python -m tests.torture.sinks '{"seed": …, "journal": …, "script": {"shaky": "failing"}}'` prints its port;
the path of a request names the sink. Lines on standard input: `calm` (from now on all answer 200); the end of
it ends the process. Each line of the journal is one request: [arrived, sink, webhook-id, attempt, generation,
event id, number, digest, sound, answer]. `generation` names the run of the router, `sound` says that the
signature was right, and answer is what was sent back. The event numbered `deadly` gets none: a line on
standard output asks for the end of whoever sent it.
"""

import asyncio
import json
import random
import sys
import time
from pathlib import Path

from tests.torture.orders import listen
from tests.torture.workload import digest_of, number_of, sink_signature

# Where the event that kills is deadly: at one sink, so that it can reach the others.
DEADLY = "steady"
_PAYLOAD = b'"payload":'


def behaviour(script: str, seed: int, delivery: str, attempt: str) -> tuple[str, float]:
    """What a sink of that script answers to an attempt, and after how many seconds. By the seed alone."""
    dice = random.Random(f"{seed}/{delivery}/{attempt}")
    luck = dice.random()
    if script == "slow":
        return "200", dice.uniform(0.02, 0.2)
    if script == "failing" and luck < 0.05:
        return "500", 0.0
    if script == "busy" and luck < 0.01:
        return "429", 0.0
    if script == "torn" and luck < 0.08:
        return dice.choice(("reset", "200+reset", "cut", "hang")), 0.0
    return "200", 0.0


class Sinks:
    """What all connections share: script and journal."""

    def __init__(self, seed: int, journal: str, script: dict[str, str], deadly: int | None) -> None:
        self.seed = seed
        self.deadly = deadly
        self.script = script
        self.journal = Path(journal).open("a", encoding="utf-8")  # noqa: SIM115  # closed by the process

    def order(self, line: str) -> None:
        """A line of standard input."""
        if line == "calm":
            self.script = {}


class Connection(asyncio.Protocol):
    """One connection of the router."""

    def __init__(self, sinks: Sinks) -> None:
        self._sinks = sinks
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._received += data
        head, found, rest = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        length = int(headers["content-length"])
        if len(rest) >= length:
            self._received = rest[length:]
            self._arrived(first.split(" ")[1].strip("/"), headers, rest[:length])

    def _arrived(self, sink: str, headers: dict[str, str], body: bytes) -> None:
        now = time.monotonic()
        document = json.loads(body)
        event = document["data"]
        delivery, attempt = headers["webhook-id"], headers["visual-router-attempt"]
        wanted = sink_signature(delivery, headers["webhook-timestamp"], body)
        sound = headers["webhook-signature"] == wanted and document["id"] == delivery
        payload = body[body.index(_PAYLOAD) + len(_PAYLOAD) : -2]
        answer, delay = behaviour(self._sinks.script.get(sink, "ok"), self._sinks.seed, delivery, attempt)
        record = [
            round(now, 4), sink, delivery, int(attempt), int(headers["x-generation"]),
            event["id"], number_of(event["commit"]), digest_of(payload), sound,
        ]  # fmt: skip
        if (sink, record[6]) == (DEADLY, self._sinks.deadly):
            # Whoever delivers this is to die of it; in a moment, so that it is alone as far as it can be.
            self._sinks.journal.write(json.dumps([*record, "killed"]) + "\n")
            asyncio.get_running_loop().call_later(0.5, lambda: print(delivery, flush=True))
            return
        asyncio.get_running_loop().call_later(delay, self._answer, answer, record)

    def _answer(self, answer: str, record: list[object]) -> None:
        if self._transport.is_closing():
            answer = "gone"
        self._sinks.journal.write(json.dumps([*record, answer]) + "\n")
        status = answer[:3]
        if status.isdigit():
            extra = "Retry-After: 1\r\n" if status == "429" else ""
            self._transport.write(f"HTTP/1.1 {status} x\r\n{extra}Content-Length: 2\r\n\r\nok".encode())
        elif answer == "cut":
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Le")
            self._transport.close()
        if answer.endswith("reset"):
            self._transport.abort()


def main() -> None:
    """The process."""
    orders = json.loads(sys.argv[1])
    sinks = Sinks(orders["seed"], orders["journal"], orders["script"], orders.get("deadly"))
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(
        loop.create_server(lambda: Connection(sinks), "127.0.0.1", 0, backlog=4096)
    )
    listen(loop, sinks.order, loop.stop)
    print(server.sockets[0].getsockname()[1], flush=True)
    loop.run_forever()
    sinks.journal.close()


if __name__ == "__main__":
    main()
