"""Deliveries over the API: listed, tried again, given up."""

from typing import Any

import pytest

from router.delivery import State
from tests.admin.desk import RULES, Desk, Door

UNKNOWN = "dlv_0000000000001"


def ids(page: Any) -> list[str]:
    """The ids of a page of deliveries."""
    return [row["id"] for row in page["deliveries"]]


async def test_deliveries_come_newest_first_in_pages(desk: Desk, door: Door) -> None:
    """`next` asks for the following page; the last one has none."""
    for _ in range(2):
        await desk.event()
    everything = ids(await door.get("/deliveries"))
    first: Any = await door.get("/deliveries?limit=3")
    second: Any = await door.get(f"/deliveries?limit=3&before={first['next']}")

    assert [*ids(first), *ids(second)] == everything == sorted(everything, reverse=True)
    assert second["next"] is None


async def test_deliveries_are_filtered(desk: Desk, door: Door) -> None:
    """By state, sink, event and time; a list does not tell attempts."""
    event_id, other = await desk.event(), await desk.event()
    dead = await desk.settle("design", State.DEAD, "answered 400")

    assert ids(await door.get("/deliveries?state=dead")) == [dead]
    assert len(ids(await door.get("/deliveries?sink=log"))) == 2
    assert len(ids(await door.get(f"/deliveries?event={event_id}"))) == 2
    assert len(ids(await door.get(f"/deliveries?event={other}&since=1h&sink=log"))) == 1
    assert ids(await door.get("/deliveries?since=2999-01-01")) == []
    assert (await door.get("/deliveries"))["deliveries"][0]["attempts"] is None  # type: ignore[index]  # a document


async def test_a_slip_in_a_sinks_name_is_no_empty_list(desk: Desk, door: Door) -> None:
    """It would say that nothing is dead. A name that only the journal has left goes on being listed."""
    await desk.event()
    dead = await desk.settle("design", State.DEAD, "answered 400")
    slip = {"error": "no sink is called 'desing'", "fix": "did you mean 'design'?"}

    for path in ("/deliveries?sink=desing", "/deliveries?sink=desing&state=dead"):
        assert await door.refused(path) == (404, slip)
    await desk.use(RULES.replace("design", "paint"))
    assert await door.refused("/deliveries?sink=desing") == (404, slip)
    assert ids(await door.get("/deliveries?sink=design")) == [dead]
    assert ids(await door.get(f"/deliveries?sink=design&before={dead}")) == []
    assert ids(await door.get("/deliveries?sink=design&state=pending")) == []
    assert ids(await door.get("/deliveries?sink=paint")) == []


async def test_dead_letters_are_found_by_when_they_died(desk: Desk, door: Door) -> None:
    """With a schedule of days what ran out overnight was created long before; all else goes by creation."""
    await desk.event()
    desk.clock.agree(desk.clock.now() + 7200)
    dead = await desk.settle("design", State.DEAD, "answered 503")
    later = await desk.event()

    assert ids(await door.get("/deliveries?state=dead&since=1h")) == [dead]
    assert ids(await door.get("/deliveries?state=dead&since=1h&limit=1")) == [dead]
    assert ids(await door.get("/deliveries?state=dead&since=2999-01-01")) == []
    recent: Any = await door.get("/deliveries?since=1h")
    assert {row["event_id"] for row in recent["deliveries"]} == {later}


async def test_a_pending_delivery_tells_what_its_sink_waits_for(desk: Desk, door: Door) -> None:
    """A sink that is paused, or gone; what is settled waits for nothing, nor does what a ready sink takes."""
    event_id = await desk.event()
    await desk.settle("design", State.DEAD, "answered 400")
    await desk.event()
    await desk.dispatcher.pause("design", "moving")
    page: Any = await door.get("/deliveries")
    waits = [(row["sink"], row["state"], row["waits"]) for row in page["deliveries"]]
    paused = {"state": "paused", "reason": "moving", "until": None}

    assert waits == [
        ("log", "pending", None),
        ("design", "pending", paused),
        ("log", "pending", None),
        ("design", "dead", None),
    ]
    found: Any = await door.get(f"/deliveries/{page['deliveries'][1]['id']}")
    assert found["waits"] == paused
    await desk.use(RULES.replace("log", "file").replace("type: file", "type: log"))
    report: Any = await door.get(f"/events/{event_id}")
    assert {row["waits"] and row["waits"]["state"] for row in report["deliveries"]} == {None, "no sink"}


@pytest.mark.parametrize(
    ("due", "shown"),
    [(3e11, "9999-12-31T00:00:00Z"), (float("inf"), "9999-12-31T00:00:00Z"), (-1e12, "0001-01-02T00:00:00Z")],
)
async def test_a_time_beyond_the_calendar_hides_no_row(
    desk: Desk, door: Door, due: float, shown: str
) -> None:
    """A wait of a former configuration may lead there: its end is shown as the last day there is."""
    await desk.event()
    late = await desk.settle("design", State.PENDING, "answered 500", due=due)
    page: Any = await door.get("/deliveries")

    assert len(page["deliveries"]) == 2
    assert {row["id"]: row["due"] for row in page["deliveries"]}[late] == shown


async def test_one_delivery_tells_its_attempts(desk: Desk, door: Door) -> None:
    """By its id alone, the newest and the oldest alike."""
    await desk.event()
    settled = await desk.settle("design", State.DELIVERED)
    for each in ids(await door.get("/deliveries")):
        found: Any = await door.get(f"/deliveries/{each}")

        assert found["id"] == each
        assert len(found["attempts"]) == (1 if each == settled else 0)


async def test_an_unknown_delivery_is_told(desk: Desk, door: Door) -> None:
    """Also when an older one exists, and when there is none at all."""
    unknown = {"error": f"no delivery '{UNKNOWN}'", "fix": "it may be older than journal.keep"}

    assert await door.refused(f"/deliveries/{UNKNOWN}") == (404, unknown)
    await desk.event()
    assert await door.refused(f"/deliveries/{UNKNOWN}") == (404, unknown)
    newest = "dlv_7zzzzzzzzzzzy"
    assert (await door.refused(f"/deliveries/{newest}"))[0] == 404


async def test_dead_deliveries_are_requeued_by_id(desk: Desk, door: Door) -> None:
    """Those that are not dead are left alone, and named."""
    await desk.event()
    dead = await desk.settle("design", State.DEAD, "answered 400")
    pending = next(each for each in ids(await door.get("/deliveries")) if each != dead)
    changed = await door.post("/deliveries/requeue", {"ids": [dead, pending, dead]})

    assert changed == {"count": 1, "skipped": [{"id": pending, "state": "pending"}], "idle": []}
    nothing: Any = await door.post("/deliveries/requeue", {"ids": [pending]})
    assert nothing["count"] == 0
    assert (await door.get(f"/deliveries/{dead}"))["state"] == "pending"  # type: ignore[index]  # a document


async def test_an_events_id_means_all_of_its_deliveries(desk: Desk, door: Door) -> None:
    """Of those in the right state; an event without one is named with the states it has."""
    event_id = await desk.event()
    for sink in ("design", "log"):
        await desk.settle(sink, State.DEAD, "answered 400")

    assert await door.post("/deliveries/requeue", {"ids": [event_id]}) == {
        "count": 2,
        "skipped": [],
        "idle": [],
    }
    assert await door.post("/deliveries/requeue", {"ids": [event_id]}) == {
        "count": 0, "skipped": [], "idle": [{"event_id": event_id, "states": {"pending": 2}}],
    }  # fmt: skip


async def test_all_dead_deliveries_of_a_sink_are_requeued(desk: Desk, door: Door) -> None:
    """And of no other."""
    for _ in range(2):
        await desk.event()
        await desk.settle("design", State.DEAD, "answered 400")
        await desk.settle("log", State.DEAD, "answered 400")

    assert await door.post("/deliveries/requeue", {"sink": "design"}) == {
        "count": 2,
        "skipped": [],
        "idle": [],
    }
    assert len(ids(await door.get("/deliveries?state=dead"))) == 2


async def test_pending_deliveries_are_discarded_with_a_reason(desk: Desk, door: Door) -> None:
    """It is kept with them; they can be requeued."""
    event_id = await desk.event()
    changed = await door.post("/deliveries/discard", {"ids": [event_id], "reason": "a flood"})
    page: Any = await door.get("/deliveries?state=dead")

    assert changed == {"count": 2, "skipped": [], "idle": []}
    assert {row["reason"] for row in page["deliveries"]} == {"a flood"}
    assert await door.post("/deliveries/discard", {"sink": "log"}) == {"count": 0, "skipped": [], "idle": []}


async def test_what_waits_for_a_removed_sink_can_be_discarded(desk: Desk, door: Door) -> None:
    """Its name is known by its deliveries."""
    await desk.event()
    await desk.use(RULES.replace("design", "paint"))
    changed: Any = await door.post("/deliveries/discard", {"sink": "design"})

    assert changed["count"] == 1


@pytest.mark.parametrize("verb", ["requeue", "discard"])
@pytest.mark.parametrize(
    ("body", "status", "error", "fix"),
    [
        ({}, 400, "name either ids or a sink", 'send {"ids": ["dlv_…"]} or {"sink": "name"}'),
        (
            {"ids": ["dlv_0000000000001"], "sink": "log"},
            400,
            "name either ids or a sink",
            'send {"ids": ["dlv_…"]} or {"sink": "name"}',
        ),
        ({"sink": "desing"}, 404, "no sink is called 'desing'", "did you mean 'design'?"),
        ({"sink": "x"}, 404, "no sink is called 'x'", "sinks are design, log"),
        ({"ids": [UNKNOWN]}, 404, f"no delivery '{UNKNOWN}'", "it may be older than journal.keep"),
        (
            {"ids": ["evt_0000000000001"]},
            404,
            "no event 'evt_0000000000001'",
            "it may be older than journal.keep",
        ),
        (
            {"ids": ["7"]},
            400,
            "'7' is no id",
            "an id here is dlv_ and 13 letters and digits or evt_ and 13 letters and digits",
        ),
        ({"ids": [UNKNOWN] * 501}, 400, "501 ids at once", "send at most 500, or name a sink"),
    ],
)
async def test_a_wrong_selection_changes_nothing(
    desk: Desk, door: Door, verb: str, body: object, status: int, error: str, fix: str
) -> None:
    """It says what is wrong and what to send."""
    await desk.event()
    before = desk.journal.counts()

    assert await door.refused(f"/deliveries/{verb}", "POST", body) == (status, {"error": error, "fix": fix})
    assert desk.journal.counts() == before


async def test_one_unknown_id_among_many_changes_nothing(desk: Desk, door: Door) -> None:
    """All or nothing: a list with a slip in it is looked at again."""
    event_id = await desk.event()
    status, _ = await door.refused("/deliveries/discard", "POST", {"ids": [event_id, UNKNOWN]})

    assert status == 404
    assert len(ids(await door.get("/deliveries?state=pending"))) == 2
