"""Destinations that hang, drip, reset, lie and bomb: the others get everything, and nothing grows."""

import asyncio
import json
import time
from collections.abc import Callable
from functools import partial

import pytest

from tests.hostile.level import level, long_only
from tests.hostile.onlooker import HEAD, row
from tests.hostile.senders import BODY, ask, post
from tests.hostile.sinks import BAD, Sinks, answering
from tests.hostile.target import RSS_LIMIT, Target
from tests.process.harness import free_port

GOOD = [f"good{number}" for number in range(9)]
EVENTS = level(40, 1000)
ROUNDS = 3
BACKLOG = level(250, 5000)
IN_BACKLOG = GOOD[:4]


def config(sinks: Sinks, names: list[str]) -> str:
    """Everything goes to all of them."""
    # Only the bad ones are to be given up: a good one that is, on a slow machine, has an event twice.
    lines = [
        f'  {name}: {{type: webhook, url: "{sinks.url(name)}", concurrency: 4, '
        f"timeout: {'30s' if name in GOOD else '1s'}}}"
        for name in names
    ]
    return "\n".join(
        [
            "sources:",
            "  web: {type: chromatic, unsigned: true}",
            "sinks:",
            *lines,
            "rules:",
            f"  - {{name: everything, to: [{', '.join(names)}]}}",
        ]
    )


async def send(daemon: Target, count: int) -> set[str]:
    """Post that many events over a few connections; returns their ids."""
    ids: set[str] = set()
    for first in range(0, count, 50):
        batch = b"".join(
            post("/hooks/web", BODY % number).replace(b"Connection: close\r\n", b"")
            for number in range(first, min(first + 50, count))
        )
        answers = await ask(daemon.port, batch + post("/", b""))
        ids |= {json.loads(answer.body)["id"] for answer in answers if answer.status == 202}
    return ids


async def counts(daemon: Target, sink: str) -> dict[str, float]:
    """How many deliveries of a sink are in each state."""
    found = {}
    for name, value in (await daemon.metrics()).items():
        if name.startswith("visual_router_deliveries{") and f'sink="{sink}"' in name:
            found[name.partition('state="')[2].partition('"')[0]] = value
    return found


async def owed_and_done(daemon: Target, sink: str, done: int) -> None:
    """Return when the journal, too, says that so many were delivered to a sink."""
    async with asyncio.timeout(30):
        while (await counts(daemon, sink)).get("delivered", 0) < done:
            pass


@pytest.mark.timeout(300)
async def test_sinks_of_every_bad_kind_take_nothing_from_nine_good_ones(
    target: Callable[..., Target],
) -> None:
    """Each good one gets each event once; what the bad ones did not take is still owed to them."""
    async with answering() as sinks:
        daemon = await target(config(sinks, [*GOOD, *BAD])).start()

        ids = await send(daemon, EVENTS)
        await sinks.until(lambda: all(len(sinks.seen.get(name, ())) == EVENTS for name in GOOD))
        await sinks.until(lambda: all(sinks.asked[name] >= 4 for name in BAD))
        # What answers 200 has taken it, however it ends the connection.
        for name in (*GOOD, "ok_then_reset"):
            await owed_and_done(daemon, name, EVENTS)

        print(f"{EVENTS} events, {sum(sinks.asked.values())} requests, {daemon.peak >> 20} MiB")
        assert len(ids) == EVENTS
        assert all(set(sinks.seen[name].values()) == {1} for name in GOOD)
        assert len(sinks.seen["ok_then_reset"]) == EVENTS
        assert daemon.peak <= RSS_LIMIT, f"{daemon.peak >> 20} MiB"
        for name in BAD:
            states = await counts(daemon, name)
            assert sum(states.values()) == EVENTS, (name, states)
            assert states.get("dead", 0) == 0, (name, states)
            assert name == "ok_then_reset" or states.get("delivered", 0) == 0, (name, states)
        assert await daemon.stop() == 0
        assert not [record for record in daemon.records() if "exception" in record]


def all_have(sinks: Sinks, count: int) -> bool:
    """Whether every good one has so many."""
    return all(len(sinks.seen.get(name, ())) == count for name in GOOD)


@long_only
@pytest.mark.timeout(900)
@pytest.mark.parametrize("bad", ["hang", "drip", "reset", "ok_then_reset", "refuse"])
async def test_the_others_are_as_quick_beside_a_bad_one(target: Callable[..., Target], bad: str) -> None:
    """Told is how long nine sinks take for each event, in turns with the tenth paused and not."""
    async with answering() as sinks:
        text = config(sinks, [*GOOD, bad])
        if bad == "refuse":
            text = text.replace(f"{sinks.port}/refuse", f"{free_port()}/refuse")
        daemon = await target(text).start()
        times: dict[str, list[float]] = {"resume": [], "pause": []}
        count = 0
        for number in range(2 * ROUNDS):
            verb = ("resume", "pause")[number % 2]
            await daemon.admin(f"/api/v1/sinks/{bad}/{verb}", "POST")
            for _ in range(50):
                count += 1
                began = time.monotonic()
                await ask(daemon.port, post("/hooks/web", BODY % count))
                await sinks.until(partial(all_have, sinks, count))
                times[verb].append(time.monotonic() - began)

        print(HEAD, row(f"beside one that does {bad}", times["resume"]), sep="\n")
        print(row("beside the same, paused", times["pause"]))
        assert all(set(sinks.seen[name].values()) == {1} for name in GOOD)
        assert bad == "ok_then_reset" or (await counts(daemon, bad)).get("delivered", 0) == 0
        assert await daemon.stop() == 0


@pytest.mark.timeout(300)
async def test_a_backlog_is_drained_once_and_without_growth(target: Callable[..., Target]) -> None:
    """Thousands of deliveries wait over a restart; when the sinks are back each goes out exactly once."""
    async with answering() as sinks:
        daemon = await target(config(sinks, IN_BACKLOG)).start()
        for name in IN_BACKLOG:
            await daemon.admin(f"/api/v1/sinks/{name}/pause", "POST")
        ids = await send(daemon, BACKLOG)
        assert len(ids) == BACKLOG
        assert not sinks.seen
        assert await daemon.stop() == 0
        await daemon.start()
        before, files = daemon.peak, daemon.open_files

        for name in IN_BACKLOG:
            await daemon.admin(f"/api/v1/sinks/{name}/resume", "POST")
        await sinks.until(lambda: all(len(sinks.seen.get(name, ())) == BACKLOG for name in IN_BACKLOG), 240)
        for name in IN_BACKLOG:
            await owed_and_done(daemon, name, BACKLOG)

        waited = BACKLOG * len(IN_BACKLOG)
        print(f"{waited} deliveries drained, {before >> 20} to {daemon.peak >> 20} MiB")
        assert all(set(sinks.seen[name].values()) == {1} for name in IN_BACKLOG)
        assert daemon.peak - before <= 32 << 20, f"{before >> 20} to {daemon.peak >> 20} MiB"
        assert daemon.open_files <= files + 4 * len(IN_BACKLOG) + 2
        assert await daemon.stop() == 0
