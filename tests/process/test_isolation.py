"""A sink that misbehaves is its own problem."""

import asyncio
from collections.abc import Callable

import pytest

from tests.process.harness import Daemon, Destination, post
from tests.waiting import answered

BUILD = b'{"event": "build", "build": {"number": %d, "branch": "main", "status": "PENDING"}}'


def two_sinks(bad: str, good: str) -> str:
    """Everything goes to a sink that misbehaves and to one that does not."""
    return f"""
sources:
  web: {{type: chromatic, unsigned: true}}
sinks:
  bad: {{type: webhook, url: "{bad}", concurrency: 2}}
  good: {{type: webhook, url: "{good}"}}
rules:
  - {{name: everything, to: [bad, good]}}
"""


@pytest.fixture
async def misbehaving(destination: Destination) -> Destination:
    """The destination that a test spoils."""
    return destination


async def test_a_sink_that_hangs_slows_no_other(
    daemon: Callable[..., Daemon], misbehaving: Destination, second: Destination
) -> None:
    """Fifty events reach the good sink while the other answers nothing at all."""
    misbehaving.hang = asyncio.Event()
    router = daemon(two_sinks(misbehaving.url, second.url))
    router.write(two_sinks(misbehaving.url, second.url), grace="100ms")
    await router.start()
    for number in range(50):
        assert (await post(f"{router.url}/hooks/web", BUILD % number))[0] == 202
    await second.until(lambda: len(second.ids) == 50)

    await misbehaving.until(lambda: misbehaving.asked >= 2)
    assert misbehaving.asked == 2
    assert await router.stop() == 0


async def test_a_revoked_sink_is_paused_and_nothing_becomes_a_dead_letter(
    daemon: Callable[..., Daemon], misbehaving: Destination, second: Destination
) -> None:
    """410 pauses the sink over a restart; `resume` delivers everything that waited."""
    misbehaving.status = 410
    router = await daemon(two_sinks(misbehaving.url, second.url)).start()
    for number in range(5):
        await post(f"{router.url}/hooks/web", BUILD % number)
    await second.until(lambda: len(second.ids) == 5)
    await misbehaving.until(lambda: misbehaving.asked > 0)

    assert await router.stop() == 0

    misbehaving.status, asked = 200, misbehaving.asked
    await router.start()
    sinks = {sink["name"]: sink for sink in (await router.ask("status"))["sinks"]}

    assert (sinks["bad"]["state"], sinks["bad"]["reason"]) == ("paused", "answered 410")
    assert (sinks["bad"]["pending"], sinks["bad"]["dead"]) == (5, 0)
    assert misbehaving.asked == asked

    await router.command("resume", "bad")
    await misbehaving.until(lambda: len(misbehaving.ids) == 5)

    assert await router.stop() == 0


async def test_a_sink_that_asks_for_silence_gets_it(
    daemon: Callable[..., Daemon], misbehaving: Destination, second: Destination
) -> None:
    """429 with Retry-After holds the sink, uses up no attempt, and ends by itself."""
    misbehaving.status, misbehaving.headers = 429, {"Retry-After": "1"}
    router = await daemon(two_sinks(misbehaving.url, second.url)).start()
    _, answer = await post(f"{router.url}/hooks/web", BUILD % 1)
    await misbehaving.until(lambda: misbehaving.asked >= 1)
    misbehaving.status, misbehaving.headers = 200, {}
    await misbehaving.until(lambda: len(misbehaving.ids) == 1)
    await second.until(lambda: len(second.ids) == 1)
    deliveries = (await router.ask("show", str(answer["id"])))["deliveries"]
    held = next(one for one in deliveries if one["sink"] == "bad")

    assert held["failures"] == 0
    assert held["attempts"][0]["outcome"] == "hold"
    assert await router.stop() == 0


async def test_the_deliverys_own_fault_is_a_dead_letter_that_can_be_requeued(
    daemon: Callable[..., Daemon], misbehaving: Destination, second: Destination
) -> None:
    """400 kills the delivery with the answer's words; `requeue` brings it back."""
    misbehaving.status, misbehaving.body = 400, b"no such channel"
    router = await daemon(two_sinks(misbehaving.url, second.url)).start()
    _, answer = await post(f"{router.url}/hooks/web", BUILD % 1)
    await misbehaving.until(lambda: misbehaving.asked >= 1)
    dead = (await answered(lambda: router.ask("dead"), lambda page: bool(page["deliveries"])))["deliveries"]
    shown = (await router.ask("show", str(answer["id"])))["deliveries"]
    attempt = next(one for one in shown if one["sink"] == "bad")["attempts"][0]

    assert (dead[0]["reason"], attempt["status"], attempt["excerpt"]) == (
        "answered 400",
        400,
        "no such channel",
    )

    misbehaving.status = 200
    await router.command("requeue", dead[0]["id"])
    await misbehaving.until(lambda: len(misbehaving.ids) == 1)

    assert await router.stop() == 0
