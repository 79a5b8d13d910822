"""The daemon under what its unit forbids: everything still works."""

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hostile.senders import BODY, ask, post
from tests.hostile.target import Target
from tests.process.harness import Destination, percy_headers

HARDEN = Path(__file__).with_name("harden.py")
UNIT = Path(__file__).parents[2] / "systemd" / "visual-router.service"
EXECUTABLE = "import mmap; mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)"
FORBIDDEN = "import os; os.sched_setaffinity(0, {0})"

CONFIG = """
sources:
  web: {{type: chromatic, unsigned: true}}
  percy: {{type: percy, secret: "env:PERCY"}}
sinks:
  hook: {{type: webhook, url: "http://localhost:{port}/hook"}}
  chat: {{type: slack, url: "env:SLACK", rate: null}}
  safe: {{type: webhook, url: "https://localhost:{port}/", timeout: 2s}}
  lines: {{type: log}}
  archive: {{type: file, path: archive.jsonl}}
rules:
  - {{name: some, when: {{branch: "re:m[a-z]+"}}, to: [chat, safe]}}
  - {{name: everything, to: [hook, lines, archive]}}
"""


def calls_of_the_unit() -> set[str]:
    """The system calls that the unit's SystemCallFilter= lines leave, by systemd's own lists."""
    done = subprocess.run(
        ["systemd-analyze", "syscall-filter"], capture_output=True, text=True, check=True, timeout=50
    )
    groups: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        word = line.strip()
        if line.startswith("@"):
            groups[word] = []
        elif word and not word.startswith("#") and groups:
            list(groups.values())[-1].append(word)

    def expanded(name: str) -> set[str]:
        return set().union(*map(expanded, groups[name])) if name.startswith("@") else {name}

    allowed = expanded("@default")
    for line in re.findall(r"^SystemCallFilter=(.*)$", UNIT.read_text("utf-8"), re.MULTILINE):
        names = set().union(*map(expanded, line.removeprefix("~").split()))
        allowed = allowed - names if line.startswith("~") else allowed | names
    return allowed


def hardened(mode: str, folder: Path) -> list[str]:
    """The prefix of a command that is to run so; skips where this host cannot."""
    calls = "-"
    if "calls" in mode:
        if shutil.which("systemd-analyze") is None:
            pytest.skip("needs systemd-analyze, for systemd's lists of system calls")
        path = folder / "calls"
        path.write_text("\n".join(sorted(calls_of_the_unit())), "utf-8")
        calls = str(path)
    prefix = [sys.executable, str(HARDEN), str(int("memory" in mode)), calls]
    tried = subprocess.run([*prefix, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"not here: {tried.stderr.strip()}")
    return prefix


@pytest.mark.parametrize(("mode", "code"), [("memory", EXECUTABLE), ("calls", FORBIDDEN)])
def test_what_is_forbidden_fails(mode: str, code: str, tmp_path: Path) -> None:
    """The control: without this, the tests below would show nothing."""
    prefix = hardened(mode, tmp_path)
    free = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    bound = subprocess.run([*prefix, sys.executable, "-c", code], capture_output=True, check=False)

    assert free.returncode == 0
    assert b"PermissionError" in bound.stderr


@pytest.mark.parametrize("mode", ["memory", "calls", "memory and calls"])
async def test_everything_works_under_the_units_restrictions(
    mode: str, target: Callable[..., Target], destination: Destination, tmp_path: Path
) -> None:
    """Accept, verify, deliver by every kind of sink, reload, back up, crash, recover, stop."""
    env = {"PERCY": "secret", "SLACK": f"http://127.0.0.1:{destination.port}/slack"}
    daemon = target(CONFIG.format(port=destination.port), env)
    daemon.prefix = hardened(mode, tmp_path)
    await daemon.start()
    body = json.dumps({"data": {"id": "1", "attributes": {"event": "ping"}}}).encode()
    (name, value), *_ = percy_headers(body, "secret").items()

    answers = [(await ask(daemon.port, post("/hooks/web", BODY % number)))[0] for number in range(5)]
    answers += await ask(daemon.port, post("/hooks/percy", body, f"{name}: {value}"))
    refused = await ask(daemon.port, post("/hooks/percy", body, f"{name}: {value[:-1]}x"))
    await destination.until(lambda: len(destination.seen) == 11)

    assert [answer.status for answer in answers] == [202] * 6
    assert [answer.status for answer in refused] == [401]
    assert json.loads(await daemon.command("reload", "--json"))["ok"] is True
    daemon.signal(signal.SIGHUP)
    await daemon.command("backup", str(daemon.folder / "copy.db"))
    assert (daemon.folder / "copy.db").stat().st_size > 0

    daemon.kill()
    await daemon.start()
    assert [answer.status for answer in await ask(daemon.port, post("/hooks/web", BODY % 9))] == [202]
    await destination.until(lambda: len(destination.seen) >= 13)
    kept = (daemon.folder / "archive.jsonl").read_text("utf-8").splitlines()

    assert len(kept) >= 6
    sinks = {sink["name"]: sink for sink in (await daemon.ask("status"))["sinks"]}
    assert sinks["safe"]["state"] == "paused"  # the port speaks no TLS: the handshake was tried
    assert await daemon.stop() == 0
    assert not [record for record in daemon.records() if "exception" in record]
