"""What every backend promises of the Archive: pages, filters, and what an operator may do."""

import asyncio

import pytest
from msgspec.structs import replace

from router.clock import id_text
from router.delivery import Route, State
from router.errors import Unknown
from router.journal.journal import DeliveryQuery, EventQuery, Journal
from tests.journal.backends import Time, attempt_of, claimed, recorded, settled, settlement

_NOBODY = id_text("evt", 1)


async def _ids(journal: Journal, query: EventQuery) -> list[str]:
    return [event.id for event in await journal.events(query)]


async def test_events_come_newest_first_page_by_page(journal: Journal, time: Time) -> None:
    """Each page begins behind the last event of the one before; none is shown twice or left out."""
    events = [(await recorded(journal, time)).id for _ in range(7)]
    pages = []
    before = None
    while page := await _ids(journal, EventQuery(before=before, limit=3)):
        pages.append(page)
        before = page[-1]

    assert [events[:3:-1], events[3:0:-1], events[:1]] == pages


async def test_a_search_reads_no_bodies(journal: Journal, time: Time) -> None:
    """The events of a page are whole but for their payloads."""
    await recorded(journal, time, title="t", labels={"a": "b"})

    (event,) = await journal.events(EventQuery())

    assert (event.payload, event.title, event.labels) == (b"", "t", {"a": "b"})


@pytest.mark.parametrize("field", ["source", "provider", "kind", "status", "branch", "project"])
async def test_events_are_filtered_by_field(journal: Journal, time: Time, field: str) -> None:
    """Equality, and every filter has to hold."""
    first = await recorded(journal, time, **{field: "wanted"})
    await recorded(journal, time, **{field: "other"})
    second = await recorded(journal, time, **{field: "wanted", "author": "Bob"})

    query = EventQuery()
    assert [second.id, first.id] == await _ids(journal, replace(query, **{field: "wanted"}))
    assert [second.id] == await _ids(journal, replace(query, **{field: "wanted", "text": "Bob"}))
    assert await _ids(journal, replace(query, **{field: "wante"})) == []


@pytest.mark.parametrize("field", ["title", "branch", "author", "commit", "build", "project"])
async def test_text_is_found_anywhere_in_a_field(journal: Journal, time: Time, field: str) -> None:
    """Without regard to the case of ASCII letters."""
    wanted = await recorded(journal, time, **{field: "Fix the Header"})
    await recorded(journal, time, url="the header", **{field: "Fix the footer"})

    assert [wanted.id] == await _ids(journal, EventQuery(text="the head"))


@pytest.mark.parametrize("text", ["100%", "a_b", "a\\b", "'; DROP TABLE events; --", "ä"])
async def test_text_is_taken_literally(journal: Journal, time: Time, text: str) -> None:
    """Wildcards, escapes and quotes are characters like others."""
    wanted = await recorded(journal, time, title=f"<{text}>")
    await recorded(journal, time, title="100 axb a/b")

    assert [wanted.id] == await _ids(journal, EventQuery(text=text))


@pytest.mark.parametrize("text", ["\0", "A\0b", "\0%"])
async def test_a_nul_is_a_character_like_any_other(journal: Journal, time: Time, text: str) -> None:
    """A provider may send one; what is looked for does not end there."""
    await recorded(journal, time, title="a", branch="b")
    wanted = await recorded(journal, time, title=f"<{text.upper()}>")
    await recorded(journal, time, title="%")

    assert [wanted.id] == await _ids(journal, EventQuery(text=text))


@pytest.mark.parametrize("text", [None, "build"], ids=["all", "search"])
async def test_what_is_older_than_asked_for_is_not_looked_at(
    journal: Journal, time: Time, text: str | None
) -> None:
    """From the very moment on; a border beyond all times finds nothing, one before them everything."""
    old = await recorded(journal, time, title="build 1")
    time.pass_by(60)
    new = await recorded(journal, time, title="build 2")

    assert [new.id] == await _ids(journal, EventQuery(text=text, since=time.wall))
    assert [new.id, old.id] == await _ids(journal, EventQuery(text=text, since=time.wall - 60))
    assert [new.id, old.id] == await _ids(journal, EventQuery(text=text, since=-1e12))
    assert await _ids(journal, EventQuery(text=text, since=1e12)) == []


async def test_a_page_is_full_of_what_was_received_since(journal: Journal, time: Time) -> None:
    """What was received long before its id was given, as a released request, takes no place in it."""
    young = [(await recorded(journal, time, source="web", branch="main")).id for _ in range(3)]
    for _ in range(5):
        await recorded(journal, time, source="web", branch="main", received_at=time.wall - 3600)

    for filters in ({}, {"branch": "main"}, {"source": "web"}):
        query = EventQuery(since=time.wall, limit=3, **filters)  # type: ignore[arg-type]  # a table of test values
        assert await _ids(journal, query) == young[::-1]


@pytest.mark.parametrize(("seconds", "older"), [(-7200, True), (7200, False)], ids=["back", "on"])
async def test_what_was_received_since_is_found_wherever_the_hosts_clock_was_set(
    journal: Journal, time: Time, seconds: float, older: bool
) -> None:
    """Ids are of a time that a step does not move, receipts of the host's."""
    early = await recorded(journal, time)
    time.step(seconds)
    time.pass_by(10)
    late = await recorded(journal, time)

    assert await _ids(journal, EventQuery(since=time.wall)) == [late.id, early.id][: 1 + older]


async def test_a_text_search_goes_through_all_events(journal: Journal, time: Time) -> None:
    """Pages work as without a text, and an exhausted search ends."""
    events = [(await recorded(journal, time, title=f"{number % 2}")).id for number in range(9)]
    odd = events[1::2][::-1]

    first = await _ids(journal, EventQuery(text="1", limit=3))
    rest = await _ids(journal, EventQuery(text="1", limit=3, before=first[-1]))

    assert (odd[:3], odd[3:]) == (first, rest)


async def test_a_page_cannot_begin_behind_nonsense(journal: Journal) -> None:
    """A cursor that is no id is an error, one whose event is gone is not."""
    with pytest.raises(Unknown, match=r"^'evt_x' is not an id to go on from$"):
        await journal.events(EventQuery(before="evt_x"))
    with pytest.raises(Unknown, match=r"^'' is not an id to go on from$"):
        await journal.deliveries(DeliveryQuery(before=""))
    assert await journal.events(EventQuery(before=_NOBODY)) == []


@pytest.mark.parametrize("event_id", [_NOBODY, "evt_x", ""])
async def test_an_unknown_event_is_none(journal: Journal, event_id: str) -> None:
    """Malformed ids are unknown ids."""
    assert await journal.event(event_id) is None
    assert await journal.deliveries(DeliveryQuery(event_id=event_id)) == []


async def _one_in_each_state(journal: Journal, time: Time, sink: str) -> dict[State, str]:
    """Ids of four deliveries of a sink, oldest first: pending, in flight, delivered, dead."""
    found = {}
    for state in State:
        await recorded(journal, time, sink)
        claim = await claimed(journal, sink)
        found[state] = claim.delivery.id
        if state is not State.IN_FLIGHT:
            await journal.settle([settlement(claim, state, due=time.wall + 99)])
    return found


async def test_deliveries_are_filtered_by_sink_state_and_event(journal: Journal, time: Time) -> None:
    """Open and settled alike, newest first."""
    slack = await _one_in_each_state(journal, time, "slack")
    hook = await _one_in_each_state(journal, time, "hook")

    async def ids(**filters: object) -> list[str]:
        query = DeliveryQuery(**filters)  # type: ignore[arg-type]  # a table of test values
        return [delivery.id for delivery in await journal.deliveries(query)]

    assert [*slack.values(), *hook.values()][::-1] == await ids()
    assert list(slack.values())[::-1] == await ids(sink="slack")
    for state in State:
        assert [hook[state], slack[state]] == await ids(state=state)
        assert [hook[state]] == await ids(state=state, sink="hook")
    (delivered,) = await journal.deliveries(DeliveryQuery(sink="hook", state=State.DELIVERED))
    assert [hook[State.DELIVERED]] == await ids(event_id=delivered.event_id)
    assert await ids(event_id=delivered.event_id, sink="slack") == []


async def test_deliveries_are_found_by_when_they_settled(journal: Journal, time: Time) -> None:
    """From the very moment on, however old they are; what is open has not settled."""
    early = await _one_in_each_state(journal, time, "slack")
    time.pass_by(60)
    assert await journal.discard(ids=[early[State.PENDING]], reason="r") == 1
    late = await _one_in_each_state(journal, time, "slack")

    async def ids(since: float, **filters: object) -> list[str]:
        query = DeliveryQuery(settled_since=since, **filters)  # type: ignore[arg-type]  # a table of test values
        return [delivery.id for delivery in await journal.deliveries(query)]

    assert [late[State.DEAD], early[State.PENDING]] == await ids(time.wall, state=State.DEAD)
    assert [early[State.PENDING]] == await ids(time.wall, state=State.DEAD, before=late[State.PENDING])
    assert [late[State.DEAD]] == await ids(time.wall, state=State.DEAD, limit=1)
    assert [late[State.DEAD], late[State.DELIVERED], early[State.PENDING]] == await ids(time.wall)
    assert early[State.DEAD] in await ids(time.wall - 60, sink="slack")
    assert await ids(0, state=State.PENDING) == await ids(0, sink="hook") == await ids(1e12) == []


async def test_deliveries_are_found_by_when_they_were_created(journal: Journal, time: Time) -> None:
    """What an operator requeued counts from then, and what is older takes no place in the page."""
    early = await _one_in_each_state(journal, time, "slack")
    await _one_in_each_state(journal, time, "slack")
    time.pass_by(60)
    assert await journal.requeue(ids=[early[State.DEAD]]) == 1

    found = await journal.deliveries(DeliveryQuery(created_since=time.wall, limit=1))
    assert [(one.id, one.state) for one in found] == [(early[State.DEAD], State.PENDING)]
    assert len(await journal.deliveries(DeliveryQuery(created_since=time.wall - 60))) == 8


async def test_deliveries_come_page_by_page(journal: Journal, time: Time) -> None:
    """Over the states, by id."""
    wanted = [*(await _one_in_each_state(journal, time, "slack")).values()][::-1]
    pages = []
    before = None
    while page := await journal.deliveries(DeliveryQuery(before=before, limit=3)):
        pages += [delivery.id for delivery in page]
        before = page[-1].id

    assert wanted == pages


async def test_attempts_come_oldest_first(journal: Journal, time: Time) -> None:
    """Every delivery asked for has its list, an unknown one an empty one."""
    await recorded(journal, time, "slack")
    tried = []
    for state in (State.PENDING, State.PENDING, State.DELIVERED):
        claim = await claimed(journal, "slack")
        tried.append(attempt_of(claim, "retry"))
        await journal.settle([settlement(claim, state, due=time.wall, attempt=tried[-1])])

    nobody = id_text("dlv", 1)

    assert {claim.delivery.id: tried, nobody: [], "x": []} == await journal.attempts(
        [claim.delivery.id, nobody, "x"]
    )


async def test_the_dead_are_requeued_with_a_fresh_schedule(journal: Journal, time: Time) -> None:
    """Due now, nothing counted against them; claim numbers go on rising."""
    await recorded(journal, time, "slack", build="1")
    dead = await settled(journal, "slack", State.DEAD, reason="why", failures=9)
    time.pass_by(50)

    assert await journal.requeue(ids=[dead.delivery.id]) == 1

    (delivery,) = await journal.deliveries(DeliveryQuery())
    assert (State.PENDING, time.wall, 0, 0, None, None) == (
        delivery.state, delivery.due, delivery.failures, delivery.crashes, delivery.reason,
        delivery.settled_at,
    )  # fmt: skip
    assert delivery.created_at == time.wall
    assert (await claimed(journal, "slack")).delivery.claim == 2


async def test_a_requeued_delivery_can_be_superseded(journal: Journal, time: Time) -> None:
    """It still knows its build."""
    await recorded(journal, time, "slack", build="1")
    dead = await settled(journal, "slack", State.DEAD)
    await recorded(journal, time, "slack", build="1")
    await settled(journal, "slack", State.DELIVERED)
    await journal.requeue(ids=[dead.delivery.id])

    assert (await claimed(journal, "slack")).superseded


async def test_only_the_dead_are_requeued_and_only_the_pending_discarded(
    journal: Journal, time: Time
) -> None:
    """Others, unknown and malformed ids are passed over."""
    ids = await _one_in_each_state(journal, time, "slack")
    everything = [*ids.values(), id_text("dlv", 1), "x"]

    assert await journal.discard(ids=everything, reason="not wanted") == 1
    (discarded,) = await journal.deliveries(
        DeliveryQuery(state=State.DEAD, limit=1, before=ids[State.IN_FLIGHT])
    )
    assert (ids[State.PENDING], "not wanted", time.wall) == (
        discarded.id,
        discarded.reason,
        discarded.settled_at,
    )
    assert await journal.requeue(ids=everything) == 2
    assert (journal.counts()) == {
        ("slack", State.PENDING): 2,
        ("slack", State.IN_FLIGHT): 1,
        ("slack", State.DELIVERED): 1,
    }


async def test_a_whole_sink_is_requeued_or_discarded(journal: Journal, time: Time) -> None:
    """And no other one."""
    for sink in ("slack", "slack", "hook"):
        await recorded(journal, time, sink)

    assert await journal.discard(sink="slack", reason="r") == 2
    assert await journal.discard(sink="slack", reason="r") == 0
    assert journal.counts() == {("slack", State.DEAD): 2, ("hook", State.PENDING): 1}
    assert await journal.requeue(sink="slack") == 2
    assert await journal.requeue(sink="slack") == 0
    assert journal.counts() == {("slack", State.PENDING): 2, ("hook", State.PENDING): 1}
    assert 0 == await journal.requeue() == await journal.discard(reason="r")


async def _record_many(journal: Journal, time: Time, count: int, *sinks: str) -> None:
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(recorded(journal, time, *sinks, title=f"number {number}"))


async def test_a_long_queue_is_moved_to_its_last_delivery(journal: Journal, time: Time) -> None:
    """However many bites that takes."""
    await _record_many(journal, time, 1200, "slack")

    assert await journal.discard(sink="slack", reason="r") == 1200
    assert await journal.requeue(sink="slack") == 1200
    ids = [delivery.id for delivery in await journal.deliveries(DeliveryQuery(limit=2000))]
    assert await journal.discard(ids=ids, reason="r") == 1200
    assert await journal.requeue(ids=ids) == 1200
    assert journal.counts() == {("slack", State.PENDING): 1200}


@pytest.mark.unmeasured
async def test_a_text_search_reaches_the_oldest_event(journal: Journal, time: Time) -> None:
    """However many events it has to read."""
    await _record_many(journal, time, 5100)

    found = await journal.events(EventQuery(text="NUMBER 1"))

    assert len(found) == 50
    assert (await journal.events(EventQuery(text="number 0", limit=9)))[-1].title == "number 0"


async def test_an_event_gets_only_the_deliveries_it_lacks(journal: Journal, time: Time) -> None:
    """By sink, settled ones included; the first of two routes to a sink wins."""
    event = await recorded(journal, time, "slack", "hook", build="1")
    await settled(journal, "slack", State.DELIVERED)
    routes = [Route("new", sink) for sink in ("slack", "file", "hook", "log")] + [Route("late", "file")]

    added = await journal.add(event.id, routes)

    found = await journal.deliveries(DeliveryQuery(event_id=event.id, state=State.PENDING))
    assert [(each.sink, each.rule) for each in found] == [
        ("log", "new"),
        ("file", "new"),
        ("hook", "rule of hook"),
    ]
    assert added == [each.id for each in found[1::-1]]
    assert await journal.add(event.id, routes) == []
    assert event == (await claimed(journal, "file")).event


@pytest.mark.parametrize("event_id", [_NOBODY, "x"])
async def test_nothing_is_added_to_an_unknown_event(journal: Journal, event_id: str) -> None:
    """The error names it."""
    with pytest.raises(Unknown, match=rf"^no event '{event_id}'$"):
        await journal.add(event_id, [Route("r", "slack")])
