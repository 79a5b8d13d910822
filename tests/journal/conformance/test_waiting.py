"""What every backend promises of waiting, marks, and deliveries that saw crashes."""

import asyncio

import pytest

from router.delivery import State
from router.journal.journal import DeliveryQuery, Journal, SinkMark
from router.share import ALONE
from tests.journal.backends import Place, Time, an_event, attempt_of, claimed, recorded, settled, settlement
from tests.waiting import turns

# Seconds that a process must have lived before it tries a suspect.
TRIAL_AFTER = 30.0


async def _woken(journal: Journal) -> bool:
    """Whether `wait` returns without its time being up."""
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(journal.wait(None))
        # Whatever was to wake it did so before this is answered.
        await journal.ping()
        await turns()
        done = waiting.done()
        waiting.cancel()
    return done


async def test_wait_returns_when_its_time_is_up(journal: Journal) -> None:
    """Without anything having happened: what the opening woke is the first one's."""
    await journal.wait(0.001)
    await journal.wait(0.001)


async def test_wait_returns_once_per_alarm(journal: Journal) -> None:
    """A wake before the wait counts, and counts once."""
    journal.wake()
    journal.wake()

    assert await _woken(journal)
    assert not await _woken(journal)


async def test_whatever_becomes_due_ends_the_wait(journal: Journal, time: Time) -> None:
    """Recorded, to be retried, expedited, added, requeued."""
    event = await recorded(journal, time, "slack")
    assert await _woken(journal)
    await settled(journal, "slack", State.PENDING, due=time.wall + 60)
    assert await _woken(journal)
    await journal.expedite("slack")
    assert await _woken(journal)
    await settled(journal, "slack", State.DEAD)
    assert not await _woken(journal)
    await journal.requeue(sink="slack")
    assert await _woken(journal)
    await journal.add(event.id, [])
    assert not await _woken(journal)
    await journal.record(an_event(journal, time), [], window=None, ruleset="rules")
    assert not await _woken(journal)


async def test_sink_marks_are_kept_until_they_are_emptied(place: Place) -> None:
    """Over restarts; a mark of other settings replaces the one before."""
    held = SinkMark(sink="hook", held_until=12.5, fingerprint="f1")
    paused = SinkMark(sink="slack", paused="answered 404", by_operator=True, fingerprint="f2")
    async with place.open() as journal:
        assert await journal.marks() == []
        await journal.mark(SinkMark(sink="slack", paused="other"))
        for mark in (paused, held):
            await journal.mark(mark)
    async with place.open() as journal:
        assert [held, paused] == await journal.marks()
        await journal.mark(SinkMark(sink="slack"))
        await journal.mark(SinkMark(sink="unknown"))

        assert [held] == await journal.marks()


_MERGED: dict[str, tuple[dict[str, object], dict[str, object], dict[str, object]]] = {
    "the longer hold stays": ({"held_until": 60.0}, {"held_until": 9.0}, {"held_until": 60.0}),
    "a hold becomes longer": ({"held_until": 9.0}, {"held_until": 60.0}, {"held_until": 60.0}),
    "a pause stays beside a hold": (
        {"paused": "answered 410"},
        {"held_until": 9.0},
        {"paused": "answered 410", "held_until": 9.0},
    ),
    "a hold stays beside a pause": (
        {"held_until": 9.0},
        {"paused": "answered 410"},
        {"paused": "answered 410", "held_until": 9.0},
    ),
    "an operator is not overruled": (
        {"paused": "maintenance", "by_operator": True},
        {"paused": "answered 410"},
        {"paused": "maintenance", "by_operator": True},
    ),
    "an operator overrules": (
        {"paused": "answered 410"},
        {"paused": "maintenance", "by_operator": True},
        {"paused": "maintenance", "by_operator": True},
    ),
    "other settings forget what was learnt": (
        {"paused": "answered 410", "held_until": 60.0},
        {"held_until": 9.0, "fingerprint": "other"},
        {"held_until": 9.0, "fingerprint": "other"},
    ),
    "other settings do not overrule an operator": (
        {"paused": "maintenance", "by_operator": True, "held_until": 60.0},
        {"held_until": 9.0, "fingerprint": "other"},
        {"paused": "maintenance", "by_operator": True, "held_until": 9.0, "fingerprint": "other"},
    ),
}


@pytest.mark.parametrize("case", _MERGED)
async def test_marks_of_two_routers_do_not_forget_each_other(journal: Journal, case: str) -> None:
    """Each knows only what it learnt itself, and says so."""
    first, then, together = (SinkMark(**{"sink": "slack", **each}) for each in _MERGED[case])  # type: ignore[arg-type]  # a table of test values
    await journal.mark(first)
    await journal.mark(then)

    assert await journal.marks() == [together]


async def test_a_router_alone_has_the_whole_share_and_no_news(journal: Journal) -> None:
    """What it did itself is none."""
    await journal.mark(SinkMark(sink="slack", paused="answered 410"))
    journal.wake()
    await journal.wait(None)

    assert journal.share() == ALONE
    assert journal.news() == []


async def _crash(place: Place, journal: Journal, number: int) -> Place:
    return await place.after_crash(journal, number)


async def test_what_was_in_flight_at_a_crash_is_due_again_and_counted(place: Place, time: Time) -> None:
    """Pending, with one crash more, and claimed under the next number."""
    async with place.open() as journal:
        await recorded(journal, time, "slack")
        await claimed(journal, "slack")
        after = await _crash(place, journal, 1)
    async with after.open() as journal:
        assert journal.counts() == {("slack", State.PENDING): 1}

        claim = await claimed(journal, "slack")

        assert (claim.delivery.crashes, claim.delivery.claim) == (1, 2)


async def test_a_suspect_is_passed_over_and_tried_alone(place: Place, time: Time) -> None:
    """In flight at two crashes: from then on only a claim for suspects takes it, one at a time."""
    current = place
    async with place.open() as journal:
        for _ in range(2):
            await recorded(journal, time, "slack")
            await recorded(journal, time, "hook")
        current = await _crash_in_flight(place, journal, 1)
    async with current.open() as journal:
        current = await _crash_in_flight(current, journal, 2)
    async with current.open() as journal:
        innocent = await recorded(journal, time, "slack")
        time.pass_by(TRIAL_AFTER)

        usual = await journal.claim({"slack": 9, "hook": 9}, probe=["hook"])
        alone = await journal.claim({"slack": 9, "hook": 9}, suspect=True)

        assert [innocent.id] == [claim.event.id for claim in usual.claims]
        assert (usual.suspects, usual.next_due) == (["slack", "hook"], None)
        assert [claim.delivery.crashes for claim in alone.claims] == [2]
        assert alone.suspects == ["slack", "hook"]


async def _crash_in_flight(place: Place, journal: Journal, number: int) -> Place:
    await journal.claim({"slack": 9, "hook": 9})
    return await _crash(place, journal, number)


async def _suspect(place: Place, time: Time) -> Place:
    """A place with one delivery that was in flight at two crashes."""
    current = place
    for number in (1, 2):
        async with current.open() as journal:
            if number == 1:
                await recorded(journal, time, "slack")
            current = await _crash_in_flight(current, journal, number)
    return current


async def test_a_suspect_waits_for_its_time_like_any_other(place: Place, time: Time) -> None:
    """It is not counted before, and its time is known."""
    current = await _suspect(place, time)
    due = time.wall + 60
    async with current.open() as journal:
        time.pass_by(TRIAL_AFTER)
        claim = (await journal.claim({"slack": 1}, suspect=True)).claims[0]
        await journal.settle([settlement(claim, State.PENDING, due=due, failures=1)])
        later = await recorded(journal, time, "slack")
        await settled(journal, "slack", State.PENDING, due=due + 9)

        early = await journal.claim({"slack": 1}, suspect=True)
        assert ([], due, []) == (early.claims, early.next_due, early.suspects)
        assert await journal.expedite("slack") == 2
        found = await journal.claim({"slack": 1}, suspect=True)

        assert [claim.delivery.id] == [each.delivery.id for each in found.claims]
        assert (time.wall, []) == (found.next_due, found.suspects)
        assert later.id == (await claimed(journal, "slack")).event.id


async def test_the_only_one_in_flight_at_three_crashes_is_set_aside(place: Place, time: Time) -> None:
    """Dead, with the reason; requeued it starts afresh."""
    current = await _suspect(place, time)
    async with current.open() as journal:
        await recorded(journal, time, "slack")
        time.pass_by(TRIAL_AFTER)
        await journal.claim({"slack": 1}, suspect=True)
        current = await _crash(current, journal, 3)
    async with current.open() as journal:
        (dead,) = await journal.deliveries(DeliveryQuery(state=State.DEAD))
        assert ("in flight alone at 3 crashes", 3, time.wall) == (dead.reason, dead.crashes, dead.settled_at)
        assert journal.counts() == {("slack", State.DEAD): 1, ("slack", State.PENDING): 1}
        await journal.requeue(ids=[dead.id])

        batch = await journal.claim({"slack": 9})

        assert dead.id in [claim.delivery.id for claim in batch.claims]
        assert [claim.delivery.crashes for claim in batch.claims] == [0, 0]


async def test_a_suspect_waits_until_its_process_has_lived_for_a_while(place: Place, time: Time) -> None:
    """Whoever is killed again and again within half a minute blames nobody, however often."""
    current = await _suspect(place, time)
    for number in range(3, 9):
        async with current.open() as journal:
            time.pass_by(TRIAL_AFTER - 1)
            batch = await journal.claim({"slack": 9}, suspect=True)
            assert (batch.claims, batch.next_due, batch.suspects) == ([], time.wall + 1, [])
            current = await _crash(current, journal, number)
    async with current.open() as journal:
        time.pass_by(TRIAL_AFTER)
        (claim,) = (await journal.claim({"slack": 9}, suspect=True)).claims
        assert claim.delivery.crashes == 2


async def test_an_attempt_that_came_to_its_end_clears_a_suspect(place: Place, time: Time) -> None:
    """It failed, but it killed nobody: the crashes are forgotten, and it is claimed like any other."""
    current = await _suspect(place, time)
    async with current.open() as journal:
        time.pass_by(TRIAL_AFTER)
        (claim,) = (await journal.claim({"slack": 9}, suspect=True)).claims
        tried = attempt_of(claim, "retry")
        await journal.settle([settlement(claim, State.PENDING, due=time.wall, failures=1, attempt=tried)])

        assert (await claimed(journal, "slack")).delivery.crashes == 0


async def test_three_crashes_in_company_do_not_kill_a_delivery(place: Place, time: Time) -> None:
    """Only the one that was alone is to blame."""
    current = place
    for number in range(1, 4):
        async with current.open() as journal:
            if number == 1:
                await recorded(journal, time, "slack")
            await recorded(journal, time, "slack")
            await journal.claim({"slack": 9})
            if number == 3:
                time.pass_by(TRIAL_AFTER)
                await journal.claim({"slack": 9}, suspect=True)
            current = await _crash(current, journal, number)
    async with current.open() as journal:
        assert journal.counts() == {("slack", State.PENDING): 4}
        crashes = [each.crashes for each in await journal.deliveries(DeliveryQuery())]
        assert max(crashes) == 3


async def test_a_proper_end_counts_no_crash(place: Place, time: Time) -> None:
    """What was given back before the end is as it was."""
    async with place.open() as journal:
        await recorded(journal, time, "slack")
        await settled(journal, "slack", State.PENDING, due=time.wall)
    async with place.open() as journal:
        assert (await claimed(journal, "slack")).delivery.crashes == 0
