"""A well-behaved client in a process of its own: asks every 50 ms and notes how long each answer took.

Beside the attackers' loop it would measure that loop; here it measures the daemon, and how late itself was.
"""

import json
import math
import select
import socket
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import anyio
import anyio.to_thread

EVERY = 0.05
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
_PATIENCE = 30.0
# How the daemon's answers end: a receipt, a refusal, the word of `/healthz`.
_ENDS = (b"}", b"ok\n")


class Glance(NamedTuple):
    """One request: its status (0: the connection broke without an answer), seconds, and the unsent bytes."""

    status: int
    seconds: float
    unsent: int


class Seen:
    """What an onlooker saw; complete once its `with` has ended. `late`: how late itself was, in seconds."""

    def __init__(self) -> None:
        self.glances: list[Glance] = []
        self.late: list[float] = []

    def statuses(self) -> Counter[int]:
        """How often it was answered what."""
        return Counter(glance.status for glance in self.glances)

    def times(self, status: int) -> list[float]:
        """How long the answers of that status took."""
        return [glance.seconds for glance in self.glances if glance.status == status]

    def table(self, name: str) -> str:
        """A row for each status, and one for its own lateness."""
        rows = [
            row(
                f"{name}, {status or 'reset'}",
                [each.seconds for each in self.glances if each.status == status],
            )
            for status in sorted(self.statuses())
        ]
        return "\n".join([HEAD, *rows, row("the onlooker's own lateness", self.late)])


def row(name: str, times: list[float]) -> str:
    """A row: how many, median, 99th percentile and most, in milliseconds."""
    if not times:
        return f"{name:<34}{0:>7}"
    return (
        f"{name:<34}{len(times):>7}{statistics.median(times) * 1e3:>9.1f}"
        f"{percentile(times, 99) * 1e3:>9.1f}{max(times) * 1e3:>9.1f}"
    )


HEAD = f"{'':<34}{'n':>7}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}"


def percentile(times: list[float], percent: float) -> float:
    """The smallest of them that so many percent do not exceed."""
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, math.ceil(len(ordered) * percent / 100) - 1)]


@asynccontextmanager
async def onlooker(where: str | int, request: bytes) -> AsyncIterator[Seen]:
    """Ask a port, or the path of a unix socket, again and again; an answer ends where its body does.

    `#` eight times in the request stands for a number that is another one each time.
    """
    seen = Seen()
    process = await anyio.to_thread.run_sync(_started, str(where), request)
    assert process.stdout is not None
    # Its first line says that it was answered once: from now on it watches.
    await anyio.to_thread.run_sync(process.stdout.readline)
    try:
        yield seen
    finally:
        with anyio.CancelScope(shield=True):
            said, _ = await anyio.to_thread.run_sync(process.communicate)
        glances, seen.late = json.loads(said)
        seen.glances += [Glance(*each) for each in glances]


def _started(where: str, request: bytes) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.hostile.onlooker", where],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(b"%d\n" % len(request) + request)
    process.stdin.flush()
    return process


def main() -> None:
    """Ask until standard input ends."""
    where = sys.argv[1]
    request = sys.stdin.buffer.read(int(sys.stdin.buffer.readline()))
    glances, late = [glance(where, request, 0)], []
    print(flush=True)
    due = time.monotonic() + EVERY
    for number in range(1, 1 << 31):
        ended, _, _ = select.select([sys.stdin], [], [], max(0.0, due - time.monotonic()))
        if ended:
            break
        late.append(time.monotonic() - due)
        glances.append(glance(where, request, number))
        due = max(due + EVERY, time.monotonic())
    print(json.dumps([glances[1:], late]))


def glance(where: str, request: bytes, number: int) -> Glance:
    """One request over a connection of its own, heard while it still talks."""
    data = memoryview(request.replace(b"#" * 8, b"%08d" % (10_000_000 + number)))
    began = time.monotonic()
    heard = b""
    sent = 0
    try:
        with _connected(where) as sock:
            while time.monotonic() - began < _PATIENCE and not heard.endswith(_ENDS):
                wanted = [sock] if sent < len(data) else []
                readable, writable, _ = select.select([sock], wanted, [], _PATIENCE)
                if readable:
                    heard += (piece := sock.recv(65536))
                    if not piece:
                        break
                elif writable:
                    sent += sock.send(data[sent : sent + (256 << 10)])
    except ConnectionError:
        pass
    status = int(heard[9:12]) if heard.startswith(b"HTTP/1.1 ") else 0
    return Glance(status, time.monotonic() - began, len(data) - sent)


def _connected(where: str) -> socket.socket:
    family = socket.AF_INET if where.isdigit() else socket.AF_UNIX
    sock = socket.socket(family)
    sock.settimeout(_PATIENCE)
    sock.connect(("127.0.0.1", int(where)) if where.isdigit() else where)
    sock.setblocking(False)
    return sock


if __name__ == "__main__":
    main()
