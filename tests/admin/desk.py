"""The admin listener of a daemon whose loops do not turn: a journal on disk, all else as in the program."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path

import aiohttp
import msgspec

from router.admin.admin import Admin, Reload
from router.admin.reloads import RefusedReload
from router.clock import Clock
from router.config.load import load
from router.config.schema import Config
from router.delivery import Attempt, Settlement, State
from router.dispatch.dispatcher import Dispatcher
from router.intake import Intake
from router.journal import open_journal
from router.journal.journal import Journal, JournalSettings, Receipt, RefusedRequest
from router.metrics import Metrics
from router.secret import Secret
from router.server.settings import ServerSettings
from router.transport.transport import Lanes
from router.units import Listen

RULES = """
sources:
  web: {type: chromatic, unsigned: true}
sinks:
  design: {type: log}
  log: {type: log}
rules:
  - {name: main, when: {branch: main}, to: design}
  - {name: not bots, unless: {branch: "bot/**"}, to: log}
"""
BODY = b'{"event": "build", "n": 1.10, "build": {"number": %d, "branch": "%s", "status": "PENDING"}}'


class Program:
    """What the running program offers to operators, as a test wants it."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.intake: Intake | None = None
        self.started_at = 1_700_000_000.0
        self.reasons: list[str] = []
        self.reloaded = Reload(ok=True, problems=[], changed=[], restart=[])
        self.failure: Exception | None = None
        self.refused: RefusedReload | None = None
        self.pending_restart: list[str] = []

    def unready(self) -> list[str]:
        """As told."""
        return self.reasons

    async def release(self, refused: RefusedRequest, *, named: bool) -> Receipt:
        """As the intake does."""
        assert self.intake is not None
        return await self.intake.release(refused, named=named)

    async def reload(self) -> Reload:
        """As told."""
        if self.failure is not None:
            raise self.failure
        return self.reloaded


class Desk:
    """One daemon's admin side, with what it stands on."""

    def __init__(self, folder: Path, journal: Journal, transports: Lanes, clock: Clock) -> None:
        self.folder = folder
        self.journal = journal
        self.clock = clock
        self.metrics = Metrics()
        self.program = Program(self.read(RULES))
        self.dispatcher = Dispatcher(journal, transports, clock, self.metrics)
        self.intake = self.program.intake = Intake(journal, clock, journal.ids, self.metrics)
        self.admin = Admin(journal, self.dispatcher, self.metrics, self.program, clock)
        self._built = 0

    def read(self, text: str, *, resolve: bool = False) -> Config:
        """A configuration; its secrets are read only if it has any."""
        path = self.folder / "config.yaml"
        path.write_text(text, "utf-8")
        return load(str(path), resolve={} if resolve else None)

    async def use(self, text: str = RULES, *, resolve: bool = False) -> None:
        """Put a configuration into force."""
        config = self.program.config = self.read(text, resolve=resolve)
        await self.dispatcher.use(config.sinks, config.matcher.message)
        await self.journal.remember(config.matcher.digest, config.matcher.text)
        self.intake.use(config.sources, config.matcher)

    async def event(self, branch: str = "main") -> str:
        """Take an event in; returns its id."""
        self._built += 1
        body = BODY % (self._built, branch.encode())
        receipt = await self.intake.accept(self.intake.source("web"), {}, body, {})
        return receipt.id

    async def settle(self, sink: str, state: State, reason: str | None = None, due: float = 0.0) -> str:
        """Claim the oldest delivery of a sink and settle it; returns its id."""
        delivery = (await self.journal.claim({sink: 1})).claims[0].delivery
        tried = Attempt(
            number=delivery.claim, started_at=delivery.due, seconds=0.25, outcome=state.value, status=200,
            reason=reason, excerpt="said",
        )  # fmt: skip
        settlement = Settlement(
            delivery_id=delivery.id, claim=delivery.claim, state=state, reason=reason, attempt=tried, due=due
        )
        assert await self.journal.settle([settlement]) == []
        return delivery.id

    @asynccontextmanager
    async def open(self, token: str | None = None) -> AsyncIterator["Door"]:
        """Listen on a free port."""
        secret = None if token is None else Secret("env:TOKEN", token)
        settings = ServerSettings(admin=Listen(host="127.0.0.1", port=0), admin_token=secret)
        async with self.admin.listening(settings) as url, aiohttp.ClientSession(url) as session:
            yield Door(session)


class Door:
    """Asks over HTTP."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def ask(
        self, path: str, headers: Mapping[str, str] | None = None, method: str = "GET", body: object = None
    ) -> tuple[int, object]:
        """Status and JSON document, or text."""
        data = None if body is None else BytesIO(msgspec.json.encode(body))
        async with self._session.request(method, path, headers=headers, data=data) as response:
            is_json = response.content_type == "application/json"
            return response.status, await response.json() if is_json else await response.text()

    async def get(self, path: str) -> object:
        """The document of a 200."""
        status, document = await self.ask(f"/api/v1{path}")
        assert status == 200, document
        return document

    async def post(self, path: str, body: object = None) -> object:
        """The document of a 200."""
        status, document = await self.ask(f"/api/v1{path}", method="POST", body=body)
        assert status == 200, document
        return document

    async def refused(self, path: str, method: str = "GET", body: object = None) -> tuple[int, object]:
        """Status and document of what is not a 200."""
        return await self.ask(f"/api/v1{path}", method=method, body=body)

    async def posted(self, path: str, raw: bytes, headers: Mapping[str, str]) -> tuple[int, object]:
        """Status and JSON document of a body that is sent as it is."""
        async with self._session.post(f"/api/v1{path}", data=BytesIO(raw), headers=headers) as response:
            return response.status, await response.json()

    async def raw(self, path: str) -> tuple[int, bytes]:
        """Status and bytes."""
        async with self._session.get(path) as response:
            return response.status, await response.read()

    async def headers(self, path: str, method: str = "GET") -> Mapping[str, str]:
        """The headers of an answer."""
        async with self._session.request(method, path) as response:
            return response.headers


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Desk]:
    """A desk with its configuration in force."""
    clock = Clock()
    settings = JournalSettings(url=f"sqlite:{folder}/journal.db")
    async with open_journal(settings, clock) as journal, Lanes() as transports:
        desk = Desk(folder, journal, transports, clock)
        await desk.use()
        yield desk
