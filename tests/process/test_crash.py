"""What was acknowledged survives the process."""

import asyncio
from collections.abc import Callable

import anyio
import pytest

from tests.process.harness import Daemon, Destination, happo_headers, post
from tests.waiting import answered

SECRET = {"HAPPO": "correct horse battery staple"}
EVENTS = 200
# However long it takes until the sink is well again: nothing dies of that.
PATIENT = ", ".join(["1s"] * 100)


def routed_to(url: str) -> str:
    """Everything from Happo goes to one webhook."""
    return f"""
sources:
  happo: {{type: happo, secret: "env:HAPPO"}}
sinks:
  out: {{type: webhook, url: "{url}", retry: {{schedule: [{PATIENT}]}}}}
rules:
  - {{name: everything, to: out}}
"""


def body(number: int) -> bytes:
    """A comparison of its own."""
    return b'{"type": "comparison", "data": {"hash": "%032x", "equal": false}}' % number


async def accept_events(daemon: Daemon, count: int) -> set[str]:
    """Post `count` events, sixteen at a time; returns the acknowledged ids."""
    acknowledged: set[str] = set()
    slots = anyio.CapacityLimiter(16)

    async def one(number: int) -> None:
        async with slots:
            sent = body(number)
            status, answer = await post(
                f"{daemon.url}/hooks/happo", sent, happo_headers(sent, SECRET["HAPPO"])
            )
            assert status == 202
            acknowledged.add(str(answer["id"]))

    async with anyio.create_task_group() as posting:
        for number in range(count):
            posting.start_soon(one, number)
    return acknowledged


async def test_what_was_accepted_while_the_sink_was_down_arrives_after_a_crash(
    daemon: Callable[..., Daemon], destination: Destination
) -> None:
    """200 events, a sink that answers 503, `kill -9`, a restart: all arrive, each under one id."""
    destination.status = 503
    router = await daemon(routed_to(destination.url), SECRET).start()
    acknowledged = await accept_events(router, EVENTS)
    router.kill()
    destination.status = 200
    await router.start()
    await destination.until(lambda: len(set(destination.ids)) == EVENTS)

    delivered = {document["data"]["id"] for document in destination.documents}

    assert len(acknowledged) == EVENTS
    assert delivered == acknowledged
    assert await router.stop() == 0


async def test_a_second_daemon_on_the_same_journal_is_refused(
    daemon: Callable[..., Daemon], destination: Destination
) -> None:
    """It says who owns the journal and ends; the first goes on undisturbed."""
    first = await daemon(routed_to(destination.url), SECRET).start()
    second = daemon(routed_to(destination.url), SECRET)
    second.config.write_text(second.config.read_text().replace(str(second.folder), str(first.folder)))
    second.launch()

    assert await second.wait() == 1
    assert f"is in use by process {first.process.pid}" in second.log
    assert len(await accept_events(first, 3)) == 3

    await destination.until(lambda: len(destination.ids) == 3)

    assert await first.stop() == 0


@pytest.mark.usefixtures("loop")
async def test_stopping_gives_unfinished_deliveries_back_uncounted(
    daemon: Callable[..., Daemon], destination: Destination
) -> None:
    """SIGTERM while the sink hangs: after the grace period it is pending again, no failure counted."""
    destination.hang = asyncio.Event()
    router = daemon(routed_to(destination.url), SECRET)
    router.write(routed_to(destination.url), grace="100ms")
    await router.start()
    await accept_events(router, 1)
    await destination.until(lambda: destination.asked == 1)

    assert await router.stop() == 0

    destination.hang.set()
    destination.hang = None
    await router.start()
    await destination.until(lambda: len(destination.ids) == 1)
    event_id = destination.documents[0]["data"]["id"]
    shown = await answered(
        lambda: router.ask("show", event_id), lambda event: event["deliveries"][0]["state"] == "delivered"
    )
    delivery = shown["deliveries"][0]

    assert [attempt["outcome"] for attempt in delivery["attempts"]] == ["delivered"]
    assert delivery["failures"] == 0
