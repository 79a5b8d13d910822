"""Connections that never finish: all end by themselves, and honest senders do not notice."""

import asyncio
import time
from collections.abc import Callable

import pytest

from tests.hostile.level import LONG, level
from tests.hostile.onlooker import HEALTH, onlooker
from tests.hostile.senders import Slow, honest, slow_ones, statuses_of
from tests.hostile.target import RSS_LIMIT, Target
from tests.waiting import until

EACH = level(50, 1000)
# The long level judges the limits as they are without a word in the file; the suite has no time for those.
SETTINGS = "" if LONG else "body_timeout: 2s"
ALL_GONE = 15.0

CONFIG = """
sources:
  web: {type: chromatic, unsigned: true}
sinks:
  out: {type: log}
rules:
  - {name: everything, to: out}
"""


async def ended(kind: list[Slow]) -> float:
    """The seconds until the daemon ended the last of a kind."""
    began = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        for one in kind:
            tasks.create_task(one.run())
    return time.monotonic() - began


@pytest.mark.timeout(level(60, 300))
async def test_slow_connections_end_and_honest_ones_are_served_meanwhile(
    target: Callable[..., Target],
) -> None:
    """Idle, half a head, half a body, all of them also in drips: none stays, none takes a place for good."""
    daemon = await target(CONFIG, server=SETTINGS).start()
    before = daemon.open_files
    attackers = slow_ones(daemon.port, EACH)

    async with (
        onlooker(f"{daemon.folder}/admin.sock", HEALTH) as seen,
        honest(daemon.port) as statuses,
        asyncio.TaskGroup() as tasks,
    ):
        gone = {name: tasks.create_task(ended(kind)) for name, kind in attackers.items()}

    assert set(statuses) == {202}
    print(f"{7 * EACH} attackers, {len(statuses)} honest answers, {daemon.peak >> 20} MiB")
    took = {name: round(task.result(), 1) for name, task in gone.items()}
    print(f"seconds until the last of each kind was gone: {took}")
    print(seen.table("health, each 50 ms"))
    assert not LONG or max(took.values()) <= ALL_GONE, took
    assert set(seen.statuses()) == {200}
    assert len(statuses) > 10
    ends = {name: statuses_of(kind) for name, kind in attackers.items()}
    assert ends == {
        "idle": set(),
        "idle after a request": {404},
        "partial head": set(),
        "trickled head": ends["trickled head"],
        "partial body": {408},
        "trickled body": {408},
        "trickled chunks": {408},
    }
    assert ends["trickled head"] <= {400}
    await until(lambda: daemon.open_files <= before + 1)
    assert daemon.peak <= RSS_LIMIT
    assert await daemon.stop() == 0
    assert not [record for record in daemon.records() if record["level"] in ("error", "critical")]
