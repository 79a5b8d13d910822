"""From one host to many: the daemon goes on with the moved journal where the killed one stopped."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.journal.moving.origins import a_database
from tests.journal.postgres.server import close_databases
from tests.process.harness import Daemon, Destination, happo_headers, post
from tests.process.test_backup import SECRET, routed_to
from tests.waiting import answered


@pytest.fixture(scope="session", autouse=True)
def _servers() -> Iterator[None]:
    yield
    close_databases()


@pytest.fixture
def database() -> Iterator[str]:
    """The URL of a database with nothing in it."""
    with a_database() as url:
        yield url


def comparison(number: int) -> bytes:
    """A body of Happo's."""
    return b'{"type": "comparison", "data": {"hash": "%032x", "equal": false}}' % number


async def sent(daemon: Daemon, number: int) -> dict[str, Any]:
    """The answer to one event, which must be accepted."""
    body = comparison(number)
    status, answer = await post(f"{daemon.url}/hooks/happo", body, happo_headers(body, SECRET["HAPPO"]))
    assert status == 202
    return answer


async def test_the_daemon_goes_on_with_a_moved_journal(
    daemon: Callable[..., Daemon], destination: Destination, database: str
) -> None:
    """What was due goes out, a resend is a duplicate, and what was delivered is known and not sent again."""
    router = daemon(routed_to(destination.url), {**SECRET, "JOURNAL": database})
    await router.start()
    first = await sent(router, 1)
    await destination.until(lambda: len(destination.seen) == 1)
    await answered(
        lambda: router.ask("show", first["id"]), lambda shown: shown["deliveries"][0]["state"] == "delivered"
    )
    destination.status = 503
    second = await sent(router, 2)
    await destination.until(lambda: destination.asked >= 2)
    router.kill()
    told = await router.command(
        "migrate-journal",
        f"sqlite:{router.folder}/journal.db",
        "env:JOURNAL",
        "--may-lose-acknowledged-events",
    )
    destination.status = 200
    router.config.write_text(
        router.config.read_text("utf-8").replace(
            f"'sqlite:{router.folder}/journal.db'", "env:JOURNAL, may_lose_acknowledged_events: true"
        ),
        "utf-8",
    )
    await router.start()
    await destination.until(lambda: len(destination.seen) == 2)
    again = await sent(router, 2)
    shown = await router.ask("show", first["id"])
    listed = await router.ask("events")
    stopped = await router.stop()

    assert "events                   2     2\n" in told
    assert (again["id"], again["duplicate"]) == (second["id"], True)
    assert shown["deliveries"][0]["state"] == "delivered"
    assert [row["id"] for row in listed["events"]] == [second["id"], first["id"]]
    assert stopped == 0, router.log
    assert len(set(destination.ids)) == len(destination.seen) == 2
