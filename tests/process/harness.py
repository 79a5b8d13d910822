"""The real daemon as a child process, and a destination that does as it is told.

Nothing here blocks the loop: the destination answers in it.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import re
import signal
import socket
import subprocess
import sys
import weakref
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import anyio.to_thread
from aiohttp import web

from tests.canaries import SHORTEST, betrayed

PAYLOADS = Path(__file__).parents[1] / "sources" / "payloads"
START_LIMIT = 60.0
OUTPUTS = ("stdout", "stderr")
REFERENCE = re.compile(r"""\b(env|file|credential):([^\s"',\]}]+)""")


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def reserved_port(owner: object) -> int:
    """A port that the system gives to nobody else as long as `owner` lives, also while nobody listens.

    A bound socket that does not listen keeps it; a listener that says SO_REUSEADDR, as ours does, may join.
    """
    with socket.socket() as keeper:
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        keeper.bind(("127.0.0.1", 0))
        port = int(keeper.getsockname()[1])
        weakref.finalize(owner, os.close, keeper.detach())
    return port


class Daemon:
    """`visual-router run` in a folder of its own."""

    def __init__(self, folder: Path, config: str, env: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.port = reserved_port(self)
        self.config = folder / "config.yaml"
        self.admin_at = f"unix:{folder}/admin.sock"
        self.journal = f"url: 'sqlite:{folder}/journal.db'"
        self.write(config)
        self.env = {**os.environ, "NO_COLOR": "1", **(env or {})}
        self.prefix: list[str] = []
        self.process: subprocess.Popen[bytes] | None = None
        self.secrets: dict[str, str] = {}
        self.told: list[str] = []

    def write(self, config: str, grace: str = "5s") -> None:
        """(Re)write the configuration, below this daemon's own listeners and journal."""
        head = (
            f"server: {{listen: '127.0.0.1:{self.port}', admin: '{self.admin_at}', "
            f"grace: {grace}}}\n"
            f"journal: {{{self.journal}}}\n"
        )
        self.config.write_text(head + config, "utf-8")

    @property
    def url(self) -> str:
        """Where providers post."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """Everything it said on standard error, over all starts."""
        return (self.folder / "stderr").read_text("utf-8")

    @property
    def output(self) -> str:
        """Everything it said on standard output."""
        return (self.folder / "stdout").read_text("utf-8")

    async def start(self) -> "Daemon":
        """Start, and return when it says READY to its supervisor."""
        return await anyio.to_thread.run_sync(self._start)

    def _start(self) -> "Daemon":
        path = str(self.folder / "notify")
        Path(path).unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
            supervisor.bind(path)
            supervisor.settimeout(START_LIMIT)
            self.launch({"NOTIFY_SOCKET": path})
            while b"READY=1" not in supervisor.recv(4096):
                pass
        return self

    def launch(self, env: Mapping[str, str] | None = None) -> None:
        """Start without waiting, behind `prefix`: a command that ends in becoming the one given to it."""
        self.remember()
        with (self.folder / "stdout").open("ab") as out, (self.folder / "stderr").open("ab") as err:
            self.process = subprocess.Popen(
                [*self.prefix, sys.executable, "-m", "router", "run", "--config", str(self.config)],
                cwd=self.folder,
                env={**self.env, **(env or {})},
                stdout=out,
                stderr=err,
            )

    def kill(self) -> None:
        """The power switch, as far as the process is concerned."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        assert self.process is not None
        return self.process.poll() is None

    @property
    def waits(self) -> bool:
        """Whether a SIGHUP is on its way to the process."""
        assert self.process is not None
        with suppress(FileNotFoundError, ProcessLookupError):
            status = Path(f"/proc/{self.process.pid}/status").read_text("utf-8")
            pending = next(line for line in status.splitlines() if line.startswith("ShdPnd:"))
            return bool(int(pending.split()[1], 16) & 1)
        return False

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    async def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        self.signal(signal.SIGTERM)
        return await self.wait()

    async def wait(self) -> int:
        """Wait for the end; returns the exit code."""
        assert self.process is not None
        return await anyio.to_thread.run_sync(self.process.wait, START_LIMIT)

    async def command(self, *words: str, code: int = 0) -> str:
        """Run a command against this daemon; returns its standard output, or all it said if it is to fail."""
        return await anyio.to_thread.run_sync(self._command, words, code)

    def _command(self, words: tuple[str, ...], code: int) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "router", *words, "--config", str(self.config)],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=START_LIMIT,
            check=False,
        )
        self.remember()
        self.told += (done.stdout, done.stderr)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code == 0 else done.stdout + done.stderr

    async def ask(self, *words: str) -> Any:
        """The JSON answer of a command."""
        return json.loads(await self.command(*words, "--json"))

    def remember(self) -> None:
        """Keep the values that the configuration refers to now, by value: later there may be others."""
        text = self.config.read_text("utf-8", "replace") if self.config.exists() else ""
        folders = {
            "file": self.folder,
            "credential": Path(self.env.get("CREDENTIALS_DIRECTORY", self.folder)),
        }
        for scheme, name in REFERENCE.findall(text):
            path = folders[scheme] / name if scheme in folders else None
            if path is None:
                value = self.env.get(name, "")
            else:
                value = path.read_text("utf-8", "replace") if path.is_file() else ""
            if len(value.strip()) >= SHORTEST:
                self.secrets[value.strip()] = f"{scheme}:{name}"

    def leaks(self) -> list[str]:
        """Which of its secrets, by reference and never by value, came out where, and in which form."""
        self.remember()
        secrets = {f"{name}, value {at}": value for at, (value, name) in enumerate(self.secrets.items(), 1)}
        said = {path.name: path.read_bytes() for path in map(self.folder.joinpath, OUTPUTS) if path.exists()}
        return betrayed(secrets, said | {"the commands' output": "\n".join(self.told).encode()})


class Destination:
    """A sink that answers as told and remembers what it got."""

    def __init__(self) -> None:
        self.status = 200
        self.headers: dict[str, str] = {}
        self.body = b"ok"
        self.seen: list[tuple[dict[str, str], bytes]] = []
        self.asked = 0
        self.hang: asyncio.Event | None = None
        self._arrived = asyncio.Condition()
        self.port = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/hook"

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Remember and answer."""
        body = await request.read()
        self.asked += 1
        if self.hang is not None:
            await self._tell()
            await self.hang.wait()
        # Before anybody is told: who waits for this request may change what the next one is answered.
        answer = web.Response(status=self.status, headers=self.headers, body=self.body)
        if 200 <= self.status < 300:
            self.seen.append(({name.lower(): value for name, value in request.headers.items()}, body))
        await self._tell()
        return answer

    async def _tell(self) -> None:
        async with self._arrived:
            self._arrived.notify_all()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something that arrived makes it true."""
        async with self._arrived, asyncio.timeout(START_LIMIT):
            await self._arrived.wait_for(condition)

    @property
    def ids(self) -> list[str]:
        """The `webhook-id` of what it took, in order."""
        return [headers["webhook-id"] for headers, _ in self.seen]

    @property
    def documents(self) -> list[dict[str, Any]]:
        """The bodies of what it took, decoded."""
        return [json.loads(body) for _, body in self.seen]


@asynccontextmanager
async def listening() -> AsyncIterator[Destination]:
    """A destination on loopback."""
    sink = Destination()
    runner = web.ServerRunner(web.Server(sink.answer))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    sink.port = runner.addresses[0][1]
    yield sink
    if sink.hang is not None:
        sink.hang.set()
    await runner.cleanup()


def percy_headers(body: bytes, secret: str) -> dict[str, str]:
    """Percy's signature, written apart from the product."""
    return {"X-Percy-Digest": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


def happo_headers(body: bytes, secret: str) -> dict[str, str]:
    """Happo's signature, written apart from the product."""
    return {"X-Happo-Signature": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


def chromatic_headers(body: bytes, secret: str, now: float) -> dict[str, str]:
    """Chromatic's signature, written apart from the product: a JWT over the body's digest."""

    def part(value: object) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    claims = {"iss": "chromatic", "iat": int(now), "sha256": hashlib.sha256(body).hexdigest()}
    signed = part({"alg": "HS256", "typ": "JWT"}) + b"." + part(claims)
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    token = signed + b"." + base64.urlsafe_b64encode(digest).rstrip(b"=")
    return {"X-Webhook-Signature": token.decode()}


async def post(url: str, body: bytes, headers: Mapping[str, str] | None = None) -> tuple[int, dict[str, Any]]:
    """Post a body; returns status and answer."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=body, headers=dict(headers or {})) as answer,
    ):
        return answer.status, json.loads(await answer.read())
