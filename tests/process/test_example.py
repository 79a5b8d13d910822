"""`make run` as a newcomer sees it: the example starts without a variable set, and `send` shows its way."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.process.harness import Daemon

EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"
CONFIG = """
sources: {web: {type: happo, unsigned: true}}
sinks: {lines: {type: log}}
rules: [{name: everything, to: lines}]
"""


def records(router: Daemon) -> list[dict[str, Any]]:
    """Its log, each line of which must be one JSON object."""
    return [json.loads(line) for line in router.log.splitlines()]


def to_try(line: str) -> list[str]:
    """The words of the line to paste, without the program and its configuration."""
    words = line.split()
    place = words.index("--config")
    del words[place : place + 2]
    return words[words.index("send") :]


def archived(router: Daemon) -> str:
    """All that it wrote into files of events."""
    return "".join(path.read_text("utf-8") for path in (router.folder / "var").glob("*.jsonl"))


async def test_the_example_starts_and_a_sample_comes_out_at_its_log_sink(
    daemon: Callable[..., Daemon],
) -> None:
    """It names the hook of each source and a line to try; that line works; its event is in both sinks."""
    router = daemon("")
    text = EXAMPLE.read_text("utf-8").replace("127.0.0.1:8080", f"127.0.0.1:{router.port}")
    router.config.write_text(text.replace("127.0.0.1:8081", f"unix:{router.folder}/admin.sock"), "utf-8")
    router.env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    router.env["PYTHONPATH"] = str(EXAMPLE.parent)
    router.launch()
    while '"event":"ready"' not in router.log:
        assert router.alive, router.log
    (told,) = [record for record in records(router) if record["event"] == "listening"]
    assert told["public"] == router.url
    assert told["hooks"] == [f"/hooks/{source}" for source in yaml.safe_load(text)["sources"]]
    answer = await router.command(*to_try(told["try"]))
    (event_id,) = re.findall(r"evt_\w+", answer)
    while event_id not in router.output or event_id not in archived(router):
        assert (await router.ask("show", event_id))["event"]["id"] == event_id

    assert await router.stop() == 0
    assert records(router)[-1]["event"] == "stopped"


def test_a_person_at_a_terminal_is_told_where_to_post_and_what_to_try(
    daemon: Callable[..., Daemon],
) -> None:
    """As `make run` shows it: a page instead of JSON."""
    router = daemon(CONFIG)
    terminal, inside = os.openpty()
    command = [sys.executable, "-m", "router", "run", "--config", str(router.config)]
    # At a terminal that it inherited from a service: the page is for whoever looks, not for the supervisor.
    env = {**router.env, "NOTIFY_SOCKET": str(router.folder / "nobody")}
    router.process = subprocess.Popen(
        command, cwd=router.folder, env=env, stdout=subprocess.DEVNULL, stderr=inside
    )
    os.close(inside)
    seen = b""
    while b"  try    " not in seen:
        seen += os.read(terminal, 4096)
    router.kill()
    os.close(terminal)

    assert f"web     happo  {router.url}/hooks/web  unsigned".encode() in seen
    assert f"  admin  unix:{router.folder}/admin.sock  ".encode() in seen
    assert b'{"' not in seen
