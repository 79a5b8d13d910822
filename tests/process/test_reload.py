"""A reload swaps everything at once, or nothing."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.process.harness import Daemon, Destination, post

BUILD = b'{"event": "build", "build": {"number": %d, "branch": "main", "status": "PENDING"}}'


def routed(url: str, branch: str, extra: str = "") -> str:
    """Events of one branch go to one webhook."""
    return f"""
sources:
  web: {{type: chromatic, unsigned: true}}
sinks:
  out: {{type: webhook, url: "{url}"}}
{extra}
rules:
  - {{name: one branch, when: {{branch: {branch}}}, to: out}}
"""


async def test_a_broken_file_leaves_the_old_rules_at_work(
    daemon: Callable[..., Daemon], destination: Destination
) -> None:
    """`reload` says what is wrong with its place, exits 2 or 1, and nothing changes."""
    router = await daemon(routed(destination.url, "main")).start()
    router.write(routed(destination.url, "main").replace("to: out", "to: outt"))
    answer = await router.command("reload", code=2)

    assert "config.yaml:10:50: sink 'outt' is not defined; did you mean 'out'?" in answer

    status, _ = await post(f"{router.url}/hooks/web", BUILD % 1)
    await destination.until(lambda: len(destination.ids) == 1)

    assert status == 202
    assert await router.stop() == 0


async def test_a_good_file_takes_effect_at_once(
    daemon: Callable[..., Daemon], destination: Destination
) -> None:
    """What no rule wanted before is delivered after a reload."""
    router = await daemon(routed(destination.url, "other")).start()
    _, unmatched = await post(f"{router.url}/hooks/web", BUILD % 1)
    router.write(routed(destination.url, "main"))

    assert (await router.ask("reload"))["changed"] == ["rules"]

    _, matched = await post(f"{router.url}/hooks/web", BUILD % 2)
    await destination.until(lambda: len(destination.ids) == 1)

    assert destination.documents[0]["data"]["id"] == matched["id"]
    # Which rules judged an event is kept: yesterday's answer is explained by yesterday's rules.
    assert not (await router.ask("show", str(unmatched["id"])))["explanation"]["verdicts"][0]["matched"]
    assert await router.stop() == 0


@pytest.mark.usefixtures("loop")
async def test_sighup_reloads_too(
    daemon: Callable[..., Daemon], destination: Destination, tmp_path: Path
) -> None:
    """The signal does what the command does."""
    archive = tmp_path / "archive.jsonl"
    router = await daemon(routed(destination.url, "other")).start()
    router.write(routed(destination.url, "main", f"  archive: {{type: file, path: {archive}}}"))
    router.signal(signal.SIGHUP)
    while "config_reloaded" not in router.log:
        assert await router.ask("status")
    await post(f"{router.url}/hooks/web", BUILD % 1)
    await destination.until(lambda: len(destination.ids) == 1)

    assert await router.stop() == 0


async def test_a_pending_restart_is_neither_forgotten_nor_invented(
    daemon: Callable[..., Daemon], destination: Destination
) -> None:
    """Compared is what runs, whatever was loaded in between."""
    router = await daemon(routed(destination.url, "main")).start()
    router.write(routed(destination.url, "main"), grace="6s")

    assert (await router.ask("reload"))["restart"] == ["server.grace"]
    assert (await router.ask("reload"))["restart"] == ["server.grace"]

    router.write(routed(destination.url, "main"))

    assert (await router.ask("reload"))["restart"] == []
    assert await router.stop() == 0
