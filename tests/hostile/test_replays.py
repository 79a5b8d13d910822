"""A request sent again and again, at once and over restarts: one event, one delivery."""

import asyncio
import json
import time
from collections.abc import Callable

import pytest

from tests.hostile.level import level
from tests.hostile.senders import ask, post
from tests.hostile.target import Target
from tests.process.harness import Destination, chromatic_headers, happo_headers, percy_headers

TIMES = level(100, 1000)
AT_ONCE = 50
KILLS = 3
SECRET = "a secret of the test"

CONFIG = """
sources:
  chromatic: {{type: chromatic, secret: "env:SECRET"}}
  percy: {{type: percy, secret: "env:SECRET"}}
  happo: {{type: happo, secret: "env:SECRET"}}
sinks:
  out: {{type: webhook, url: "{url}"}}
rules:
  - {{name: first, to: out}}
  - {{name: second, to: out}}
"""


@pytest.mark.timeout(120)
async def test_a_replay_is_one_event_and_one_delivery(
    target: Callable[..., Target], destination: Destination
) -> None:
    """Of each provider, fifty at once, over three kills: every answer names the first id."""
    daemon = await target(CONFIG.format(url=destination.url), {"SECRET": SECRET}).start()
    now = time.time()
    percy = json.dumps({"data": {"id": "77", "attributes": {"event": "ping"}}}).encode()
    build = b'{"event": "build", "build": {"number": 5, "branch": "main", "status": "PENDING"}}'
    requests = [
        post("/hooks/chromatic", build, *lines(chromatic_headers(build, SECRET, now))),
        post("/hooks/percy", percy, *lines(percy_headers(percy, SECRET))),
        post("/hooks/happo", build, *lines(happo_headers(build, SECRET))),
    ]
    ids: dict[int, set[str]] = {number: set() for number in range(len(requests))}
    fresh = 0

    for life in range(KILLS + 1):
        for _ in range(0, TIMES, AT_ONCE):
            async with asyncio.TaskGroup() as tasks:
                asked = [
                    (number, tasks.create_task(ask(daemon.port, request)))
                    for number, request in enumerate(requests)
                    for _ in range(AT_ONCE)
                ]
            for number, task in asked:
                (answer,) = task.result()
                assert answer.status == 202
                receipt = json.loads(answer.body)
                ids[number].add(receipt["id"])
                fresh += not receipt["duplicate"]
        await destination.until(lambda: len(set(destination.ids)) == 3)
        if life < KILLS:
            daemon.kill()
            await daemon.start()

    assert all(len(found) == 1 for found in ids.values()), ids
    assert fresh == 3
    assert len((await daemon.ask("events"))["events"]) == 3
    assert len((await daemon.ask("deliveries"))["deliveries"]) == 3
    assert len(set(destination.ids)) == 3
    assert await daemon.stop() == 0


def lines(headers: dict[str, str]) -> list[str]:
    """Headers as they stand on the wire."""
    return [f"{name}: {value}" for name, value in headers.items()]
