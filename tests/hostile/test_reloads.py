"""Reload after reload, most of them of broken files, while events come in: nobody notices."""

import asyncio
import itertools
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from router.config.load import load
from router.errors import ConfigError
from tests.hostile.level import level
from tests.hostile.senders import honest
from tests.hostile.target import Target
from tests.waiting import until

RELOADS = level(40, 1000)
BROKEN = sorted((Path(__file__).parents[1] / "config" / "broken").glob("*.yaml"))

CONFIG = """
sources:
  web: {{type: chromatic, unsigned: true}}
sinks:
  out: {{type: log}}
rules:
  - {{name: everything, to: out, message: "by {number}"}}
"""


def checked(path: Path) -> list[str]:
    """What `visual-router check` says is wrong with a file, as the daemon's environment has it."""
    try:
        load(path, resolve={})
    except ConfigError as error:
        return [str(problem) for problem in error.problems if not problem.warning]
    return []


@pytest.mark.timeout(level(120, 300))
async def test_reloads_under_load_refuse_no_event_and_agree_with_check(target: Callable[..., Target]) -> None:
    """A broken file leaves what is in force there, and is told as `check` tells it; a good one takes over."""
    daemon = await target(CONFIG.format(number=0)).start()
    broken = itertools.cycle(BROKEN)
    good = 0

    async with honest(daemon.port) as statuses:
        for number in range(1, RELOADS + 1):
            if number % 10 == 0:
                daemon.write(CONFIG.format(number=number))
                good = number
            else:
                daemon.config.write_bytes(next(broken).read_bytes())
            expected = checked(daemon.config)
            seen = len(statuses)
            async with asyncio.TaskGroup() as tasks:
                reload = tasks.create_task(daemon.admin("/api/v1/reload", "POST"))
                tasks.create_task(until(lambda seen=seen: len(statuses) > seen))
            status, body = reload.result()
            told = [problem for problem in json.loads(body)["problems"] if not problem["warning"]]
            assert status == (422 if expected else 200)
            assert [
                f"{each['path']}:{each['line']}:{each['column']}: {each['message']}" for each in told
            ] == expected
        # The second of them began under the last file.
        seen = len(statuses)
        await until(lambda: len(statuses) >= seen + 2)

    assert set(statuses) == {202}
    print(f"{RELOADS} reloads, {len(statuses)} events, {daemon.peak >> 20} MiB")
    await until(lambda: len(daemon.output.splitlines()) == len(statuses))
    assert any(line.endswith(f"by {good}") for line in daemon.output.splitlines())
    metrics = await daemon.metrics()
    assert metrics['visual_router_config_reloads_total{ok="false"}'] == RELOADS - RELOADS // 10
    assert await daemon.stop() == 0
    assert not [record for record in daemon.records() if "exception" in record]
