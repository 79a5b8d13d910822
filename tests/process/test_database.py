"""The real daemon on a real PostgreSQL: two of them, and one whose server goes away and comes back."""

import asyncio
import json
import signal
from collections.abc import Callable, Iterator

import aiohttp
import psutil
import pytest

from tests.journal.postgres.server import Server
from tests.process.harness import Daemon, Destination, post
from tests.waiting import answered, until

_BODY = json.dumps({"event": "build", "build": {"number": 1, "branch": "main", "status": "PENDING"}}).encode()
_MIB = 1 << 20


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of its own, which the test may stop."""
    server = Server().start()
    yield server
    server.remove()


def config(sink: Destination) -> str:
    """One source, one sink."""
    return f"""
sources:
  web: {{type: chromatic, unsigned: true, dedupe: 0s, rate: 10000/s}}
sinks:
  out: {{type: webhook, url: '{sink.url}'}}
rules:
  - {{name: all, to: out}}
"""


def serving(daemon: Daemon, url: str, text: str) -> Daemon:
    """The daemon on that database instead of a file."""
    daemon.journal = f"url: '{url}', may_lose_acknowledged_events: true"
    daemon.write(text)
    return daemon


async def ready(daemon: Daemon) -> tuple[int, list[str]]:
    """What `/readyz` says."""
    connector = aiohttp.UnixConnector(str(daemon.folder / "admin.sock"))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get("http://localhost/readyz") as answer,
    ):
        return answer.status, (await answer.json())["reasons"]


async def until_ready(daemon: Daemon, status: int) -> list[str]:
    """Wait until it says so; the reasons it gives."""
    return (await answered(lambda: ready(daemon), lambda told: told[0] == status))[1]


async def test_a_database_that_goes_away_and_comes_back_needs_nobody(
    daemon: Callable[..., Daemon], destination: Destination, server: Server
) -> None:
    """Senders are told to come back, the router is not ready, memory does not grow; then all goes on."""
    router = await serving(daemon(config(destination)), server.url, config(destination)).start()
    await until_ready(router, 200)
    assert (await post(f"{router.url}/hooks/web", _BODY))[0] == 202
    await destination.until(lambda: len(destination.seen) >= 1)
    destination.status = 500
    assert (await post(f"{router.url}/hooks/web", _BODY))[0] == 202
    await destination.until(lambda: destination.asked >= 2)

    server.stop(signal.SIGQUIT)
    assert all("the journal" in reason for reason in await until_ready(router, 503))
    assert router.process is not None
    before = psutil.Process(router.process.pid).memory_info().rss
    large = _BODY[:-1] + b', "filler": "' + b"x" * (_MIB // 2) + b'"}'
    async with aiohttp.ClientSession() as session:
        for _ in range(300):
            async with session.post(f"{router.url}/hooks/web", data=large) as answer:
                assert (answer.status, int(answer.headers["Retry-After"]) > 0) == (503, True)
    grown = psutil.Process(router.process.pid).memory_info().rss - before
    assert grown < 64 * _MIB, grown
    destination.status = 200

    server.start()
    await until_ready(router, 200)
    await router.command("resume", "out")
    await destination.until(lambda: len(destination.seen) >= 2)
    assert (await post(f"{router.url}/hooks/web", _BODY))[0] == 202
    await destination.until(lambda: len(destination.seen) >= 3)
    assert await router.stop() == 0


def freeze(server: Server, how: signal.Signals) -> None:
    """Stop the whole server where it stands, or let it go on."""
    (master,) = [
        each for each in psutil.process_iter(["cmdline"]) if server.data in (each.info["cmdline"] or [])
    ]
    for each in [master, *master.children(recursive=True)]:
        each.send_signal(how)


@pytest.mark.parametrize("reloading", [False, True])
async def test_a_database_that_hangs_keeps_no_router_that_is_to_stop(
    daemon: Callable[..., Daemon], destination: Destination, server: Server, *, reloading: bool
) -> None:
    """It ends soon after its grace, with 1, and says why; the next start goes on with what was in doubt."""
    text = config(destination)
    router = serving(daemon(text), server.url, text)
    router.write(text, grace="1s")
    await until_ready(await router.start(), 200)
    destination.hang = asyncio.Event()
    assert (await post(f"{router.url}/hooks/web", _BODY))[0] == 202
    await destination.until(lambda: destination.asked >= 1)

    freeze(server, signal.SIGSTOP)
    try:
        if reloading:
            router.signal(signal.SIGHUP)
            await until(lambda: not router.waits)
        assert await router.stop() == 1
    finally:
        freeze(server, signal.SIGCONT)
    assert '"event":"stopped_in_doubt"' in router.log
    assert "did not end within 9 s" in router.log

    destination.hang.set()
    await router.start()
    await destination.until(lambda: len(destination.seen) >= 1)
    assert await router.stop() == 0


async def test_a_database_that_is_not_there_yet_is_waited_for(
    daemon: Callable[..., Daemon], destination: Destination, server: Server
) -> None:
    """A host that boots before its database: 503 at first, and ready without anybody's doing."""
    server.stop()
    router = await serving(daemon(config(destination)), server.url, config(destination)).start()
    assert (await ready(router))[0] == 503
    assert (await post(f"{router.url}/hooks/web", _BODY))[0] == 503

    server.start()
    await until_ready(router, 200)
    assert (await post(f"{router.url}/hooks/web", _BODY))[0] == 202
    await destination.until(lambda: len(destination.seen) >= 1)


async def test_two_routers_are_one_to_their_operators(
    daemon: Callable[..., Daemon], destination: Destination, server: Server
) -> None:
    """Either lists both and says that their files differ; a pause told to one is kept by the other."""
    text = config(destination)
    one = await serving(daemon(text), server.url, text).start()
    changed = text.replace("type: webhook", "type: webhook, concurrency: 5")
    other = await serving(daemon(changed), server.url, changed).start()
    for router in (one, other):
        await until_ready(router, 200)
    status = await answered(lambda: other.ask("status"), lambda told: len(told["discord"]) == 1)

    assert [each["own"] for each in status["routers"]] == [False, True]
    assert len({each["configuration"] for each in status["routers"]}) == 2
    said = await answered(lambda: one.command("status"), lambda text: "routers work under" in text)
    assert "ROUTER" in said

    other.write(text)
    await other.command("reload")
    await answered(lambda: one.ask("status"), lambda told: told["discord"] == [])
    await one.command("pause", "out")
    await answered(lambda: other.ask("status"), lambda told: told["sinks"][0]["state"] == "paused")
    for router in (one, other):
        assert (await post(f"{router.url}/hooks/web", _BODY))[0] == 202
    await other.command("resume", "out")
    await destination.until(lambda: len(destination.seen) >= 2)

    assert len(set(destination.ids)) == 2
    assert await one.stop() == 0
    await answered(lambda: other.ask("status"), lambda told: len(told["routers"]) == 1)
    assert await other.stop() == 0
