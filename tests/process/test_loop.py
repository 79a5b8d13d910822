"""The event loop that the daemon runs on."""

import json
from collections.abc import Callable

from tests.process.harness import Daemon

CONFIG = """
sources:
  web: {type: chromatic, unsigned: true}
sinks:
  log: {type: log}
rules:
  - {name: everything, to: log}
"""


async def test_the_log_says_which_loop_runs_and_nothing_else_of_it(
    loop: str, daemon: Callable[..., Daemon]
) -> None:
    """The fast one where it is installed; without it nobody is warned, at the start or the end."""
    router = await daemon(CONFIG).start()
    assert await router.stop() == 0

    records = [json.loads(line) for line in router.log.splitlines()]
    assert [record["event"] for record in records] == [
        "journal_created",
        "listening",
        "ready",
        "stopping",
        "stopped",
    ]
    assert records[1]["loop"] == loop
