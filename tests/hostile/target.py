"""The daemon that the hostile tests attack: settings of its own, and what may be read off it from outside."""

import asyncio
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp

from tests.process.harness import START_LIMIT, Daemon

# The child is measured by what it does, not by its lines: coverage would only make it slow.
MEASURING = ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG", "COV_CORE_DATAFILE")
CONTROL = re.compile(rb"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
RSS_LIMIT = 256 << 20


class Target(Daemon):
    """A daemon whose `server:` section may be set, with a look at its memory, metrics and log."""

    def __init__(
        self, folder: Path, config: str, env: Mapping[str, str] | None = None, server: str = ""
    ) -> None:
        self.server = server
        super().__init__(folder, config, env)
        for name in MEASURING:
            self.env.pop(name, None)

    def write(self, config: str, grace: str = "5s") -> None:
        """(Re)write the configuration below this daemon's own listeners, journal and settings."""
        settings = f"grace: {grace}" + (f", {self.server}" if self.server else "")
        self.config.write_text(
            f"server: {{listen: '127.0.0.1:{self.port}', admin: 'unix:{self.folder}/admin.sock', "
            f"{settings}}}\n"
            f"journal: {{url: 'sqlite:{self.folder}/journal.db'}}\n{config}",
            "utf-8",
        )

    @property
    def alive(self) -> bool:
        """Whether the process that was started still runs."""
        return self.process is not None and self.process.poll() is None

    @property
    def peak(self) -> int:
        """The most memory that the process ever held, in bytes."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text("utf-8")
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) << 10

    @property
    def open_files(self) -> int:
        """How many descriptors the process has."""
        assert self.process is not None
        return sum(1 for _ in Path(f"/proc/{self.process.pid}/fd").iterdir())

    async def admin(self, path: str, method: str = "GET", **options: Any) -> tuple[int, bytes]:
        """Status and body of an answer of the admin listener."""
        connector = aiohttp.UnixConnector(f"{self.folder}/admin.sock")
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.request(method, f"http://admin{path}", **options) as answer,
        ):
            return answer.status, await answer.read()

    async def ready(self) -> None:
        """Return when it says that it is ready; for one that was launched without a supervisor."""
        async with asyncio.timeout(START_LIMIT):
            while True:
                with suppress(aiohttp.ClientError):
                    if (await self.admin("/readyz"))[0] == 200:
                        return

    async def metrics(self) -> dict[str, float]:
        """Every series of `/metrics` by name and labels."""
        status, text = await self.admin("/metrics")
        assert status == 200
        lines = [line for line in text.decode().splitlines() if line and not line.startswith("#")]
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}

    def records(self) -> list[dict[str, Any]]:
        """Every line of standard error, each of which must be one JSON object without control bytes."""
        raw = (self.folder / "stderr").read_bytes()
        assert raw.endswith(b"\n") or not raw
        assert not CONTROL.search(raw), CONTROL.search(raw)
        found = [json.loads(line) for line in raw.splitlines()]
        assert all(isinstance(each, dict) and "event" in each for each in found)
        return found
