"""What every backend promises of the Inbox."""

import asyncio

import pytest

from router.clock import id_number
from router.delivery import Route, State
from router.errors import JournalError
from router.event import Event
from router.journal.journal import DeliveryQuery, EventQuery, Journal, Receipt
from tests.journal.backends import Place, Time, an_event, recorded

_ROUTES = [Route("to slack", "slack"), Route("keep", "archive")]


async def _record(
    journal: Journal, event: Event, window: float | None = 300.0, *, flag: bool = False
) -> Receipt:
    return await journal.record(event, _ROUTES, window=window, ruleset="rules", flag_reuse=flag)


async def test_a_recorded_event_comes_back_as_it_was(journal: Journal, time: Time) -> None:
    """Every field, the raw body and the digest of the rules are kept."""
    event = an_event(
        journal, time, event="build-status-changed", status="pending", provider_status="PENDING",
        branch="main", commit="c0ffee", project="shop", build="17", changes=3, author="Ada",
        title="Größe: 100 % \x00 'x'", url="https://example.com/17", pull_request=8,
        labels={"team": "design"}, payload=b"\x00\xff{}",
    )  # fmt: skip

    receipt = await journal.record(event, [], window=None, ruleset="digest")

    assert receipt == Receipt(event.id, duplicate=False)
    judged = await journal.event(event.id)
    assert judged is not None
    assert (event, "digest") == (judged.event, judged.ruleset)


async def test_absent_fields_stay_absent(journal: Journal, time: Time) -> None:
    """None comes back as None."""
    event = await recorded(journal, time)

    judged = await journal.event(event.id)

    assert judged is not None
    assert event == judged.event


async def test_each_route_is_owed_one_delivery_due_at_once(journal: Journal, time: Time) -> None:
    """A pending delivery per route, created and due now, never claimed."""
    event = an_event(journal, time)
    await _record(journal, event)

    found = await journal.deliveries(DeliveryQuery(event_id=event.id))

    assert {("slack", "to slack"), ("archive", "keep")} == {(each.sink, each.rule) for each in found}
    for each in found:
        assert (event.id, State.PENDING, time.wall, time.wall) == (
            each.event_id, each.state, each.due, each.created_at,
        )  # fmt: skip
        assert (
            each.claim,
            each.failures,
            each.crashes,
            each.reason,
            each.settled_at,
        ) == (0, 0, 0, None, None)


async def test_an_event_without_routes_is_owed_nothing(journal: Journal, time: Time) -> None:
    """It is kept all the same."""
    event = await recorded(journal, time)

    assert await journal.deliveries(DeliveryQuery(event_id=event.id)) == []
    assert journal.counts() == {}


async def test_a_resend_within_the_window_is_a_duplicate(journal: Journal, time: Time) -> None:
    """It stores nothing and is answered with the first id, up to the window's last moment."""
    first = an_event(journal, time)
    await _record(journal, first)
    for _ in range(2):
        time.pass_by(150)

        receipt = await _record(journal, an_event(journal, time))

        assert Receipt(first.id, duplicate=True) == receipt
    assert len(await journal.events(EventQuery())) == 1
    assert len(await journal.deliveries(DeliveryQuery())) == 2


async def test_a_resend_after_the_window_is_an_event_of_its_own(journal: Journal, time: Time) -> None:
    """The window counts from the recording, and a duplicate does not extend it."""
    await _record(journal, an_event(journal, time))
    time.pass_by(299)
    await _record(journal, an_event(journal, time))
    time.pass_by(2)
    again = an_event(journal, time)

    assert Receipt(again.id, duplicate=False) == await _record(journal, again)


async def test_accept_deny_accept_all_pass(journal: Journal, time: Time) -> None:
    """Only the last body of a subject makes a duplicate; the third event repeats the first and is news."""
    for payload in (b'{"accept"}', b'{"deny"}', b'{"accept"}'):
        event = an_event(journal, time, payload=payload)
        assert Receipt(event.id, duplicate=False) == await _record(journal, event)
    resend = await _record(journal, an_event(journal, time, payload=b'{"accept"}'))

    assert Receipt(event.id, duplicate=True) == resend


async def test_without_an_end_of_the_window_a_resend_is_a_duplicate_for_ever(
    journal: Journal, time: Time
) -> None:
    """The window None has no end."""
    first = an_event(journal, time)
    await _record(journal, first, None)
    time.pass_by(20 * 86_400)

    assert Receipt(first.id, duplicate=True) == await _record(journal, an_event(journal, time), None)


async def test_with_a_window_of_zero_nothing_is_a_duplicate(journal: Journal, time: Time) -> None:
    """Not even at the same moment."""
    await _record(journal, an_event(journal, time), 0)

    assert not (await _record(journal, an_event(journal, time), 0)).duplicate


@pytest.mark.parametrize("other", [{"source": "app"}, {"subject": "build 2"}, {"payload": b"{}"}])
async def test_another_source_subject_or_body_is_no_duplicate(
    journal: Journal, time: Time, other: dict[str, object]
) -> None:
    """All three have to be the same."""
    await _record(journal, an_event(journal, time))

    assert not (await _record(journal, an_event(journal, time, **other))).duplicate


async def test_a_resend_after_a_restart_is_still_a_duplicate(place: Place, time: Time) -> None:
    """What was seen is as durable as the event."""
    async with place.open() as journal:
        first = an_event(journal, time)
        await _record(journal, first)
    async with place.open() as journal:
        assert Receipt(first.id, duplicate=True) == await _record(journal, an_event(journal, time))


async def test_a_known_delivery_id_with_another_body_is_stored_and_flagged(
    journal: Journal, time: Time
) -> None:
    """Only with `flag_reuse`, and only if the body differs."""
    flags = []
    for payload, window, flag in (
        (b"1", None, True),
        (b"2", None, True),
        (b"2", 0, True),
        (b"3", None, False),
    ):
        event = an_event(journal, time, payload=payload)
        assert not (await _record(journal, event, window, flag=flag)).duplicate
        judged = await journal.event(event.id)
        assert judged is not None
        flags.append(judged.event.reused)

    assert flags == [False, True, False, False]


async def test_a_flagged_event_is_claimed_with_its_flag(journal: Journal, time: Time) -> None:
    """The deliver path sees what the journal found out."""
    for payload in (b"1", b"2"):
        await _record(journal, an_event(journal, time, payload=payload), None, flag=True)

    batch = await journal.claim({"slack": 9})

    assert [claim.event.reused for claim in batch.claims] == [False, True]


async def test_of_fifty_equal_events_at_once_one_is_stored(journal: Journal, time: Time) -> None:
    """All are answered with the same id, and only one is no duplicate."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_record(journal, an_event(journal, time))) for _ in range(50)]
    receipts = [task.result() for task in tasks]

    assert len({receipt.id for receipt in receipts}) == 1
    assert sum(receipt.duplicate for receipt in receipts) == 49
    assert len(await journal.events(EventQuery())) == 1


async def test_one_event_that_cannot_be_stored_fails_alone(journal: Journal, time: Time) -> None:
    """Those recorded in the same moment are stored; the refusal says why."""
    known = await recorded(journal, time, "slack")
    bad = [
        an_event(journal, time, id=known.id, subject="used id"),
        an_event(journal, time, title="\ud800", subject="no text"),
    ]
    good = [an_event(journal, time, subject=f"good {number}") for number in range(9)]
    errors: list[str] = []

    async def refused(event: Event) -> None:
        with pytest.raises(JournalError) as caught:
            await _record(journal, event)
        errors.append(str(caught.value))

    async with asyncio.TaskGroup() as group:
        for event in [*good[:4], *bad, *good[4:]]:
            group.create_task(refused(event) if event in bad else _record(journal, event))

    assert len(await journal.events(EventQuery())) == 10
    assert [error.startswith("the journal refused a value: ") for error in errors] == [True, True]
    assert sum(journal.counts().values()) == 1 + 2 * len(good)
    for event in bad:
        # Nothing of the refused ones stayed behind that would make this a duplicate.
        again = an_event(journal, time, subject=event.subject)
        assert not (await _record(journal, again)).duplicate


async def test_a_number_too_wide_to_store_does_not_cost_the_event(journal: Journal, time: Time) -> None:
    """It is absent, the rest stands."""
    event = await recorded(journal, time, changes=10**30, pull_request=-(1 << 63))

    judged = await journal.event(event.id)

    assert judged is not None
    assert (judged.event.changes, judged.event.pull_request) == (None, -(1 << 63))


async def test_an_event_without_an_id_of_its_own_is_refused(journal: Journal, time: Time) -> None:
    """Ids are given at receipt, before the journal sees an event."""
    with pytest.raises(ValueError, match=r"^'evt_1' is not an event id$"):
        await _record(journal, an_event(journal, time, id="evt_1"))


async def test_a_cancelled_caller_does_not_harm_the_others(journal: Journal, time: Time) -> None:
    """Its event may be stored or not; everybody else's is, and is answered."""
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_record(journal, an_event(journal, time, subject=f"{number}")))
            for number in range(20)
        ]
        await asyncio.wait(tasks, timeout=0)
        for task in tasks[::2]:
            task.cancel()

    assert all(not task.result().duplicate for task in tasks[1::2])
    assert len(await journal.events(EventQuery())) >= 10
    await journal.ping()


async def test_ids_never_go_back(place: Place, time: Time) -> None:
    """Not even if the clock is set back while the router is down."""
    async with place.open() as journal:
        event = await recorded(journal, time, "slack")
        (delivery,) = await journal.deliveries(DeliveryQuery())
    time.step(-7200)
    async with place.open() as journal:
        number = journal.ids.next()
        newer = await recorded(journal, time, "slack")

        assert number > max(id_number("evt", event.id) or 0, id_number("dlv", delivery.id) or 0)
        assert [newer.id, event.id] == [each.id for each in await journal.events(EventQuery())]


async def test_a_ruleset_is_kept_under_its_digest(journal: Journal) -> None:
    """Once is enough, twice does no harm, and an unknown one is None."""
    for _ in range(2):
        await journal.remember("d1", "rules: []")

    assert await journal.rules("d1") == "rules: []"
    assert await journal.rules("d2") is None
