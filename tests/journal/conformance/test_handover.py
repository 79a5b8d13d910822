"""What every backend that takes offers promises of deliveries that are born in flight."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from router.delivery import Claim, Delivery, Route, Settlement, State
from router.errors import JournalUnavailable, Unknown
from router.journal.journal import DeliveryQuery, Journal
from tests.journal.backends import (
    BACKENDS,
    Place,
    Time,
    an_event,
    attempt_of,
    claimed,
    recorded,
    settled,
    settlement,
)
from tests.journal.conformance.test_waiting import TRIAL_AFTER
from tests.journal.room import NO_HANDOVER, Room
from tests.waiting import turns


@pytest.fixture(params=sorted(BACKENDS.keys() - NO_HANDOVER))
def place(request: pytest.FixtureRequest, tmp_path: Path, time: Time) -> Iterator[Place]:
    """A place for a journal, once per backend that takes offers; a backend may leave them alone."""
    place = Place(request.param, tmp_path, time)
    yield place
    place.leave()


async def _states(journal: Journal) -> list[tuple[State, int, int]]:
    found = await journal.deliveries(DeliveryQuery())
    return [(each.state, each.claim, each.crashes) for each in found]


async def test_a_delivery_that_finds_a_slot_is_born_in_flight(journal: Journal, time: Time) -> None:
    """Under claim number 1, with its whole event, before `record` returns; nobody else can claim it."""
    room = Room({"slack": 1})
    journal.offer(room)

    event = await recorded(journal, time, "slack", payload=b'{"n": 1.50}', labels={"a": "b"})

    (claim,) = room.taken
    assert (claim.event, claim.superseded) == (event, False)
    assert [claim.delivery] == await journal.deliveries(DeliveryQuery())
    assert await _states(journal) == [(State.IN_FLIGHT, 1, 0)]
    assert journal.counts() == {("slack", State.IN_FLIGHT): 1}
    assert (await journal.claim({"slack": 9})).claims == []
    tried = settlement(claim, State.DELIVERED, attempt=attempt_of(claim))
    assert await journal.settle([tried]) == []
    assert await journal.settle([tried]) == [claim.delivery.id]


async def test_a_large_event_is_handed_over_whole(journal: Journal, time: Time) -> None:
    """Whatever its size."""
    room = Room({"slack": 1})
    journal.offer(room)
    event = await recorded(journal, time, "slack", payload=b'"' + bytes(1 << 20) + b'"')

    assert [event] == [claim.event for claim in room.taken]


async def test_a_body_known_under_another_is_flagged_in_what_is_handed_over(
    journal: Journal, time: Time
) -> None:
    """The claim has the event as it was stored."""
    await recorded(journal, time, payload=b"1")
    room = Room({"slack": 1})
    journal.offer(room)
    event = an_event(journal, time, payload=b"2")
    await journal.record(event, [Route("r", "slack")], window=None, ruleset="rules", flag_reuse=True)
    judged = await journal.event(event.id)

    assert judged is not None
    assert [judged.event] == [claim.event for claim in room.taken]
    assert judged.event.reused


async def test_only_as_many_as_there_are_slots_are_born_in_flight(journal: Journal, time: Time) -> None:
    """Per sink; the others are pending, and wake whoever waits."""
    room = Room({"slack": 1, "hook": 1})
    journal.offer(room)
    await recorded(journal, time, "slack", "hook", "file")
    await recorded(journal, time, "slack")

    assert sorted(claim.delivery.sink for claim in room.taken) == ["hook", "slack"]
    assert room.free == {"slack": 0, "hook": 0}
    await journal.wait(None)
    assert {claim.delivery.sink for claim in (await journal.claim({"slack": 9, "file": 9})).claims} == {
        "slack", "file",
    }  # fmt: skip


async def test_nothing_overtakes_what_is_due(journal: Journal, time: Time) -> None:
    """What is due at a sink goes first, by a claim; what is due later holds up nobody."""
    await recorded(journal, time, "slack")
    await settled(journal, "slack", State.PENDING, due=time.wall + 60, failures=1)
    room = Room({"slack": 9, "hook": 9})
    journal.offer(room)
    await recorded(journal, time, "slack")
    assert len(room.taken) == 1
    time.pass_by(60)
    await recorded(journal, time, "slack", "hook")
    assert [claim.delivery.sink for claim in room.taken] == ["slack", "hook"]

    batch = await journal.claim({"slack": 9})
    assert [claim.delivery.claim for claim in batch.claims] == [2, 1]
    await recorded(journal, time, "slack")
    assert len(room.taken) == 3


@pytest.mark.parametrize("way", ["expedite", "requeue", "add"])
async def test_what_an_operator_made_due_goes_first(journal: Journal, time: Time, way: str) -> None:
    """However it became due."""
    event = await recorded(journal, time, "slack")
    state = State.DEAD if way == "requeue" else State.PENDING
    await settled(journal, "slack", state, due=time.wall + 60)
    room = Room({"slack": 9, "hook": 9})
    journal.offer(room)
    if way == "expedite":
        await journal.expedite("slack")
    elif way == "requeue":
        await journal.requeue(sink="slack")
    else:
        await journal.add(event.id, [Route("r", "hook")])
    await recorded(journal, time, "hook" if way == "add" else "slack")

    assert room.taken == []
    assert room.free == {"slack": 9, "hook": 9}


async def test_a_duplicate_needs_no_slot(journal: Journal, time: Time) -> None:
    """It owes nothing: the slot is free again."""
    room = Room({"slack": 1})
    journal.offer(room)
    first = an_event(journal, time)
    for event in (first, an_event(journal, time)):
        receipt = await journal.record(event, [Route("r", "slack")], window=None, ruleset="rules")
        assert receipt.id == first.id
        if event is first:
            room.free["slack"] = 1

    assert len(room.taken) == 1
    assert room.free == {"slack": 1}


async def test_an_event_that_could_not_be_stored_needs_no_slot(journal: Journal, time: Time) -> None:
    """Nothing was changed, so nothing is owed."""
    room = Room({"slack": 1})
    journal.offer(room)
    event = an_event(journal, time)
    with pytest.raises(Unknown):
        await journal.record(
            event, [Route("r", "slack")], window=0, ruleset="r", released="req_0000000000001"
        )

    assert (room.taken, room.free) == ([], {"slack": 1})


async def test_an_offer_that_ended_leaves_nothing_in_limbo(journal: Journal, time: Time) -> None:
    """What was on its way to the disk is given back uncounted, and its slot is freed."""
    room = Room({"slack": 1})
    journal.offer(room)
    async with asyncio.TaskGroup() as group:
        group.create_task(recorded(journal, time, "slack"))
        await turns(1)
        journal.offer(None)
    await journal.ping()

    assert (room.taken, room.free) == ([], {"slack": 1})
    assert await _states(journal) == [(State.PENDING, 1, 0)]
    assert (await claimed(journal, "slack")).delivery.claim == 2


async def test_a_new_offer_does_not_take_what_the_old_one_was_promised(journal: Journal, time: Time) -> None:
    """A slot belongs to its offer."""
    old, new = Room({"slack": 1}), Room({"slack": 1})
    journal.offer(old)
    async with asyncio.TaskGroup() as group:
        group.create_task(recorded(journal, time, "slack"))
        await turns(1)
        journal.offer(new)
    await journal.ping()

    assert (old.taken, old.free, new.taken, new.free) == ([], {"slack": 1}, [], {"slack": 1})
    assert journal.counts() == {("slack", State.PENDING): 1}


async def test_a_sender_that_hangs_up_does_not_keep_its_event_from_its_sink(
    journal: Journal, time: Time
) -> None:
    """If it is on disk it is owed, and the slot gets it all the same; else the slot is free again."""
    room = Room({"slack": 99})
    journal.offer(room)
    for waited in range(30):
        before = room.free["slack"]
        async with asyncio.TaskGroup() as group:
            task = group.create_task(recorded(journal, time, "slack"))
            await turns(waited)
            task.cancel()
        await journal.ping()
        stored = len(await journal.deliveries(DeliveryQuery(limit=99)))

        assert [claim.delivery.claim for claim in room.taken] == [1] * stored
        assert before - room.free["slack"] <= 1
        assert room.free["slack"] == 99 - stored
        assert journal.counts().get(("slack", State.IN_FLIGHT), 0) == stored


async def _crash(place: Place, journal: Journal) -> Place:
    """The place a process would find that started after this one died: a copy taken while it runs."""
    folder = place.folder / "after"
    folder.mkdir()
    await journal.backup(str(folder / "journal.db"))
    return Place(place.backend, folder, place.time)


async def test_a_crash_counts_for_what_was_born_in_flight(place: Place, time: Time) -> None:
    """As for anything that was claimed: due again under the next number."""
    async with place.open() as journal:
        journal.offer(Room({"slack": 1}))
        await recorded(journal, time, "slack")
        after = await _crash(place, journal)
    async with after.open() as journal:
        claim = await claimed(journal, "slack")

        assert (claim.delivery.crashes, claim.delivery.claim) == (1, 2)


async def _with_a_suspect(place: Place, time: Time) -> Place:
    """A place with one delivery that was in flight at two crashes."""
    current = place
    for number in (1, 2):
        async with current.open() as journal:
            await recorded(journal, time, *("slack",) if number == 1 else ())
            await journal.claim({"slack": 9})
            current = await _crash(current, journal)
    return current


async def test_nothing_is_born_in_flight_beside_a_suspect(place: Place, time: Time) -> None:
    """A suspect is to be tried alone, so everything waits for its turn."""
    async with (await _with_a_suspect(place, time)).open() as journal:
        room = Room({"slack": 9, "hook": 9})
        journal.offer(room)
        await recorded(journal, time, "slack", "hook")

        assert (room.taken, room.free) == ([], {"slack": 9, "hook": 9})


async def test_after_the_last_suspect_deliveries_are_born_in_flight_again(place: Place, time: Time) -> None:
    """Not while it may still come back untried; and without a restart."""
    async with (await _with_a_suspect(place, time)).open() as journal:
        time.pass_by(TRIAL_AFTER)
        room = Room({"slack": 9, "hook": 9})
        journal.offer(room)
        (suspect,) = (await journal.claim({"slack": 1}, suspect=True)).claims
        for _ in range(2):
            await recorded(journal, time, "hook")
            await claimed(journal, "hook")
        await journal.settle([settlement(suspect, State.PENDING)])
        await recorded(journal, time, "hook")
        assert room.taken == []

        (suspect,) = (await journal.claim({"slack": 1}, suspect=True)).claims
        states = await journal.deliveries(DeliveryQuery(sink="hook", state=State.IN_FLIGHT))
        await journal.settle([settlement(suspect, State.DELIVERED), *map(_done, states)])
        await claimed(journal, "hook")
        event = await recorded(journal, time, "hook")

        assert [event] == [claim.event for claim in room.taken]


def _done(delivery: Delivery) -> Settlement:
    return Settlement(delivery_id=delivery.id, claim=delivery.claim, state=State.DELIVERED)


async def test_a_journal_that_is_gone_keeps_no_slot(place: Place, time: Time) -> None:
    """Whoever asks too late gets the slot back with the error."""
    room = Room({"slack": 1})
    async with place.open() as journal:
        journal.offer(room)
    with pytest.raises(JournalUnavailable):
        await recorded(journal, time, "slack")

    assert (room.taken, room.free) == ([], {"slack": 1})


def _free_for(claims: list[Claim]) -> dict[str, int]:
    return {claim.delivery.sink: 1 for claim in claims}


async def test_a_claim_that_takes_all_there_is_lets_the_next_be_born_in_flight(
    journal: Journal, time: Time
) -> None:
    """Also what arrives while it is being committed: a busy sink goes on without claims."""
    await recorded(journal, time, "slack")
    room = Room({"slack": 1})
    journal.offer(room)
    async with asyncio.TaskGroup() as group:
        claim = group.create_task(journal.claim({"slack": 2}))
        await turns(1)
        group.create_task(recorded(journal, time, "slack"))

    assert _free_for(claim.result().claims) == _free_for(room.taken) == {"slack": 1}
