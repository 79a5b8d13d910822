"""Commands as a person or a script types them, against a daemon in this process or against none."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio.to_thread
from click.testing import CliRunner, Result

from router.cli import program
from router.config.load import load
from router.server.server import Server
from router.server.settings import ServerSettings
from router.units import Listen
from tests.admin.desk import RULES, Desk


class Shell:
    """Runs commands in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "router.yaml"

    def write(self, text: str, name: str = "router.yaml") -> str:
        """A file; returns its path."""
        path = self.folder / name
        path.write_text(text, "utf-8")
        return str(path)

    def run(self, *words: str, code: int = 0, stdin: bytes | None = None, **how: Any) -> Result:
        """Run a command; `code` is the exit code it must have."""
        arguments = [*words, "--config", str(self.config)] if self.config.exists() else list(words)
        result = CliRunner().invoke(program, arguments, input=stdin, prog_name="visual-router", **how)
        assert result.exit_code == code, (result.output, result.exception)
        return result


class Session(Shell):
    """A shell beside a running daemon."""

    def __init__(self, desk: Desk, port: int) -> None:
        super().__init__(desk.folder)
        self.desk = desk
        self.head = f"server: {{listen: '127.0.0.1:{port}', admin: 'unix:{desk.folder}/admin.sock'}}\n"
        self.write(self.head + RULES)
        desk.program.config = load(self.config)

    async def type(self, *words: str, code: int = 0, **how: Any) -> Result:
        """Run a command while the daemon answers."""
        return await anyio.to_thread.run_sync(lambda: self.run(*words, code=code, **how))

    async def read(self, *words: str, code: int = 0, **how: Any) -> Any:
        """The document that a command prints with `--json`."""
        return json.loads((await self.type(*words, "--json", code=code, **how)).stdout)


@asynccontextmanager
async def running(desk: Desk, token: object = None) -> AsyncIterator[Session]:
    """A daemon that listens on both sides."""
    public = ServerSettings(listen=Listen(host="127.0.0.1", port=0))
    server = Server(desk.intake, public, desk.metrics)
    admin = ServerSettings(admin=Listen(path=f"{desk.folder}/admin.sock"), admin_token=token)  # type: ignore[arg-type]  # a secret or none
    async with desk.admin.listening(admin), server.listening() as url:
        yield Session(desk, int(url.rpartition(":")[2]))
