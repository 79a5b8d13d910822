"""What every backend promises of the Queue: claims, settlements, waiting."""

import asyncio

import pytest

from router.delivery import Claim, State
from router.journal.journal import DeliveryQuery, Journal
from tests.journal.backends import (
    Place,
    Time,
    attempt_of,
    claimed,
    recorded,
    settled,
    settlement,
)
from tests.waiting import turns


async def _only(journal: Journal) -> State:
    (delivery,) = await journal.deliveries(DeliveryQuery())
    return delivery.state


async def test_a_claim_brings_the_delivery_and_its_whole_event(journal: Journal, time: Time) -> None:
    """In flight under claim number 1, with the event as it was recorded."""
    event = await recorded(journal, time, "slack", payload=b'{"n": 1.50}', labels={"a": "b"})

    claim = await claimed(journal, "slack")

    assert event == claim.event
    assert not claim.superseded
    (stored,) = await journal.deliveries(DeliveryQuery())
    assert stored == claim.delivery
    assert (stored.state, stored.claim) == (State.IN_FLIGHT, 1)


async def test_an_old_event_is_claimed_as_whole_as_a_new_one(place: Place, time: Time) -> None:
    """What the journal may still have in memory makes no difference."""
    async with place.open() as journal:
        event = await recorded(journal, time, "slack", payload=b'{"n": 1.50}', labels={"a": "b"})
    async with place.open() as journal:
        assert event == (await claimed(journal, "slack")).event


async def test_events_of_any_size_are_claimed_whole(journal: Journal, time: Time) -> None:
    """More of them than fit in memory at once."""
    events = [await recorded(journal, time, "slack", payload=b"%d" % n * 700_000) for n in range(8)]

    batch = await journal.claim({"slack": 8})

    assert events == [claim.event for claim in batch.claims]


async def test_a_claim_takes_no_more_than_there_is_room_for(journal: Journal, time: Time) -> None:
    """Per sink, oldest due first; sinks that were not asked for are left alone."""
    events = []
    for _ in range(4):
        events.append(await recorded(journal, time, "slack", "hook", "file"))
        time.pass_by(1)

    batch = await journal.claim({"slack": 3, "hook": 1, "none": 5, "file": 0})

    taken = [(claim.delivery.sink, claim.event.id) for claim in batch.claims]
    assert [events[n].id for n in (0, 1, 2)] == [event for sink, event in taken if sink == "slack"]
    assert [events[0].id] == [event for sink, event in taken if sink == "hook"]
    assert len(taken) == 4
    assert journal.counts()["file", State.PENDING] == 4


async def test_a_batch_says_when_the_next_delivery_is_due(journal: Journal, time: Time) -> None:
    """In the past when there was no room for all that is due; None when nothing else is pending."""
    for _ in range(2):
        await recorded(journal, time, "slack")
    start = time.wall

    first = await journal.claim({"slack": 1})
    second = await journal.claim({"slack": 1, "hook": 1})
    await journal.settle([settlement(first.claims[0], State.PENDING, due=start + 60)])
    await journal.settle([settlement(second.claims[0], State.PENDING, due=start + 30)])
    third = await journal.claim({"slack": 2})

    assert (start, None, start + 30) == (first.next_due, second.next_due, third.next_due)
    assert third.claims == []


async def test_no_delivery_is_claimed_twice(journal: Journal, time: Time) -> None:
    """Not even by claims at the same moment."""
    for _ in range(20):
        await recorded(journal, time, "slack")

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(journal.claim({"slack": 4})) for _ in range(8)]
    claims = [claim.delivery.id for task in tasks for claim in task.result().claims]

    assert 20 == len(claims) == len(set(claims))


@pytest.mark.parametrize("state", [State.DELIVERED, State.DEAD])
async def test_a_settlement_ends_the_delivery_and_keeps_the_attempt(
    journal: Journal, time: Time, state: State
) -> None:
    """State, reason and time are kept; nothing is left to claim."""
    event = await recorded(journal, time, "slack")
    claim = await claimed(journal, "slack")
    time.pass_by(3)

    stale = await journal.settle(
        [settlement(claim, state, reason="why", failures=2, attempt=attempt_of(claim))]
    )

    assert stale == []
    (delivery,) = await journal.deliveries(DeliveryQuery(event_id=event.id))
    assert (state, "why", 2, 1, time.wall) == (
        delivery.state, delivery.reason, delivery.failures, delivery.claim, delivery.settled_at,
    )  # fmt: skip
    assert {delivery.id: [attempt_of(claim)]} == await journal.attempts([delivery.id])
    assert {("slack", state): 1} == journal.counts()
    time.pass_by(10**6)
    assert (await journal.claim({"slack": 1})).claims == []


async def test_a_retry_waits_until_it_is_due(journal: Journal, time: Time) -> None:
    """Then it is claimed again, under the next number, with its failures counted."""
    await recorded(journal, time, "slack")
    due = time.wall + 30
    await settled(journal, "slack", State.PENDING, due=due, failures=1, reason="answered 500")
    assert (await journal.claim({"slack": 1})).claims == []
    time.pass_by(30)

    claim = await claimed(journal, "slack")

    assert (2, 1, "answered 500", due) == (
        claim.delivery.claim, claim.delivery.failures, claim.delivery.reason, claim.delivery.due,
    )  # fmt: skip


async def test_a_claim_given_back_counts_nothing(journal: Journal, time: Time) -> None:
    """Pending as before; only the claim number shows that it was taken."""
    await recorded(journal, time, "slack")
    first = await settled(journal, "slack", State.PENDING, due=time.wall)

    (delivery,) = await journal.deliveries(DeliveryQuery())

    assert (
        delivery.state,
        delivery.failures,
        delivery.crashes,
        delivery.claim,
    ) == (State.PENDING, 0, 0, 1)
    assert {first.delivery.id: []} == await journal.attempts([first.delivery.id])


async def test_a_claim_that_is_not_the_current_one_settles_nothing(journal: Journal, time: Time) -> None:
    """It is told so; what it tried is recorded all the same, and only once."""
    await recorded(journal, time, "slack")
    old = await settled(journal, "slack", State.PENDING, due=time.wall)
    await claimed(journal, "slack")

    for _ in range(2):
        late = [settlement(old, state, attempt=attempt_of(old)) for state in (State.DELIVERED, State.PENDING)]
        assert [old.delivery.id] * 2 == await journal.settle(late)

    assert await _only(journal) == State.IN_FLIGHT
    assert {old.delivery.id: [attempt_of(old)]} == await journal.attempts([old.delivery.id])


async def test_a_probe_alone_knows_of_no_time_to_come(journal: Journal, time: Time) -> None:
    """It takes what is due earliest, due or not; where nothing has room, nothing is waited for."""
    await recorded(journal, time, "slack")
    await settled(journal, "slack", State.PENDING, due=time.wall + 60)

    batch = await journal.claim({}, probe=["slack"])

    assert [claim.delivery.claim for claim in batch.claims] == [2]
    assert batch.next_due is None


async def test_what_is_settled_twice_holds_up_nothing_beside_it(journal: Journal, time: Time) -> None:
    """Not the rest of the same call, whether it was settled before or stands there twice."""
    for build in ("7", "7", "7", None):
        await recorded(journal, time, "slack", build=build, project="shop", branch="main")
    one, two, three, four = (await journal.claim({"slack": 4})).claims
    ends = {claim.delivery.id: settlement(claim, State.DELIVERED) for claim in (one, three, four)}
    ends[two.delivery.id] = settlement(two, State.DEAD, reason="gone")
    assert await journal.settle([ends[one.delivery.id]]) == []

    assert await journal.settle([ends[one.delivery.id], ends[two.delivery.id]]) == [one.delivery.id]
    for each in (three, four):
        assert await journal.settle([ends[each.delivery.id]] * 2) == [each.delivery.id]

    found = {each.id: each.state for each in await journal.deliveries(DeliveryQuery())}
    assert found == {name: end.state for name, end in ends.items()}
    assert journal.counts() == {("slack", State.DELIVERED): 3, ("slack", State.DEAD): 1}


async def test_a_settlement_of_an_unknown_delivery_leaves_no_trace(journal: Journal, time: Time) -> None:
    """Its attempt belongs to nothing."""
    await recorded(journal, time, "slack")
    claim = await settled(journal, "slack", State.DELIVERED)
    time.pass_by(1)
    assert await journal.prune(time.wall, 1) == 1

    assert [claim.delivery.id] == await journal.settle(
        [settlement(claim, State.DEAD, attempt=attempt_of(claim))]
    )
    assert {claim.delivery.id: []} == await journal.attempts([claim.delivery.id])


async def test_nothing_is_settled_as_in_flight(journal: Journal, time: Time) -> None:
    """Only a claim does that."""
    await recorded(journal, time, "slack")
    claim = await claimed(journal, "slack")

    with pytest.raises(ValueError, match=rf"^'{claim.delivery.id}' cannot be settled as in flight$"):
        await journal.settle([settlement(claim, State.IN_FLIGHT)])


async def test_a_sink_on_probation_gets_one_delivery_due_or_not(journal: Journal, time: Time) -> None:
    """The one due earliest; others are claimed as usual beside it."""
    early = await recorded(journal, time, "slack")
    await settled(journal, "slack", State.PENDING, due=time.wall + 60)
    await recorded(journal, time, "slack")
    await settled(journal, "slack", State.PENDING, due=time.wall + 90)
    other = await recorded(journal, time, "hook")

    batch = await journal.claim({"hook": 5}, probe=["slack", "gone"])

    assert {early.id, other.id} == {claim.event.id for claim in batch.claims}


async def test_what_is_expedited_is_due_now(journal: Journal, time: Time) -> None:
    """Everything pending of that sink, and of no other."""
    for sink in ("slack", "slack", "hook"):
        await recorded(journal, time, sink)
        await settled(journal, sink, State.PENDING, due=time.wall + 60)
    await recorded(journal, time, "slack")

    assert await journal.expedite("slack") == 2
    assert await journal.expedite("slack") == 0

    assert len((await journal.claim({"slack": 9, "hook": 9})).claims) == 3


async def test_a_cancelled_claim_gives_everything_back(journal: Journal, time: Time) -> None:
    """Whether it was cancelled before or after the commit, nothing stays in flight without an owner."""
    for _ in range(9):
        await recorded(journal, time, "slack")
    for before in range(4):
        task: asyncio.Task[object]
        async with asyncio.TaskGroup() as group:
            task = group.create_task(journal.claim({"slack": 9}))
            for _ in range(before):
                await journal.ping()
            task.cancel()
        if task.cancelled():
            await journal.ping()
            await journal.ping()
        else:
            claims = (await task).claims  # type: ignore[attr-defined]  # a Batch
            await journal.settle([settlement(claim, State.PENDING, due=time.wall) for claim in claims])
        assert journal.counts() == {("slack", State.PENDING): 9}


async def test_a_claim_cancelled_before_its_answer_is_given_back(journal: Journal, time: Time) -> None:
    """It is committed all the same, and nobody ever learns of it."""
    await recorded(journal, time, "slack")
    async with asyncio.TaskGroup() as group:
        task = group.create_task(journal.claim({"slack": 1}))
        # It asks in this turn of the loop; no answer is heard before the next one.
        await turns(1)
        task.cancel()
    # Its commit, and then the one that takes it back.
    for _ in range(2):
        await journal.ping()

    assert task.cancelled()
    assert journal.counts() == {("slack", State.PENDING): 1}
    assert (await claimed(journal, "slack")).delivery.claim == 2


async def test_a_claim_cancelled_in_the_very_moment_of_its_answer_is_given_back(
    journal: Journal, time: Time
) -> None:
    """The answer is there, but its caller never sees it."""
    await recorded(journal, time, "slack")
    for _ in range(9):
        tasks: list[asyncio.Task[object]] = []

        async def cancel(tasks: list[asyncio.Task[object]]) -> None:
            # Asked before the claim, committed with it, answered a moment earlier.
            await journal.ping()
            tasks[0].cancel()

        async with asyncio.TaskGroup() as group:
            group.create_task(cancel(tasks))
            tasks.append(group.create_task(journal.claim({"slack": 1})))
        await journal.ping()

        assert journal.counts() == {("slack", State.PENDING): 1}


async def test_a_newer_event_of_the_same_build_supersedes_the_older_retry(
    journal: Journal, time: Time
) -> None:
    """From the second claim on, in that sink, once the newer one was delivered."""
    build = {"build": "7", "project": "shop"}
    await recorded(journal, time, "slack", "hook", **build)
    old = {}
    for sink in ("slack", "hook"):
        first = await claimed(journal, sink)
        assert not first.superseded
        old[sink] = first
    newer = await recorded(journal, time, "slack", "hook", **build)
    await settled(journal, "slack", State.DELIVERED)
    await settled(journal, "hook", State.DEAD)

    for sink, expected in (("slack", True), ("hook", False)):
        await journal.settle([settlement(old[sink], State.PENDING, due=time.wall)])
        assert expected == (await claimed(journal, sink)).superseded

    dead = await journal.deliveries(DeliveryQuery(sink="slack", event_id=newer.id))
    assert dead[0].state == State.DELIVERED


@pytest.mark.parametrize("newer", [{"build": "8"}, {"project": "other"}, {"build": None}, {"source": "app"}])
async def test_another_build_supersedes_nothing(
    journal: Journal, time: Time, newer: dict[str, object]
) -> None:
    """Build, project and source have to be the same, and there must be a build at all."""
    thread = {"build": "7", "project": "shop", "source": "web"}
    await recorded(journal, time, "slack", **thread)
    old = await claimed(journal, "slack")
    await recorded(journal, time, "slack", **{**thread, **newer})
    await settled(journal, "slack", State.DELIVERED)

    await journal.settle([settlement(old, State.PENDING, due=time.wall)])

    assert not (await claimed(journal, "slack")).superseded


async def test_an_older_event_delivered_late_does_not_supersede_the_newer(
    journal: Journal, time: Time
) -> None:
    """Newer is by event, not by the time of delivery."""
    await recorded(journal, time, "slack", build="7")
    older = await claimed(journal, "slack")
    await recorded(journal, time, "slack", build="7")
    newest = await settled(journal, "slack", State.DELIVERED)
    await recorded(journal, time, "slack", build="7")
    last = await claimed(journal, "slack")
    await journal.settle([settlement(older, State.DELIVERED)])

    await journal.settle([settlement(last, State.PENDING, due=time.wall)])

    assert not (await claimed(journal, "slack")).superseded
    assert newest.event.id < last.event.id


async def _due_now(journal: Journal) -> list[Claim]:
    return (await journal.claim({"slack": 9})).claims


async def test_due_times_survive_a_restart_and_a_stepped_clock(place: Place, time: Time) -> None:
    """What was due in a minute is due a minute later, also if the host's clock jumps meanwhile."""
    async with place.open() as journal:
        await recorded(journal, time, "slack")
        await settled(journal, "slack", State.PENDING, due=time.wall + 60)
    time.pass_by(30)
    async with place.open() as journal:
        time.step(3600)
        assert await _due_now(journal) == []
        time.pass_by(31)

        assert len(await _due_now(journal)) == 1
