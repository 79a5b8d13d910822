"""What a body names is text: no file of that name is looked at, no host asked, whatever its form."""

import asyncio
import json
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.hostile.senders import ask, post
from tests.hostile.target import Target
from tests.process.harness import PAYLOADS, Destination
from tests.waiting import until

# The calls that take a path, or an address.
CALLS = "trace=%file,connect"
TYPES = [
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain",
    None,
]
CONFIG = """
sources:
  chromatic: {{type: chromatic, unsigned: true}}
  percy: {{type: percy, unsigned: true}}
  happo: {{type: happo, unsigned: true}}
sinks:
  out: {{type: webhook, url: "{url}", template: "{{{{ payload.files.x.filepath }}}} {{{{ url }}}}"}}
  archive: {{type: file, path: {folder}/archive.jsonl}}
  log: {{type: log}}
rules:
  - {{name: everything, to: [out, archive, log]}}
"""


@pytest.fixture
def strace() -> list[str]:
    """The words that record a process and leave its id to it; skips where it is missing or may not trace."""
    path = shutil.which("strace")
    if path is None:
        pytest.skip("needs strace")
    words = [path, "-D", "-f", "--seccomp-bpf", "-q", "-e", CALLS, "-o"]
    tried = subprocess.run([*words, "/dev/null", sys.executable, "-c", ""], capture_output=True, check=False)
    if tried.returncode != 0:
        pytest.skip("needs the right to trace processes")
    return words


@pytest.fixture
async def canary() -> AsyncIterator[tuple[int, list[str]]]:
    """A port that nobody is to connect to, and who did."""
    heard: list[str] = []

    def sing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(str(writer.get_extra_info("peername")))
        writer.close()

    async with await asyncio.start_server(sing, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], heard


def naming(document: Any, names: list[str]) -> Any:
    """The document with a name in place of every text that is no single word: those may decide what it is."""
    if isinstance(document, dict):
        return {key: naming(value, names) for key, value in document.items()}
    if isinstance(document, list):
        return [naming(value, names) for value in document]
    if isinstance(document, str) and not document.replace("_", "").replace("-", "").isalpha():
        names.append(names.pop(0))
        return names[0]
    return document


def requests(names: list[str]) -> list[tuple[bytes, int]]:
    """Requests full of names under every type, and what they are answered."""
    upload = json.dumps({"event": "x", "files": {"x": {"filepath": names[0], "url": names[1]}}}).encode()
    form = (
        f'--x\r\nContent-Disposition: form-data; name="a"; filename="{names[0]}"\r\n\r\n@{names[0]}\r\n--x--'
    )
    bodies = [(source, upload, 202) for source in ("chromatic", "percy", "happo")]
    bodies += [("happo", form.encode(), 400), ("happo", f"payload=@{names[0]}&url={names[1]}".encode(), 400)]
    for case in ("chromatic/v2-build-pending", "percy/build_unreviewed", "happo/comparison-diffs"):
        text = (PAYLOADS / f"{case}.json").read_text("utf-8")
        document = naming(json.loads(text), list(names))
        bodies.append((case.partition("/")[0], json.dumps(document).encode(), 202))
    return [
        (dressed(source, names[0], body, kind), status) for source, body, status in bodies for kind in TYPES
    ]


def dressed(source: str, name: str, body: bytes, kind: str | None) -> bytes:
    """A request of that type; no two are alike."""
    lines = [] if kind is None else [f"Content-Type: {kind}"]
    return post(f"/hooks/{source}?file={name}", body + b" " * TYPES.index(kind), *lines)


async def test_nothing_that_a_body_names_is_opened_or_asked(
    target: Callable[..., Target],
    destination: Destination,
    canary: tuple[int, list[str]],
    strace: list[str],
    tmp_path: Path,
) -> None:
    """From its receipt to every kind of sink, and into the quarantine: the trace holds none of the names."""
    port, heard = canary
    named = tmp_path / "named-in-a-body"
    named.write_text("secret", "utf-8")
    names = [str(named), f"http://127.0.0.1:{port}/named-in-a-body", f"file://{named}", f"../{named.name}"]
    asked = requests(names)
    wanted = sum(status == 202 for _, status in asked)
    daemon = target(CONFIG.format(url=destination.url, folder=tmp_path))
    trace = tmp_path / "trace"
    daemon.prefix = [*strace, str(trace)]
    await daemon.start()

    statuses = [(await ask(daemon.port, request))[0].status for request, _ in asked]
    await destination.until(lambda: len(set(destination.ids)) == wanted)
    await until(lambda: len(daemon.output.splitlines()) == wanted)
    archive = tmp_path / "archive.jsonl"
    await until(lambda: len(archive.read_text("utf-8").splitlines()) == wanted)
    assert await daemon.stop() == 0
    assert daemon.process is not None
    last = re.compile(rf"^{daemon.process.pid} +\+\+\+ exited with 0 \+\+\+$", re.MULTILINE)
    await until(lambda: last.search(trace.read_text("utf-8", "replace")) is not None)
    said = trace.read_text("utf-8", "replace")

    assert statuses == [status for _, status in asked]
    assert str(named) in archive.read_text("utf-8")
    assert f'"{archive}"' in said
    assert [line for line in said.splitlines() if "named-in-a-body" in line] == []
    assert heard == []
