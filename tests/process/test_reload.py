"""A reload swaps everything at once, or nothing."""

import json
import signal
from collections.abc import Callable
from pathlib import Path

import aiohttp
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


async def ready(router: Daemon) -> int:
    """The status of `/readyz`."""
    connector = aiohttp.UnixConnector(router.admin_at.removeprefix("unix:"))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get("http://router/readyz") as answer,
    ):
        return answer.status


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


async def test_a_reload_logs_what_the_start_would_warn_of(
    daemon: Callable[..., Daemon], destination: Destination
) -> None:
    """Who sends SIGHUP hears no answer."""
    router = await daemon(routed(destination.url, "main")).start()
    router.write(routed(destination.url, "main", "  spare: {type: log}"))
    router.signal(signal.SIGHUP)
    while "config_reloaded" not in router.log:
        assert await router.ask("status")
    warned = [line for line in map(json.loads, router.log.splitlines()) if line["event"] == "config_warning"]

    assert [(line["level"], line["problem"].partition(":")[2]) for line in warned] == [
        ("warning", "8:3: warning: no rule uses sink 'spare'; name it in a rule's 'to', or remove it")
    ]
    assert await router.stop() == 0


async def test_a_reload_and_a_start_name_the_sinks_that_are_owed_and_gone(
    daemon: Callable[..., Daemon], destination: Destination
) -> None:
    """Renaming a sink sends nothing after it: who does so must hear how much waits, and what helps."""
    config = routed(destination.url, "main")
    router = await daemon(config).start()
    destination.status = 503
    await post(f"{router.url}/hooks/web", BUILD % 1)
    await destination.until(lambda: destination.asked >= 1)
    router.write(config.replace("out", "new"))
    told = await router.command("reload")
    again = await router.ask("reload")

    assert "\nout is not in the configuration of this router, its deliveries wait (1); put it back" in told
    assert told.endswith(" discard --sink out\n")
    assert again["no_sink"] == {"out": 1}
    assert await router.stop() == 0

    await router.start()
    lines = [line for line in map(json.loads, router.log.splitlines()) if line["event"] == "sink_missing"]

    assert [(line["level"], line["sink"], line["pending"]) for line in lines] == [("warning", "out", 1)] * 3
    assert lines[-1]["fix"] == (
        "put it back and reload, or if it is gone for good: visual-router discard --sink out"
    )

    router.write(config)

    assert (await router.ask("reload"))["no_sink"] == {}
    assert await router.stop() == 0


async def test_a_mended_sink_gets_at_once_what_had_failed(
    daemon: Callable[..., Daemon], destination: Destination
) -> None:
    """Not after the hour that the old settings had earned it."""
    patient = routed(destination.url, "main").replace('hook"}', 'hook", retry: {schedule: [1h, 1h]}}')
    router = await daemon(patient).start()
    destination.status = 503
    await post(f"{router.url}/hooks/web", BUILD % 1)
    await destination.until(lambda: destination.asked >= 1)
    while not (await router.ask("status"))["sinks"][0]["pending"]:
        pass
    destination.status = 200
    router.write(patient.replace('/hook"', '/mended"'))

    assert (await router.ask("reload"))["changed"] == ["sinks.out"]

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


async def test_a_refused_reload_is_seen_until_the_next_good_one(
    daemon: Callable[..., Daemon], destination: Destination
) -> None:
    """Who sends SIGHUP hears no answer: log and status say it, and the daemon is ready all the same."""
    router = await daemon(routed(destination.url, "main")).start()
    router.write(routed(destination.url, "main").replace("to: out", "to: outt"), grace="6s")
    router.signal(signal.SIGHUP)
    while "reload_refused" not in router.log:
        assert await router.ask("status")
    refused = await router.ask("status")
    (told,) = [line for line in map(json.loads, router.log.splitlines()) if line["event"] == "reload_refused"]

    assert (told["level"], told["problems"]) == ("error", 1)
    assert told["effect"] == "the configuration before it stays in force"
    assert refused["config"] == str(router.config)
    assert refused["refused"]["problems"] == 1
    assert refused["refused"]["first"].endswith("sink 'outt' is not defined; did you mean 'out'?")
    assert refused["restart"] == []
    assert await ready(router) == 200
    assert "\nthe file on disk was refused at " in await router.command("status")

    router.write(routed(destination.url, "main"), grace="6s")
    await router.command("reload")
    good = await router.ask("status")

    assert (good["refused"], good["restart"]) == (None, ["server.grace"])
    assert await router.stop() == 0


async def test_a_reload_reads_the_secrets_in_files_and_says_which_others_it_does_not(
    daemon: Callable[..., Daemon], destination: Destination
) -> None:
    """A new value behind `env:` is that of another process."""
    secret = "a secret for the sources alone"
    config = routed(destination.url, "main").replace(
        "sinks:", "  app: {type: percy, secret: env:APP}\n  hap: {type: happo, secret: file:hap}\nsinks:"
    )
    router = daemon(config, {"APP": secret})
    value = router.folder / "hap"
    value.write_text(secret, "utf-8")
    value.chmod(0o600)
    await router.start()
    value.write_text(f"{secret}, and a new one", "utf-8")

    assert (await router.ask("reload"))["changed"] == ["sources.hap"]
    assert (await router.command("reload")).splitlines() == [
        "reloaded: nothing changed",
        f"read from {router.config}",
        "values behind env: were read when the router started; new ones take a restart",
    ]
    assert await router.stop() == 0
