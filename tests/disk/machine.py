"""The real daemon for trials of its disk: its journal in a folder of its own, its process under a tool.

`Machine` is the daemon of `tests/process`, started with words in front of its command (strace, prlimit), from
the package as it is or from a changed copy.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import anyio.to_thread

import router
from tests.process.harness import START_LIMIT, Daemon, Destination, happo_headers

SECRET = "correct horse battery staple"
_PACKAGE = Path(router.__file__).parent


class Machine(Daemon):
    """A daemon whose journal is `disk`/journal.db; `tool` are the words in front of its command."""

    def __init__(
        self, folder: Path, disk: Path, sinks: Mapping[str, str], package: Path | None = None
    ) -> None:
        self.disk = disk
        self.tool: Sequence[str] = ()
        lines = [f"  {name}: {{{settings}}}" for name, settings in sinks.items()]
        rules = f"  - {{name: everything, to: [{', '.join(sinks)}]}}"
        config = "\n".join(
            ["sources:", "  happo: {type: happo, secret: 'env:HAPPO'}", "sinks:", *lines, "rules:", rules, ""]
        )
        super().__init__(folder, config, {"HAPPO": SECRET})
        # Measuring or compiling what runs would write files of its own.
        self.env = {name: value for name, value in self.env.items() if not name.startswith("COV")}
        self.env |= {"PYTHONPATH": str(package or _PACKAGE.parent), "PYTHONDONTWRITEBYTECODE": "1"}

    def write(self, config: str, grace: str = "5s") -> None:
        """(Re)write the configuration."""
        super().write(config, grace)
        text = self.config.read_text("utf-8")
        self.config.write_text(text.replace(f"{self.folder}/journal.db", f"{self.disk}/journal.db"), "utf-8")

    def launch(self, env: Mapping[str, str] | None = None) -> None:
        """Start without waiting, under the tool."""
        command = [*self.tool, sys.executable, "-m", "router", "run", "--config", str(self.config)]
        with (self.folder / "stdout").open("ab") as out, (self.folder / "stderr").open("ab") as err:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env={**self.env, **(env or {})}, stdout=out, stderr=err
            )

    @property
    def pid(self) -> int:
        """The daemon's own process, also below strace."""
        assert self.process is not None
        if not self.tool or self.tool[0] != "strace":
            return self.process.pid
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0]) if children else self.process.pid

    def signal(self, number: signal.Signals) -> None:
        """Signal the daemon, not the tool."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """End the daemon, and with it the tool."""
        assert self.process is not None
        self.signal(signal.SIGKILL)
        self.process.wait(START_LIMIT)

    async def readiness(self) -> tuple[int, dict[str, Any]]:
        """What `/readyz` says."""
        connector = aiohttp.UnixConnector(f"{self.folder}/admin.sock")
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get("http://router/readyz") as answer,
        ):
            return answer.status, await answer.json()


class Sender:
    """Posts events of its own making and remembers every answer."""

    def __init__(self, machine: Machine, size: int = 1000) -> None:
        self.machine = machine
        self.size = size
        self.acknowledged: dict[str, bytes] = {}
        self.refused: list[tuple[int, str | None]] = []
        self.unanswered = 0
        self._number = 0

    async def post(self, session: aiohttp.ClientSession) -> int:
        """Post one event; returns the status, 0 if there was no answer."""
        self._number += 1
        body = b'{"type": "comparison", "data": {"hash": "%032x", "equal": false, "pad": "%s"}}' % (
            self._number,
            os.urandom(self.size // 2).hex().encode(),
        )
        url = f"{self.machine.url}/hooks/happo"
        try:
            async with session.post(url, data=body, headers=happo_headers(body, SECRET)) as answer:
                if answer.status == 202:
                    self.acknowledged[(await answer.json())["id"]] = body
                else:
                    self.refused.append((answer.status, answer.headers.get("Retry-After")))
                return answer.status
        except aiohttp.ClientError:
            self.unanswered += 1
            return 0

    async def send(self, count: int, at_once: int = 16) -> list[int]:
        """Post that many events, so many at once; returns their statuses."""
        statuses: list[int] = []
        turns = iter(range(count))

        async def some(session: aiohttp.ClientSession) -> None:
            statuses.extend([await self.post(session) for _ in turns])

        async with aiohttp.ClientSession() as session, anyio.create_task_group() as senders:
            for _ in range(min(at_once, count)):
                senders.start_soon(some, session)
        return statuses


async def settled(sink: Destination, count: int) -> None:
    """Wait until a destination took that many different deliveries."""
    await sink.until(lambda: len(set(sink.ids)) >= count)


def a_copy(folder: Path, *edits: tuple[str, str, str]) -> Path:
    """A copy of the package for PYTHONPATH, with edits: file, text that is there once, text in its place."""
    shutil.copytree(_PACKAGE, folder / "router", ignore=shutil.ignore_patterns("__pycache__"))
    for file, old, new in edits:
        path = folder / "router" / file
        text = path.read_text("utf-8")
        assert text.count(old) == 1, f"'{old}' is not once in {file}: this mutant needs a new place"
        path.write_text(text.replace(old, new), "utf-8")
    return folder


async def gone(machine: Machine, limit: float) -> int:
    """Wait for the process to end by itself; returns its exit code."""
    assert machine.process is not None
    async with asyncio.timeout(limit):
        return await anyio.to_thread.run_sync(machine.process.wait, abandon_on_cancel=True)
