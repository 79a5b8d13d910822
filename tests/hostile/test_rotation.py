"""A secret is rotated while events come in: nobody with a right key is ever refused, the old one ends."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

from tests.hostile.senders import ask, post
from tests.hostile.target import Target
from tests.process.harness import percy_headers

CONFIG = """
sources:
  signed: {{type: percy, secret: [{secrets}]}}
sinks:
  out: {{type: log}}
rules:
  - {{name: everything, to: out}}
"""


def reference(folder: Path, key: str) -> str:
    """A file that holds a key, as the configuration names it."""
    path = folder / f"{key}.secret"
    path.write_text(key, "utf-8")
    path.chmod(0o600)
    return f"'file:{path}'"


async def status(daemon: Target, key: str, number: int) -> int:
    """What an event signed by that key is answered."""
    body = json.dumps({"data": {"id": str(number), "attributes": {"event": "ping"}}}).encode()
    ((name, value),) = percy_headers(body, key).items()
    (answer,) = await ask(daemon.port, post("/hooks/signed", body, f"{name}: {value}"))
    return answer.status


async def test_rotating_a_secret_under_load_refuses_no_right_key(
    target: Callable[..., Target], tmp_path: Path
) -> None:
    """Old, then old and new, then new: reloads in the middle of events, each signed by a key in force."""
    old, new = reference(tmp_path, "old-key"), reference(tmp_path, "new-key")
    daemon = await target(CONFIG.format(secrets=old)).start()
    assert await status(daemon, "new-key", 0) == 401
    number = 1
    for secrets, key in ((f"{old}, {new}", "old-key"), (new, "new-key")):
        daemon.write(CONFIG.format(secrets=secrets))
        async with asyncio.TaskGroup() as tasks:
            reload = tasks.create_task(daemon.admin("/api/v1/reload", "POST"))
            sent = [tasks.create_task(status(daemon, key, number + each)) for each in range(50)]
        number += 50
        assert reload.result()[0] == 200
        assert [task.result() for task in sent] == [202] * 50

    assert await status(daemon, "old-key", number) == 401
    assert await daemon.stop() == 0
