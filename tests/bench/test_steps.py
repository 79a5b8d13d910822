"""Single steps of an event's way, timed by `make micro`; in the suite each runs once, so that none rots."""

import asyncio
import itertools
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from router.clock import Clock
from router.config.load import load
from router.delivery import Attempt, Route, Settlement, State
from router.event import Event
from router.journal.sqlite import open_sqlite
from router.journal.sqlite.opening import SqliteJournal
from router.rules.matcher import Matcher
from router.secret import Secret, Url
from router.sinks.sink import Sink
from router.sinks.slack import Slack
from router.sinks.webhook import Webhook
from tests.bench.subjects import Mix, configuration
from tests.journal.backends import Time, an_event
from tests.sinks.samples import NOW, delivery
from tests.sources.cases import decoded, document, payload, source

CASES = {
    "chromatic": "chromatic/v1-plain-pending",
    "percy": "percy/build_changes_requested-previously",
    "happo": "happo/comparison-local-dev",
}
BATCHES = (1, 64)
ROUNDS = 50
KEY = Secret("env:KEY", "whsec_" + "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")


@pytest.fixture(scope="session")
def matchers(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Matcher]:
    """Matchers with so many rules, loaded as a daemon loads them."""
    folder = tmp_path_factory.mktemp("rules")

    def loaded(rules: int) -> Matcher:
        path = folder / f"{rules}.yaml"
        path.write_text(configuration(folder, 8080, "http://localhost", Mix(rules=rules)), "utf-8")
        return load(path).matcher

    return loaded


class Bench:
    """A journal, and a loop to call it in."""

    def __init__(self, runner: asyncio.Runner, journal: SqliteJournal) -> None:
        self._runner = runner
        self._journal = journal
        self._time = Time()
        self._subjects = itertools.count()

    def events(self, count: int) -> list[Event]:
        """New ones, of half a KB each."""
        body = payload(CASES["chromatic"])
        return [
            an_event(self._journal, self._time, payload=body, subject=f"build {next(self._subjects)}")
            for _ in range(count)
        ]

    def record(self, events: list[Event]) -> None:
        """Record all of them at once, each owed to one sink."""
        self._runner.run(self._record(events))

    async def _record(self, events: list[Event]) -> None:
        async with asyncio.TaskGroup() as tasks:
            for event in events:
                tasks.create_task(
                    self._journal.record(event, [Route("rule", "sink")], window=0, ruleset="rules")
                )

    def deliver(self, count: int) -> None:
        """Claim so many deliveries, settle them together."""
        self._runner.run(self._deliver(count))

    async def _deliver(self, count: int) -> None:
        claims = (await self._journal.claim({"sink": count})).claims
        assert len(claims) == count
        attempt = Attempt(number=1, started_at=NOW, seconds=0.01, outcome="delivered", status=200)
        await self._journal.settle([
            Settlement(
                delivery_id=claim.delivery.id,
                claim=claim.delivery.claim,
                state=State.DELIVERED,
                attempt=attempt,
            )
            for claim in claims
        ])  # fmt: skip


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A journal in a file."""
    with asyncio.Runner() as runner:
        opened = open_sqlite(tmp_path / "journal.db", Clock())
        yield Bench(runner, runner.run(opened.__aenter__()))
        runner.run(opened.__aexit__(None, None, None))


@pytest.mark.parametrize("rules", [10, 1000, 10_000])
def test_match(benchmark: Any, matchers: Callable[[int], Matcher], rules: int) -> None:
    """One event of each provider, to the one rule that wants them; the other rules are of all kinds."""
    matcher = matchers(rules)
    events = [decoded(provider, document(case)) for provider, case in CASES.items()]

    found = benchmark(lambda: [matcher.match(event) for event in events])

    assert found[0] == [Route("what is to arrive", "out-0")]


@pytest.mark.parametrize("provider", CASES)
def test_verify_and_decode(benchmark: Any, provider: str) -> None:
    """One request, from its bytes to an event."""
    by, body = source(provider), payload(CASES[provider])
    headers = by.sign(body, NOW)

    def step() -> Event:
        by.verify(headers, body, NOW)
        return by.decode(body, NOW)

    assert benchmark(step).provider == provider


@pytest.mark.parametrize("batch", BATCHES)
def test_record(benchmark: Any, bench: Bench, batch: int) -> None:
    """Events that come together: one transaction, one sync."""
    benchmark.pedantic(bench.record, setup=lambda: ((bench.events(batch),), {}), rounds=ROUNDS)


@pytest.mark.parametrize("batch", BATCHES)
def test_claim_and_settle(benchmark: Any, bench: Bench, batch: int) -> None:
    """Deliveries that are due together: two transactions, two syncs."""

    def owed() -> tuple[tuple[int], dict[str, Any]]:
        bench.record(bench.events(batch))
        return (batch,), {}

    benchmark.pedantic(bench.deliver, setup=owed, rounds=ROUNDS)


@pytest.mark.parametrize(
    "sink",
    [
        Slack(name="slack", url=Secret("env:URL", "https://hooks.slack.com/services/T/B/x")),
        Webhook(name="webhook", url=Url("https://localhost/", "https://localhost/"), secret=(KEY,)),
    ],
    ids=lambda sink: sink.name,
)
def test_request(benchmark: Any, sink: Sink) -> None:
    """What goes out for one event: a message for Slack, an envelope signed by Standard Webhooks."""
    event = decoded("percy", document(CASES["percy"]))

    request = benchmark(partial(sink.request, event, delivery(), NOW))

    assert request.body
