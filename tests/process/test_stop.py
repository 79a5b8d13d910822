"""The process ends when it is told, whatever hangs."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable

import anyio
import pytest

from tests.process.harness import Daemon, Destination, post
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("loop")

BUILD = b'{"event": "build", "build": {"number": %d, "branch": "main", "status": "PENDING", "x": "%s"}}'


def hang_up(router: Daemon) -> None:
    """Send SIGHUP until the process is gone, each once the one before was taken.

    The kernel delivers it before SIGTERM: a flood would leave the process no time for anything else.
    """
    while router.alive:
        if not router.waits:
            router.signal(signal.SIGHUP)


def unread(router: Daemon) -> int:
    """Start with a standard output that nobody reads; returns its far end."""
    reading, writing = os.pipe()
    with (router.folder / "stderr").open("ab") as err:
        router.process = subprocess.Popen(
            [sys.executable, "-m", "router", "run", "--config", str(router.config)],
            cwd=router.folder,
            env=router.env,
            stdout=writing,
            stderr=err,
        )
    os.close(writing)
    return reading


async def test_an_unread_standard_output_does_not_keep_the_process(daemon: Callable[..., Daemon]) -> None:
    """A `log` sink into a pipe that nobody reads fails its own deliveries, and the process still ends."""
    router = daemon("""
sources:
  web: {type: chromatic, unsigned: true}
sinks:
  log: {type: log, format: json, timeout: 200ms, retry: {schedule: []}}
rules:
  - {name: everything, to: log}
""")
    router.write(router.config.read_text("utf-8").split("\n", 2)[2], grace="100ms")
    reading = unread(router)
    await until(lambda: '"ready"' in router.log)
    for number in range(40):
        assert (await post(f"{router.url}/hooks/web", BUILD % (number, b"x" * 4096)))[0] == 202

    assert await router.stop() == 0

    os.close(reading)


async def hanging(daemon: Callable[..., Daemon], destination: Destination) -> Daemon:
    """A router with a delivery in flight that is not answered."""
    destination.hang = asyncio.Event()
    text = f"""
sources:
  web: {{type: chromatic, unsigned: true}}
sinks:
  out: {{type: webhook, url: "{destination.url}", timeout: 60s}}
rules:
  - {{name: everything, to: out}}
"""
    router = daemon(text)
    # It lasts until somebody ends it, be it on a machine that stands still for a while.
    router.write(text, grace="50s")
    await router.start()
    await post(f"{router.url}/hooks/web", BUILD % (1, b""))
    await destination.until(lambda: destination.asked == 1)
    return router


async def test_a_late_hangup_does_not_end_a_shutdown(
    daemon: Callable[..., Daemon], destination: Destination
) -> None:
    """SIGHUP after SIGTERM is nothing; the deliveries in flight still get their grace."""
    router = await hanging(daemon, destination)
    router.signal(signal.SIGTERM)
    # Without a pause, since what matters is the instant in which the receiver of signals changes.
    async with anyio.create_task_group() as storm:
        storm.start_soon(anyio.to_thread.run_sync, hang_up, router)
        await until(lambda: "stopping" in router.log)
        assert destination.hang is not None
        destination.hang.set()

        assert await router.wait() == 0
    assert len(destination.ids) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_a_shutdown_at_once(
    daemon: Callable[..., Daemon], destination: Destination, number: signal.Signals
) -> None:
    """Whoever asks again does not want to wait for what is in flight."""
    router = await hanging(daemon, destination)
    router.signal(number)
    await until(lambda: "stopping" in router.log)
    router.signal(number)

    # By the system itself: an exception in the middle of something could leave behind what the end waits for.
    assert await router.wait() == -number
    assert "stopped" not in router.log
