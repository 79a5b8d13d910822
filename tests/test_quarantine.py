"""Quarantine: what is kept of a refused request, how much, and that nobody waits for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict
from structlog.testing import capture_logs

from router.clock import Ids, id_number
from router.errors import (
    BadSignature,
    JournalBroken,
    JournalError,
    JournalUnavailable,
    RateLimited,
    Unavailable,
    Undecodable,
    Unknown,
    UnknownSource,
)
from router.intake import Intake, Routing
from router.journal.journal import Refused
from router.metrics import Metrics
from router.quarantine import MOST, Quarantine
from router.rules.matcher import Matcher
from router.secret import Secret
from router.sources.chromatic import Chromatic
from router.sources.happo import Happo
from router.sources.percy import Percy
from router.sources.source import Source
from router.units import Rate, Size
from tests.server.edge import BODY, EVERYTHING, OPEN, SIGNED, Memory, Time

OTHER = Happo(name="signed", secret=(Secret("env:HAPPO", "another"),))
NOTHING = BadSignature()


class Desk:
    """A quarantine and the intake before it, over an inbox in memory, at a time that stands still."""

    def __init__(self) -> None:
        self.inbox = Memory()
        self.time = Time()
        self.metrics = Metrics()
        clock = self.time.clock()
        ids = Ids(clock)
        self.quarantine = Quarantine(self.inbox, clock, ids, self.metrics)
        self.intake = Intake(self.inbox, clock, ids, self.metrics, quarantine=self.quarantine)

    async def use(self, *sources: Source) -> None:
        """Put sources into force."""
        routing = Routing({source.name: source for source in sources}, Matcher((EVERYTHING,), "text"))
        await self.intake.use(routing)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """The quarantine's loop at work, and everything written at the end."""
        async with anyio.create_task_group() as loops:
            loops.start_soon(self.quarantine.run)
            yield
            await self.quarantine.drain()
            loops.cancel_scope.cancel()

    async def refuse(
        self, source: Source, headers: dict[str, str], body: bytes = BODY, query: dict[str, str] | None = None
    ) -> None:
        """Post what is refused."""
        with pytest.raises((BadSignature, Undecodable)):
            await self.intake.accept(source, CIMultiDict(headers), body, query or {})

    def not_kept(self, why: str, source: str = "signed") -> int:
        """How many were not kept for a reason."""
        sample = f'visual_router_quarantine_not_kept_total{{source="{source}",why="{why}"}} '
        found = [line for line in self.metrics.text().decode().splitlines() if line.startswith(sample)]
        return int(float(found[0].removeprefix(sample))) if found else 0

    def keep(self, source: Source = SIGNED, body: bytes = BODY) -> None:
        """Have one kept."""
        self.quarantine.keep(source, {}, body, {}, self.time.wall, NOTHING)


async def test_what_is_needed_to_verify_it_again_is_kept_and_nothing_else() -> None:
    """Body, receipt time, the provider's header, labels and reason; no other header."""
    desk = Desk()
    await desk.use(SIGNED)
    headers = {"x-happo-signature": "sha256=00", "Authorization": "Basic c2VjcmV0", "Cookie": "a=b"}
    async with desk.writing():
        await desk.refuse(SIGNED, headers, query={"team": "web"})

    (refused,) = desk.inbox.quarantined.values()
    assert id_number("req", refused.id) is not None
    assert refused == Refused(
        id=refused.id, source="signed", received_at=desk.time.wall, verified=False,
        reason="the signature is not a digest", signature={"X-Happo-Signature": "sha256=00"},
        labels={"team": "web"}, size=len(BODY), body=BODY,
    )  # fmt: skip
    assert desk.inbox.bounds == [(MOST, 32 << 20)]
    assert desk.inbox.events == []


async def test_a_verified_body_that_does_not_decode_is_kept_as_verified() -> None:
    """A better decoder may read it one day."""
    desk = Desk()
    await desk.use(SIGNED)
    body = b"[1]"
    async with desk.writing():
        await desk.refuse(SIGNED, SIGNED.sign(body, 0.0), body)

    (refused,) = desk.inbox.quarantined.values()
    assert refused.verified
    assert refused.signature == SIGNED.sign(body, 0.0)
    assert refused.reason == "not a JSON object"


async def test_what_is_over_its_rate_or_fails_in_the_journal_is_not_a_refusal_to_keep() -> None:
    """429 and 503 ask the sender to come again."""
    limited = Happo(name="limited", secret=SIGNED.secret, rate=Rate(1, 60.0))
    desk = Desk()
    await desk.use(limited)
    async with desk.writing():
        await desk.intake.accept(limited, CIMultiDict(limited.sign(BODY, 0.0)), BODY, {})
        with pytest.raises(RateLimited):
            await desk.intake.accept(limited, CIMultiDict(limited.sign(BODY, 0.0)), BODY, {})
        desk.time.pass_by(60.0)
        desk.inbox.failure = JournalUnavailable("the disk is full")
        with pytest.raises(Unavailable):
            await desk.intake.accept(limited, CIMultiDict(limited.sign(BODY, 0.0)), BODY, {})
        desk.inbox.failure = None

    assert desk.inbox.quarantined == {}


async def test_a_header_that_came_twice_never_verifies_later() -> None:
    """Joined it is no digest; else a sender could choose which one counts."""
    desk = Desk()
    await desk.use(SIGNED)
    right = SIGNED.sign(BODY, 0.0)["X-Happo-Signature"]
    headers = CIMultiDict([("X-Happo-Signature", right), ("X-Happo-Signature", right)])
    async with desk.writing():
        with pytest.raises(BadSignature):
            await desk.intake.accept(SIGNED, headers, BODY, {})

    (refused,) = desk.inbox.quarantined.values()
    assert refused.signature == {"X-Happo-Signature": f"{right}, {right}"}
    with pytest.raises(BadSignature):
        await desk.intake.release(refused, named=True)


@given(value=st.text(st.characters(codec="utf-8") | st.characters(categories=["Cs"]), max_size=20))
async def test_whatever_a_header_holds_can_be_stored(value: str) -> None:
    """Bytes that are no text are written out."""
    desk = Desk()
    await desk.use(SIGNED)
    async with desk.writing():
        await desk.refuse(SIGNED, {"X-Happo-Signature": value})

    (refused,) = desk.inbox.quarantined.values()
    assert refused.signature["X-Happo-Signature"].encode() is not None


async def test_a_source_may_keep_nothing() -> None:
    """`quarantine: 0B` is not even counted."""
    off = Happo(name="off", secret=SIGNED.secret, quarantine=Size(0))
    desk = Desk()
    async with desk.writing():
        desk.keep(off)

    assert desk.inbox.quarantined == {}
    assert b"not_kept_total{" not in desk.metrics.text()


async def test_ten_a_second_of_each_source_are_kept() -> None:
    """A flood costs ten writes a second, and another source's ten are its own."""
    desk = Desk()
    other = Percy(name="other", secret=SIGNED.secret)
    async with desk.writing():
        for _ in range(25):
            desk.keep()
        desk.keep(other)
        desk.time.pass_by(0.11)
        desk.keep()

    assert {name: stock.count for name, stock in desk.inbox.stock().items()} == {"signed": 11, "other": 1}
    assert desk.not_kept("rate") == 15


async def test_a_flood_of_large_bodies_is_bounded_by_bytes() -> None:
    """8 MiB at once, then one a second: the disk has other work."""
    desk = Desk()
    body = bytes(3 << 20)
    async with desk.writing():
        for _ in range(9):
            desk.keep(body=body)
            await desk.quarantine.drain()
        desk.time.pass_by(1.1)
        desk.keep(body=body)

    assert len(desk.inbox.quarantined) == 4
    assert desk.not_kept("rate") == 6


async def test_what_waits_for_the_journal_is_bounded() -> None:
    """16 MiB of all sources; the answer never waits."""
    desk = Desk()
    sources = [Happo(name=f"s{number}", secret=SIGNED.secret) for number in range(5)]
    for source in sources:
        desk.keep(source, bytes(4 << 20))

    assert sum(desk.not_kept("memory", source.name) for source in sources) == 2
    async with desk.writing():
        pass
    assert len(desk.inbox.quarantined) == 3
    desk.keep(sources[4], bytes(4 << 20))
    async with desk.writing():
        pass
    assert len(desk.inbox.quarantined) == 4


async def test_what_is_larger_than_the_bound_is_not_kept() -> None:
    """It would push out everything else, and then itself."""
    small = Happo(name="small", secret=SIGNED.secret, quarantine=Size(10))
    desk = Desk()
    async with desk.writing():
        desk.keep(small, b"x" * 11)
        desk.keep(small, b"x" * 10)

    assert [one.size for one in desk.inbox.quarantined.values()] == [10]
    assert desk.not_kept("size", "small") == 1


async def test_garbage_cannot_push_out_what_is_there_overnight() -> None:
    """A full quarantine is replaced once in twelve hours at most, by count or by bytes."""
    desk = Desk()
    small = Happo(name="small", secret=SIGNED.secret, quarantine=Size(1000))
    kept = 0
    async with desk.writing():
        desk.keep(small, b"x" * 901)
        await desk.quarantine.drain()
        for _ in range(4320):
            before = len(desk.inbox.quarantined)
            desk.keep(small, b"x" * 100)
            await desk.quarantine.drain()
            kept += len(desk.inbox.quarantined) - before
            desk.time.pass_by(10)

    assert kept == 10
    assert desk.not_kept("full", "small") == 4310


async def test_a_full_count_turns_over_as_slowly() -> None:
    """One in 43 seconds."""
    desk = Desk()
    async with desk.writing():
        for _ in range(MOST + 100):
            desk.keep()
            await desk.quarantine.drain()
            desk.time.pass_by(1)

    assert len(desk.inbox.quarantined) == MOST + 3
    assert desk.not_kept("full") == 97


async def test_a_journal_without_room_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so once, and what waits is written when there is room."""
    desk = Desk()
    desk.inbox.failure = JournalUnavailable("the disk is full")
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            desk.inbox.failure = None
        await asyncio.sleep(0)

    monkeypatch.setattr("router.quarantine.anyio.sleep", sleep)
    with capture_logs() as lines:
        async with desk.writing():
            desk.keep()

    assert slept == [5.0, 5.0, 5.0]
    assert [line["event"] for line in lines] == ["quarantine_postponed"]
    assert len(desk.inbox.quarantined) == 1


async def test_what_the_journal_refuses_alone_costs_nothing_else() -> None:
    """It is counted and left."""
    desk = Desk()
    desk.inbox.failure = JournalError("the journal refused a value")
    async with desk.writing():
        desk.keep()
        await desk.quarantine.drain()
        desk.inbox.failure = None
        desk.keep()

    assert len(desk.inbox.quarantined) == 1
    assert desk.not_kept("journal") == 1


async def test_a_broken_journal_ends_the_loop() -> None:
    """As it ends every other."""
    desk = Desk()
    desk.inbox.failure = JournalBroken("a sync failed")
    desk.keep()
    with pytest.raises(JournalBroken):
        await desk.quarantine.run()


async def test_draining_waits_no_longer_than_it_is_told() -> None:
    """A stop must not hang on what nobody was promised."""
    desk = Desk()
    await desk.quarantine.drain()
    desk.keep()
    await desk.quarantine.drain(0.0)

    assert desk.inbox.quarantined == {}


async def refused_by(desk: Desk, source: Source, headers: dict[str, str], body: bytes = BODY) -> Refused:
    """A request that a source refused."""
    async with desk.writing():
        await desk.refuse(source, headers, body)
    return list(desk.inbox.quarantined.values())[-1]


async def test_a_wrong_secret_costs_nothing_once_it_is_right() -> None:
    """The event is received when it was received, and leaves the quarantine."""
    desk = Desk()
    await desk.use(OTHER)
    began = desk.time.wall
    refused = await refused_by(desk, OTHER, SIGNED.sign(BODY, began))
    desk.time.pass_by(5000)
    with pytest.raises(BadSignature):
        await desk.intake.release(refused, named=True)
    await desk.use(SIGNED)

    receipt = await desk.intake.release(refused, named=False)

    (event,) = desk.inbox.events
    assert (receipt.id, event.received_at, event.payload) == (event.id, began, BODY)
    assert desk.inbox.quarantined == {}
    with pytest.raises(Unknown):
        await desk.intake.release(refused, named=False)
    assert len(desk.inbox.events) == 1


async def test_a_token_is_judged_as_of_its_receipt() -> None:
    """Five minutes are long over when the operator has found the secret."""
    right = Chromatic(name="web", secret=(Secret("env:A", "right"),))
    wrong = Chromatic(name="web", secret=(Secret("env:A", "wrong"),))
    desk = Desk()
    await desk.use(wrong)
    headers = right.sign(b"{}", desk.time.wall)
    refused = await refused_by(desk, wrong, headers, b"{}")
    desk.time.pass_by(86_400)
    late = await refused_by(desk, wrong, headers, b"{}")
    await desk.use(right)

    await desk.intake.release(refused, named=False)
    with pytest.raises(BadSignature, match="too old or too new"):
        await desk.intake.release(late, named=False)
    assert len(desk.inbox.events) == 1


async def test_no_stranger_gets_in_because_a_source_became_unsigned() -> None:
    """What nobody signed wants to be named; what was verified and did not decode does not."""
    desk = Desk()
    await desk.use(SIGNED)
    forged = await refused_by(desk, SIGNED, {"X-Happo-Signature": "forged"})
    await desk.use(Happo(name="signed", unsigned=True))

    with pytest.raises(BadSignature) as caught:
        await desk.intake.release(forged, named=False)
    assert str(caught.value) == (
        "nothing proves who sent it, as the source is unsigned now; name it by its id"
    )
    await desk.intake.release(forged, named=True)
    assert len(desk.inbox.events) == 1

    undecodable = await refused_by(desk, OPEN, {}, b"[")
    with pytest.raises(UnknownSource):
        await desk.intake.release(undecodable, named=False)
    await desk.use(OPEN)
    with pytest.raises(Undecodable):
        await desk.intake.release(undecodable, named=False)


async def test_the_rate_does_not_hold_up_an_operator() -> None:
    """The bucket is the senders'."""
    limited = Happo(name="signed", secret=SIGNED.secret, rate=Rate(1, 3600.0))
    desk = Desk()
    await desk.use(OTHER)
    requests = []
    for number in range(3):
        body = b'{"n": %d}' % number
        requests.append(await refused_by(desk, OTHER, SIGNED.sign(body, 0.0), body))
    await desk.use(limited)
    for refused in requests:
        await desk.intake.release(refused, named=False)

    assert len(desk.inbox.events) == 3


@pytest.mark.parametrize("kind", [Chromatic, Percy, Happo])
def test_every_provider_names_what_it_signs_with(kind: type[Source]) -> None:
    """Else what it sent could never be verified again."""
    source = kind(name="one", secret=(Secret("env:A", "secret"),))

    assert set(source.sign(b"{}", 1.0)) == set(kind.signature_headers)
