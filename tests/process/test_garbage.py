"""Garbage at a hook that is known: it costs little, pushes out nothing, and nobody else notices."""

import time
from collections.abc import Callable

import anyio

from tests.process.harness import Daemon, Destination, happo_headers, percy_headers, post

SECRETS = {"HAPPO": "correct horse", "PERCY": "battery staple"}
PING = b'{"data": {"type": "webhook-events", "id": "1", "attributes": {"event": "ping"}}}'
FLOOD = 300


def config(url: str, extra: str = "") -> str:
    """Two signed sources and one sink."""
    return f"""
sources:
  happo: {{type: happo, secret: "env:HAPPO"}}
  percy: {{type: percy, secret: "env:PERCY"{extra}}}
sinks:
  out: {{type: webhook, url: "{url}"}}
rules:
  - {{name: all, to: out}}
"""


async def flood(url: str, headers: dict[str, str]) -> None:
    """Post garbage, sixteen at a time; every answer is the same 401."""
    slots = anyio.CapacityLimiter(16)

    async def one(number: int) -> None:
        async with slots:
            answer = await post(url, b'{"garbage": %d, "%s": 1}' % (number, b"x" * 5000), headers)
            assert answer == (401, {"error": "unauthorized"})

    async with anyio.create_task_group() as posting:
        for number in range(FLOOD):
            posting.start_soon(one, number)


async def test_a_flood_of_garbage_is_bounded_and_what_was_genuine_comes_back(
    daemon: Callable[..., Daemon], destination: Destination
) -> None:
    """A genuine request under a wrong secret, then the flood, with another source's events in between."""
    router = await daemon(config(destination.url), {**SECRETS, "PERCY": "not yet right"}).start()
    assert (await post(f"{router.url}/hooks/percy", PING, percy_headers(PING, SECRETS["PERCY"])))[0] == 401
    began = time.monotonic()
    await flood(f"{router.url}/hooks/percy", percy_headers(b"", "forged"))
    for number in range(20):
        body = b'{"type": "comparison", "data": {"hash": "%032x", "equal": false}}' % number
        status, _ = await post(f"{router.url}/hooks/happo", body, happo_headers(body, SECRETS["HAPPO"]))
        assert status == 202
    await destination.until(lambda: len(destination.ids) == 20)

    lasted = time.monotonic() - began
    assert await router.stop() == 0

    # A variable of the environment is read at the start only.
    router.env["PERCY"] = SECRETS["PERCY"]
    await router.start()
    kept = (await router.ask("status"))["quarantined"]
    assert kept.keys() == {"percy"}
    assert kept["percy"] <= min(FLOOD + 1, 11 + 10 * lasted)
    await router.command("reverify", "--all", code=1)
    await destination.until(lambda: len(destination.ids) == 21)

    (event,) = (await router.ask("events", "--source", "percy"))["events"]
    assert event["kind"] == "ping"
    assert (await router.ask("status"))["quarantined"]["percy"] == kept["percy"] - 1
    assert (await router.ask("quarantine", "discard", "--all", "--yes"))["count"] == kept["percy"] - 1
    assert await router.stop() == 0


async def test_nothing_is_kept_where_nothing_is_to_be(
    daemon: Callable[..., Daemon], destination: Destination
) -> None:
    """Strangers, wrong tokens, other methods, large bodies, and sources that say 0B."""
    extra = ", quarantine: 0B, max_body: 1KiB"
    guarded = config(destination.url, extra)
    guarded = guarded.replace("type: happo,", "type: happo, token: 'env:TOKEN',")
    router = await daemon(guarded, {**SECRETS, "TOKEN": "t0ken"}).start()

    for path, body, status in (
        ("/hooks/percy", PING, 401),
        ("/hooks/percy", b"x" * 2000, 413),
        ("/hooks/happo", b"{}", 401),
        ("/hooks/happo/wrong", b"{}", 401),
        ("/hooks/other", b"{}", 404),
    ):
        assert (await post(router.url + path, body))[0] == status
    assert (await post(f"{router.url}/hooks/happo/t0ken", b"{}"))[0] == 401
    assert await router.stop() == 0
    await router.start()

    (kept,) = (await router.ask("quarantine"))["requests"]
    assert (kept["source"], kept["reason"]) == ("happo", "the header 'X-Happo-Signature' is missing")
    assert await router.stop() == 0
    # The token guards the URL: it is nowhere in the journal.
    for file in router.folder.glob("journal.db*"):
        assert b"t0ken" not in file.read_bytes()
