"""Quarantine: what is kept of a refused request, how much, and that nobody waits for it."""

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict
from structlog.testing import capture_logs

from router.clock import id_number
from router.errors import (
    BadSignature,
    JournalBroken,
    JournalError,
    JournalUnavailable,
    RateLimited,
    Unavailable,
)
from router.journal.journal import RefusedRequest
from router.quarantine import MOST
from router.secret import Secret
from router.sources.chromatic import Chromatic
from router.sources.happo import Happo
from router.sources.percy import Percy
from router.sources.source import Source
from router.units import Rate, Size
from tests.keeping import Desk
from tests.server.edge import BODY, SIGNED


async def test_what_is_needed_to_verify_it_again_is_kept_and_nothing_else() -> None:
    """Body, receipt time, the provider's header, labels and reason; no other header."""
    desk = Desk()
    await desk.use(SIGNED)
    headers = {"x-happo-signature": "sha256=00", "Authorization": "Basic c2VjcmV0", "Cookie": "a=b"}
    async with desk.writing():
        await desk.refuse(SIGNED, headers, query={"team": "web"})

    (refused,) = desk.inbox.quarantined.values()
    assert id_number("req", refused.id) is not None
    assert refused == RefusedRequest(
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


@settings(deadline=None, max_examples=50)
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


async def test_garbage_that_waits_for_the_journal_is_counted_as_if_it_were_there() -> None:
    """Else what came while the disk was busy would push out all there is at once, by count or by bytes."""
    small = Happo(name="small", secret=SIGNED.secret, quarantine=Size(1000))
    desk = Desk()
    async with desk.writing():
        for source, body, count in ((SIGNED, BODY, 900), (small, b"x" * 100, 9)):
            for _ in range(count):
                desk.keep(source, body)
                await desk.quarantine.drain()
                desk.time.pass_by(1)
    genuine = set(desk.inbox.quarantined)

    for _ in range(4000):
        desk.keep()
        desk.keep(small, b"y" * 100)
        desk.time.pass_by(0.1)
    async with desk.writing():
        pass

    taken = [one.source for one in desk.inbox.quarantined.values() if one.id not in genuine]
    assert (taken.count("signed"), taken.count("small")) == (100 + 10, 1 + 1)
    desk.time.pass_by(43_200)
    async with desk.writing():
        desk.keep()
        desk.keep(small, b"y" * 100)
    assert len(desk.inbox.quarantined) == 909 + 112 + 2


async def test_a_journal_without_room_is_asked_again() -> None:
    """It says so once, and what waits is written when there is room."""
    desk = Desk(again=0.0)
    desk.inbox.failure = JournalUnavailable("the disk is full")
    with capture_logs() as lines:
        async with desk.writing():
            desk.keep()
            for _ in range(10):
                await anyio.lowlevel.checkpoint()
            assert desk.inbox.quarantined == {}
            desk.inbox.failure = None

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


@pytest.mark.parametrize("kind", [Chromatic, Percy, Happo])
def test_every_provider_names_what_it_signs_with(kind: type[Source]) -> None:
    """Else what it sent could never be verified again."""
    source = kind(name="one", secret=(Secret("env:A", "secret"),))

    assert set(source.sign(b"{}", 1.0)) == set(kind.signature_headers)
