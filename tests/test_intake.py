"""Intake: what is acknowledged, under which rules, and what is not."""

import asyncio

import pytest
from multidict import CIMultiDict
from structlog.testing import capture_logs

from router.clock import Ids, id_number
from router.delivery import Route
from router.errors import (
    BadSignature,
    JournalBroken,
    JournalUnavailable,
    RateLimited,
    Unavailable,
    Undecodable,
    UnknownSource,
)
from router.intake import Intake, labels_of
from router.metrics import Metrics
from router.rules.matcher import Matcher
from router.rules.rule import Rule
from router.sources.percy import Percy
from router.sources.source import Source
from router.units import Duration, Rate
from tests.rules.making import rule
from tests.server.edge import BODY, EVERYTHING, OPEN, SIGNED, Memory, Time

NOWHERE = CIMultiDict[str]()
LIMITED = type(SIGNED)(name="limited", secret=SIGNED.secret, rate=Rate(2, 60.0))


class Desk:
    """An intake over an inbox in memory, at a time that stands still."""

    def __init__(self, commit_limit: float = 10.0) -> None:
        self.inbox = Memory()
        self.time = Time()
        self.metrics = Metrics()
        clock = self.time.clock()
        self.intake = Intake(self.inbox, clock, Ids(clock), self.metrics, commit_limit)

    def use(self, *sources: Source, rules: tuple[Rule, ...] = (EVERYTHING,), text: str = "old") -> None:
        """Put sources and rules into force."""
        self.intake.use({source.name: source for source in sources}, Matcher(rules, text))

    async def post(self, source: Source, body: bytes = BODY) -> str:
        """Post a signed body; the id in the receipt."""
        headers = CIMultiDict(source.sign(body, self.time.wall))
        return (await self.intake.accept(source, headers, body, {})).id


async def test_an_event_is_recorded_with_what_is_owed_for_it() -> None:
    """One call holds the event, its routes, the rules' digest and the source's window."""
    desk = Desk()
    desk.use(OPEN)

    receipt = await desk.intake.accept(OPEN, NOWHERE, BODY, {"team": "web"})

    (event,) = desk.inbox.events
    assert receipt.id == event.id
    assert not receipt.duplicate
    assert id_number("evt", event.id) is not None
    assert (event.source, event.kind, event.payload, event.labels) == (
        "open",
        "comparison",
        BODY,
        {"team": "web"},
    )
    assert event.received_at == desk.time.wall
    assert desk.inbox.calls == [([Route("everything", "log")], 300.0, Matcher((), "old").digest, False)]


@pytest.mark.parametrize(("size", "kept"), [(1000, True), (100_000, False)])
async def test_what_the_rules_decode_of_a_large_body_is_not_kept(size: int, kept: bool) -> None:
    """It would be there, uncounted, for as long as the disk or a sink takes."""
    desk = Desk()
    desk.use(OPEN, rules=(rule("deep", {"payload.a": "b"}, to=("log",)),))

    await desk.post(OPEN, b'{"a": "b", "rest": "%b"}' % (b"x" * size))

    (event,) = desk.inbox.events
    assert desk.inbox.calls[0][0] == [Route("deep", "log")]
    assert ("document" in vars(event)) is kept


async def test_an_event_is_counted_under_words_of_ours_alone() -> None:
    """Each word that a stranger could choose would be a series more, for ever."""
    desk = Desk()
    desk.use(OPEN)

    await desk.post(OPEN, b'{"type": "comparison", "data": {"status": "a_strangers_word"}}')

    (event,) = desk.inbox.events
    assert event.provider_status == "a_strangers_word"
    assert b"strangers" not in desk.metrics.text()


async def test_what_a_source_says_about_duplicates_reaches_the_journal() -> None:
    """Percy's deliveries have ids: for ever a duplicate, and flagged with another body."""
    percy = Percy(name="percy", unsigned=True)
    never = type(OPEN)(name="never", unsigned=True, dedupe=Duration(0))
    desk = Desk()
    desk.use(percy, never)

    await desk.intake.accept(percy, NOWHERE, b"{}", {})
    await desk.intake.accept(never, NOWHERE, b"{}", {})

    assert [call[1] for call in desk.inbox.calls] == [None, 0]
    assert [call[3] for call in desk.inbox.calls] == [True, False]


async def test_a_resend_gets_the_first_id() -> None:
    """The sender sees success again; the metrics see a duplicate."""
    desk = Desk()
    desk.use(SIGNED)

    with capture_logs() as logs:
        first, second = await desk.post(SIGNED), await desk.post(SIGNED)

    assert first == second
    assert [(line["event"], line["duplicate"], line["sinks"]) for line in logs] == [
        ("event_accepted", False, ["log"]),
        ("event_accepted", True, []),
    ]
    text = desk.metrics.text().decode()
    for duplicate in ("false", "true"):
        assert (
            f'visual_router_events_total{{duplicate="{duplicate}",kind="comparison",source="signed"' in text
        )


async def test_without_a_valid_signature_nothing_is_recorded() -> None:
    """Not the event, not the rate, not the body."""
    desk = Desk()
    desk.use(LIMITED)

    for _ in range(10):
        with pytest.raises(BadSignature):
            await desk.intake.accept(LIMITED, CIMultiDict({"X-Happo-Signature": "sha256=no"}), BODY, {})

    assert desk.inbox.calls == []
    assert await desk.post(LIMITED)


async def test_a_source_over_its_rate_is_told_when_to_come_back() -> None:
    """Two a minute: the third waits half a minute, other sources wait for nothing."""
    desk = Desk()
    desk.use(LIMITED, SIGNED)
    await desk.post(LIMITED)
    await desk.post(LIMITED)

    with pytest.raises(RateLimited) as refused:
        await desk.post(LIMITED)

    assert refused.value.retry_after == 30
    assert await desk.post(SIGNED)

    desk.time.pass_by(30)

    assert await desk.post(LIMITED)


async def test_the_rate_counts_before_the_body_is_understood() -> None:
    """A verified sender of rubbish is held to its rate like any other."""
    desk = Desk()
    desk.use(LIMITED)
    for _ in range(2):
        with pytest.raises(Undecodable):
            await desk.post(LIMITED, b"rubbish")

    with pytest.raises(RateLimited):
        await desk.post(LIMITED, b"rubbish")


async def test_a_reload_gives_no_rate_back_unless_it_changes_it() -> None:
    """Reloading is no way around a limit; a new limit starts afresh."""
    desk = Desk()
    desk.use(LIMITED)
    await desk.post(LIMITED)
    await desk.post(LIMITED)

    desk.use(SIGNED, LIMITED)

    with pytest.raises(RateLimited):
        await desk.post(LIMITED)

    desk.use(type(LIMITED)(name="limited", secret=LIMITED.secret, rate=Rate(3, 60.0)))

    assert await desk.post(LIMITED)


async def test_a_source_is_found_by_name() -> None:
    """What is not configured is unknown, also after a reload took it away."""
    desk = Desk()
    with pytest.raises(UnknownSource):
        desk.intake.source("open")

    desk.use(OPEN)

    assert desk.intake.source("open") is OPEN

    desk.use(SIGNED)

    with pytest.raises(UnknownSource):
        desk.intake.source("open")


async def test_before_anything_is_in_force_an_expected_source_is_put_off_and_another_unknown() -> None:
    """The journal may have no room for a while; what is not configured is unknown all the same."""
    desk = Desk()
    desk.intake.expect({"open": OPEN})

    assert desk.intake.source("open") is OPEN
    with pytest.raises(UnknownSource):
        desk.intake.source("opne")
    with pytest.raises(Unavailable, match=r"^no configuration is in force yet$"):
        await desk.post(OPEN)

    desk.intake.expect({"open": OPEN}, "starting: the database is away")

    with pytest.raises(Unavailable, match=r"^starting: the database is away$"):
        await desk.post(OPEN)

    desk.use(SIGNED)

    with pytest.raises(UnknownSource):
        desk.intake.source("open")


async def test_an_event_ends_under_the_rules_it_began_with() -> None:
    """A reload while an event is being committed changes neither its routes nor its digest."""
    desk = Desk()
    desk.use(OPEN)
    desk.inbox.gate = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        posted = tasks.create_task(desk.post(OPEN))
        await desk.inbox.asked.wait()
        desk.use(OPEN, rules=(Rule(name="other", to=("bot",)),), text="new")
        desk.inbox.gate.set()
        await posted
    await desk.post(OPEN, b'{"type":"comparison","compareUrl":"x"}')

    (before, _, old, _), (after, _, new, _) = desk.inbox.calls
    assert (before, old) == ([Route("everything", "log")], Matcher((), "old").digest)
    assert (after, new) == ([Route("other", "bot")], Matcher((), "new").digest)


@pytest.mark.parametrize("failure", [JournalUnavailable("disk full"), JournalBroken("disk full")])
async def test_a_journal_that_cannot_write_means_come_back_later(failure: Exception) -> None:
    """No receipt without a commit; the failure is counted."""
    desk = Desk()
    desk.use(OPEN)
    desk.inbox.failure = failure

    with pytest.raises(Unavailable, match=r"^the journal cannot write: disk full$") as refused:
        await desk.post(OPEN)

    assert refused.value.retry_after == 5
    assert "visual_router_journal_commit_errors_total 1.0" in desk.metrics.text().decode()


async def test_a_refusal_is_a_trouble_until_an_event_was_taken_or_ten_seconds_passed() -> None:
    """A health check may find room where an event does not: readiness asks for both."""
    desk = Desk()
    desk.use(OPEN)
    desk.inbox.failure = JournalUnavailable("disk full")
    for seconds in (0.0, 11.0):
        with pytest.raises(Unavailable):
            await desk.post(OPEN)
        assert desk.intake.trouble == "the journal cannot write: disk full"
        desk.time.pass_by(seconds)

    assert desk.intake.trouble is None

    with pytest.raises(Unavailable):
        await desk.post(OPEN)
    desk.inbox.failure = None
    await desk.post(OPEN)

    assert desk.intake.trouble is None


async def test_a_refusal_is_no_trouble_for_hours_where_the_clock_was_set_back() -> None:
    """The database that came back may be another one, with a clock of its own."""
    desk = Desk()
    desk.use(OPEN)
    desk.inbox.failure = JournalUnavailable("the server is away")
    with pytest.raises(Unavailable):
        await desk.post(OPEN)

    desk.time.pass_by(-7200)

    assert desk.intake.trouble is None


async def test_a_journal_that_hangs_means_come_back_later() -> None:
    """Nobody waits longer than the most patient sender would."""
    desk = Desk(commit_limit=0.01)
    desk.use(OPEN)
    desk.inbox.gate = asyncio.Event()

    with pytest.raises(Unavailable, match=r"^the journal did not commit within 0\.01 s$"):
        await desk.post(OPEN)

    assert "visual_router_journal_commit_errors_total 1.0" in desk.metrics.text().decode()


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"{", b"\xff\xfe", b'{"a":NaN}', b'{"a":' * 70 + b"1" + b"}" * 70]
)
async def test_what_is_no_json_object_is_not_recorded(body: bytes) -> None:
    """Verified rubbish is refused, whatever it is."""
    desk = Desk()
    desk.use(SIGNED)

    with pytest.raises(Undecodable):
        await desk.post(SIGNED, body)

    assert desk.inbox.calls == []


async def test_the_source_has_the_last_word_on_labels() -> None:
    """A URL can add labels; it cannot change what the configuration says."""
    labelled = type(OPEN)(name="labelled", unsigned=True, labels={"team": "design"})
    desk = Desk()
    desk.use(labelled)

    await desk.intake.accept(labelled, NOWHERE, BODY, {"team": "evil", "branch": "main"})

    assert desk.inbox.events[0].labels == {"team": "design", "branch": "main"}


@pytest.mark.parametrize(
    ("query", "labels"),
    [
        ({}, {}),
        ({"a": "b"}, {"a": "b"}),
        ({"a": ""}, {}),
        ({"": "b"}, {}),
        ({"a": "x" * 256, "b": "x" * 257}, {"a": "x" * 256}),
        ({"n" * 64: "a", "n" * 65: "b"}, {"n" * 64: "a"}),
        ({"a": "x\ny", "b": "x\x00", "c\x1b": "x", "d": "ü"}, {"d": "ü"}),
        ({str(i): "x" for i in range(20)}, {str(i): "x" for i in range(16)}),
    ],
)
def test_labels_from_a_url_are_bounded(query: dict[str, str], labels: dict[str, str]) -> None:
    """Short, printable and few: what does not fit is left out, the event is not."""
    assert labels_of(query) == labels
