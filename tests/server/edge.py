"""The accept path on a real socket, over an inbox in memory: what the tests of its parts share."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from router.clock import Clock, Ids
from router.delivery import Route
from router.errors import Unknown
from router.event import Event
from router.intake import Intake
from router.journal.journal import Receipt, RefusedRequest, Stock
from router.metrics import Metrics
from router.rules.matcher import Matcher
from router.rules.rule import Rule
from router.secret import Secret
from router.server.server import Server
from router.server.settings import ServerSettings
from router.sources.happo import Happo
from router.sources.source import Source
from router.units import Listen

BODY = b'{"type":"comparison","status":"success"}'
SIGNED = Happo(name="signed", secret=(Secret("env:HAPPO", "s3cret"),))
OPEN = Happo(name="open", unsigned=True)
GUARDED = Happo(name="guarded", unsigned=True, token=Secret("env:TOKEN", "t0ken-ü"))
EVERYTHING = Rule(name="everything", to=("log",))


class Memory:
    """An inbox that keeps what it is given; `failure` is raised, `gate` is waited for, before it does."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.calls: list[tuple[list[Route], float | None, str, bool]] = []
        self.quarantined: dict[str, RefusedRequest] = {}
        self.bounds: list[tuple[int, int]] = []
        self.kept = asyncio.Event()
        self.failure: Exception | None = None
        self.gate: asyncio.Event | None = None
        self.asked = asyncio.Event()

    async def record(
        self,
        event: Event,
        routes: Sequence[Route],
        *,
        window: float | None,
        ruleset: str,
        flag_reuse: bool = False,
        released: str | None = None,
    ) -> Receipt:
        """Keep the event; the second with the same subject and body is a duplicate of the first."""
        self.asked.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        if released is not None:
            if released not in self.quarantined:
                raise Unknown(f"no refused request '{released}'")
            del self.quarantined[released]
        self.calls.append((list(routes), window, ruleset, flag_reuse))
        for known in self.events:
            same = (known.source, known.subject, known.payload) == (
                event.source,
                event.subject,
                event.payload,
            )
            if same and window != 0:
                return Receipt(known.id, duplicate=True)
        self.events.append(event)
        return Receipt(event.id, duplicate=False)

    async def quarantine(self, refused: RefusedRequest, *, most: int, most_bytes: int) -> None:
        """Keep a refused request."""
        if self.failure is not None:
            raise self.failure
        self.quarantined[refused.id] = refused
        self.bounds.append((most, most_bytes))
        self.kept.set()

    def stock(self) -> dict[str, Stock]:
        """What is kept by source."""
        found: dict[str, Stock] = {}
        for one in self.quarantined.values():
            known = found.get(one.source, Stock())
            found[one.source] = Stock(known.count + 1, known.bytes + one.size)
        return found

    async def remember(self, digest: str, rules: str) -> None:
        """Nobody asks for rules here."""


class Time:
    """A wall clock and a monotonic one that stand still until they are moved."""

    def __init__(self) -> None:
        self.wall = 1_800_000_000.0
        self.monotonic = 5_000.0

    def pass_by(self, seconds: float) -> None:
        """Let both go on."""
        self.wall += seconds
        self.monotonic += seconds

    def clock(self) -> Clock:
        """A clock that shows this time."""
        return Clock(lambda: self.wall, lambda: self.monotonic)


class Reply(NamedTuple):
    """An answer read from the wire."""

    status: int
    headers: dict[str, str]
    body: bytes


class Wire:
    """One connection, byte for byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        """Send bytes."""
        self.writer.write(data)
        await self.writer.drain()

    async def reply(self) -> Reply:
        """Read one answer."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        body = await self.reader.readexactly(int(headers.get("Content-Length", 0)))
        return Reply(int(first.split()[1]), headers, body)

    async def closed(self) -> bool:
        """Wait until the other side closes; whether it sent nothing more."""
        try:
            return await self.reader.read() == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        """Close this side."""
        self.writer.close()


class Stage:
    """A running server with everything around it."""

    def __init__(self, server: Server, intake: Intake, inbox: Memory, metrics: Metrics, time: Time) -> None:
        self.server = server
        self.intake = intake
        self.inbox = inbox
        self.metrics = metrics
        self.time = time
        self.address = ""

    @property
    def port(self) -> int:
        """The port of the first address."""
        return int(self.address.rpartition(":")[2])

    def url(self, path: str) -> str:
        """A URL of this server."""
        return f"{self.address}{path}"

    def counted(self, source: str, status: int) -> float:
        """How many answers of that status the metrics count."""
        start = f'visual_router_requests_total{{source="{source}",status="{status}"}} '
        lines = self.metrics.text().decode().splitlines()
        return sum(float(line.removeprefix(start)) for line in lines if line.startswith(start))

    @asynccontextmanager
    async def wire(self) -> AsyncIterator[Wire]:
        """A connection; closed at the end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        wire = Wire(reader, writer)
        try:
            yield wire
        finally:
            wire.close()

    async def ask(self, data: bytes) -> Reply:
        """The answer to bytes on a connection of their own."""
        async with self.wire() as wire:
            await wire.send(data)
            return await wire.reply()


def error_of(reply: Reply) -> tuple[int, bytes]:
    """Status and body, after what every refusal has in common was checked."""
    assert reply.headers["Server"] == "visual-router"
    assert reply.headers["Content-Type"] == "application/json"
    return reply.status, reply.body


def post(path: str, body: bytes = BODY, headers: Mapping[str, str] | None = None) -> bytes:
    """A POST as it stands on the wire."""
    lines = [f"POST {path} HTTP/1.1", "Host: x"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if not any(line.lower().startswith(("content-length", "transfer-encoding")) for line in lines):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


@asynccontextmanager
async def serving(
    *sources: Source,
    settings: ServerSettings | None = None,
    sockets: Sequence[socket.socket] | None = None,
    rules: Sequence[Rule] = (EVERYTHING,),
) -> AsyncIterator[Stage]:
    """A server with these sources on a free port of loopback."""
    time, inbox, metrics = Time(), Memory(), Metrics()
    clock = time.clock()
    intake = Intake(inbox, clock, Ids(clock), metrics)
    intake.use({source.name: source for source in sources}, Matcher(rules, "rules: []"))
    settings = settings or ServerSettings(listen=Listen(host="127.0.0.1", port=0))
    server = Server(intake, settings, metrics, now=lambda: time.monotonic)
    stage = Stage(server, intake, inbox, metrics, time)
    async with server.listening(sockets) as address:
        stage.address = address
        yield stage
