"""The daemon under what its unit forbids: everything still works."""

import asyncio
import json
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from tests.hardening import hardened
from tests.process.harness import Daemon, Destination, percy_headers, post

EXECUTABLE = "import mmap; mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)"
FORBIDDEN = "import os; os.sched_setaffinity(0, {0})"
BODY = b'{"event": "build", "build": {"number": %d, "branch": "main", "status": "PENDING"}}'
PING = b'{"data": {"id": "1", "attributes": {"event": "ping"}}}'
CONFIG = """
sources:
  web: {{type: chromatic, unsigned: true}}
  percy: {{type: percy, secret: "file:{folder}/percy"}}
sinks:
  hook: {{type: webhook, url: "http://localhost:{port}/hook", secret: "env:SIGNING"}}
  chat: {{type: slack, url: "env:SLACK", rate: null}}
  text: {{type: webhook, url: "http://127.0.0.1:{port}/text", body: '{{"n": {{{{ build|tojson }}}}}}'}}
  safe: {{type: webhook, url: "https://localhost:{tls}/", ca: "{ca}"}}
  lines: {{type: log}}
  archive: {{type: file, path: archive.jsonl}}
rules:
  - {{name: some, when: {{branch: "re:m[a-z]+"}}, to: [chat, text, safe], message: "{{{{ branch|upper }}}}"}}
  - {{name: everything, to: [hook, lines, archive]}}
"""


@pytest.mark.parametrize(("mode", "code"), [("memory", EXECUTABLE), ("calls", FORBIDDEN)])
def test_what_is_forbidden_fails(mode: str, code: str, tmp_path: Path) -> None:
    """The control: without this, the tests below would show nothing."""
    prefix = hardened(mode, tmp_path)
    free = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    bound = subprocess.run([*prefix, sys.executable, "-c", code], capture_output=True, check=False)

    assert free.returncode == 0
    assert b"PermissionError" in bound.stderr


@asynccontextmanager
async def trusted(authority: trustme.CA) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A destination by TLS: its port, and what it was told."""
    heard: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if said := await reader.read(1 << 16):
            heard.append(said)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)
    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls) as server:
        yield server.sockets[0].getsockname()[1], heard


async def settled(router: Daemon, delivered: int) -> dict[str, dict[str, object]]:
    """Every sink once all of them together delivered so many and owe nothing."""
    while True:
        sinks = (await router.ask("status"))["sinks"]
        if sum(sink["delivered"] for sink in sinks) == delivered and not any(s["pending"] for s in sinks):
            return {sink["name"]: sink for sink in sinks}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("mode", ["memory", "calls", "memory and calls"])
async def test_everything_works_under_the_units_restrictions(
    mode: str, daemon: Callable[..., Daemon], destination: Destination, tmp_path: Path
) -> None:
    """Every kind of sink, TLS, templates, regexes, quarantine, reload, backup, a crash, recovery, a stop."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    env = {"SLACK": f"http://127.0.0.1:{destination.port}/slack", "SIGNING": "whsec_" + "MfKQ" * 8}
    async with trusted(authority) as (tls, heard):
        router = daemon("", env)
        router.write(
            CONFIG.format(port=destination.port, tls=tls, ca=tmp_path / "ca.pem", folder=router.folder)
        )
        secret = router.folder / "percy"
        secret.write_text("wrong", "utf-8")
        secret.chmod(0o600)
        router.prefix = hardened(mode, tmp_path)
        await router.start()

        assert [(await post(f"{router.url}/hooks/web", BODY % number))[0] for number in range(3)] == [202] * 3
        signed = percy_headers(PING, "right")
        assert (await post(f"{router.url}/hooks/percy", PING, signed))[0] == 401
        secret.write_text("right", "utf-8")
        assert (await router.ask("reload"))["ok"] is True
        while not (await router.ask("quarantine"))["requests"]:
            pass
        assert len((await router.ask("reverify", "--all"))["released"]) == 1
        await settled(router, 3 * 6 + 3)
        await router.command("backup", str(router.folder / "copy.db"))
        assert "sound" in await router.command("verify", str(router.folder / "copy.db"))

        router.kill()
        await router.start()
        assert (await post(f"{router.url}/hooks/web", BODY % 9))[0] == 202
        router.signal(signal.SIGHUP)
        sinks = await settled(router, 4 * 6 + 3)

        assert {name: sink["state"] for name, sink in sinks.items()} == dict.fromkeys(sinks, "ready")
        assert len(heard) == 4
        assert {"n": "9"} in destination.documents
        assert len((router.folder / "archive.jsonl").read_text("utf-8").splitlines()) == 5
        assert await router.stop() == 0
    records = [json.loads(line) for line in router.log.splitlines()]
    assert [record for record in records if "exception" in record] == []
