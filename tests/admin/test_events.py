"""Events over the API: found, explained under the rules of their hour, sent again through today's."""

from datetime import datetime
from typing import Any

import msgspec
import pytest

from router.clock import id_text
from router.delivery import State
from router.rules.matcher import Matcher
from tests.admin.desk import RULES, Desk, Door


def ids(page: Any) -> list[str]:
    """The ids of a page of events."""
    return [row["id"] for row in page["events"]]


async def test_events_come_newest_first_in_pages(desk: Desk, door: Door) -> None:
    """`next` asks for the following page; the last one has none."""
    known = [await desk.event() for _ in range(5)]
    first: Any = await door.get("/events?limit=2")
    second: Any = await door.get(f"/events?limit=2&before={first['next']}")
    third: Any = await door.get(f"/events?limit=2&before={second['next']}")

    assert [*ids(first), *ids(second), *ids(third)] == known[::-1]
    assert third["next"] is None
    assert (await door.get("/events?limit=5"))["next"] is None  # type: ignore[index]  # a document


async def test_events_are_filtered(desk: Desk, door: Door) -> None:
    """By field and by text."""
    main, bot = await desk.event("main"), await desk.event("bot/x")

    assert ids(await door.get("/events?branch=main")) == [main]
    assert ids(await door.get("/events?text=bot")) == [bot]
    assert ids(await door.get("/events?source=web&provider=chromatic&kind=build&status=pending")) == [
        bot,
        main,
    ]
    assert ids(await door.get("/events?status=denied")) == []


async def test_a_slip_in_a_sources_name_is_no_empty_list(desk: Desk, door: Door) -> None:
    """It would say that nothing came. A name that only the journal has left goes on being listed."""
    event_id = await desk.event()
    slip = {"error": "no source is called 'wbe'", "fix": "did you mean 'web'?"}

    assert await door.refused("/events?source=wbe") == (404, slip)
    await desk.use(RULES.replace("web:", "shop:"))
    assert await door.refused("/events?source=x") == (
        404,
        {"error": "no source is called 'x'", "fix": "sources are shop"},
    )
    assert ids(await door.get("/events?source=web")) == [event_id]
    assert ids(await door.get("/events?source=web&branch=none")) == []
    assert ids(await door.get("/events?source=web&since=2999-01-01")) == []
    assert ids(await door.get("/events?source=shop")) == []


async def test_since_draws_a_border(desk: Desk, door: Door) -> None:
    """A duration back from now, or a time."""
    known = await desk.event()

    assert ids(await door.get("/events?since=1h")) == [known]
    assert await door.get("/events?since=2999-01-01&limit=1") == {"events": [], "next": None}


async def test_a_row_has_every_field_and_times_in_utc(desk: Desk, door: Door) -> None:
    """Absent ones are null, not left out: scripts may rely on them."""
    await desk.event()
    row: Any = (await door.get("/events"))["events"][0]  # type: ignore[index]  # a document

    assert row["branch"] == "main"
    assert row["author"] is None
    assert row["labels"] == {}
    assert row["reused"] is False
    assert "payload" not in row
    assert datetime.fromisoformat(row["received_at"]).utcoffset() is not None


async def test_one_event_tells_rules_deliveries_and_its_body(desk: Desk, door: Door) -> None:
    """Why it went where it went, what each attempt was answered, and the provider's JSON digit by digit."""
    event_id = await desk.event()
    delivery_id = await desk.settle("design", State.DEAD, "answered 400")
    status, text = await door.raw(f"/api/v1/events/{event_id}")
    report: Any = await door.get(f"/events/{event_id}")

    assert status == 200
    assert b'"n": 1.10' in text
    assert report["event"]["id"] == event_id
    assert report["explanation"]["current"]
    assert [(each["rule"], each["matched"]) for each in report["explanation"]["verdicts"]] == [
        ("main", True),
        ("not bots", True),
    ]
    dead = next(each for each in report["deliveries"] if each["id"] == delivery_id)
    assert (dead["state"], dead["reason"], dead["rule"], dead["due"]) == (
        "dead",
        "answered 400",
        "main",
        None,
    )
    assert dead["settled_at"] is not None
    attempt = dead["attempts"][0]
    assert (attempt["number"], attempt["outcome"], attempt["status"]) == (1, "dead", 200)
    assert (attempt["seconds"], attempt["reason"], attempt["excerpt"]) == (0.25, "answered 400", "said")
    pending = next(each for each in report["deliveries"] if each["id"] != delivery_id)
    assert (pending["state"], pending["attempts"]) == ("pending", [])
    assert pending["due"] is not None


async def test_a_failed_condition_is_named_with_what_it_saw(desk: Desk, door: Door) -> None:
    """Of `when` and of `unless`."""
    event_id = await desk.event("bot/x")
    report: Any = await door.get(f"/events/{event_id}")
    main, bots = report["explanation"]["verdicts"]

    assert not main["matched"]
    assert main["when"] == [
        {"held": False, "findings": [{"field": "branch", "wanted": "main", "seen": "bot/x", "held": False}]}
    ]
    assert not bots["matched"]
    assert bots["unless"][0]["findings"][0]["seen"] == "bot/x"
    assert bots["reason"].startswith("unless branch")


async def test_yesterdays_answer_is_explained_by_yesterdays_rules(desk: Desk, door: Door) -> None:
    """Whatever the rules say now; `now=1` asks what they would say."""
    event_id = await desk.event()
    then = desk.program.config.matcher.digest
    await desk.use(RULES.replace("branch: main", "branch: trunk"))
    report: Any = await door.get(f"/events/{event_id}")
    today: Any = await door.get(f"/events/{event_id}?now=1")

    assert report["explanation"]["rules"] == then
    assert not report["explanation"]["current"]
    assert report["explanation"]["verdicts"][0]["matched"]
    assert today["explanation"]["rules"] == desk.program.config.matcher.digest
    assert today["explanation"]["current"]
    assert not today["explanation"]["verdicts"][0]["matched"]


async def test_rules_that_are_no_longer_kept_are_admitted(desk: Desk, door: Door) -> None:
    """An explanation is never made up."""
    known = await desk.journal.event(await desk.event())
    assert known is not None
    stray = msgspec.structs.replace(known.event, id=id_text("evt", desk.journal.ids.next()), subject="stray")
    await desk.journal.record(stray, [], window=None, ruleset="ee" * 32)
    report: Any = await door.get(f"/events/{stray.id}")

    assert report["explanation"] == {
        "rules": "ee" * 32, "current": False, "verdicts": None,
        "note": "the rules of its hour are no longer kept",
    }  # fmt: skip


async def test_rules_that_this_release_cannot_read_are_admitted(desk: Desk, door: Door) -> None:
    """With what it stumbled over."""
    config = desk.program.config
    newer = Matcher(config.matcher.rules, '[{"name": "x", "to": ["log"], "wehn": {}}]')
    await desk.journal.remember(newer.digest, newer.text)
    desk.intake.use(config.sources, newer)
    report: Any = await door.get(f"/events/{await desk.event()}")

    assert report["explanation"]["verdicts"] is None
    assert report["explanation"]["note"] == (
        "the rules of its hour are not rules to this release: unknown key 'wehn'; did you mean 'when'?"
    )


@pytest.mark.parametrize("path", ["", "/replay"])
async def test_an_unknown_event_is_told(door: Door, path: str) -> None:
    """404 with the likely reason; what is no id at all is 400."""
    method = "POST" if path else "GET"
    unknown = {"error": "no event 'evt_0000000000001'", "fix": "it may be older than journal.keep"}
    no_id = {"error": "'1' is no id", "fix": "an id here is evt_ and 13 letters and digits"}

    assert await door.refused(f"/events/evt_0000000000001{path}", method) == (404, unknown)
    assert await door.refused(f"/events/1{path}", method) == (400, no_id)


async def test_a_slip_in_a_parameter_is_told(door: Door) -> None:
    """Not ignored."""
    slip = {"error": "'brunch' is not a parameter of this call", "fix": "did you mean 'branch'?"}

    assert await door.refused("/events?brunch=main") == (400, slip)
    for path in ("/status", "/sinks"):
        assert (await door.refused(f"{path}?x=1"))[0] == 400


async def test_a_body_that_strict_parsers_refuse_is_made_readable(desk: Desk, door: Door) -> None:
    """Half a surrogate pair is JSON to its sender; whoever asks must be able to read the answer."""
    body = b'{"event": "build", "build": {"number": 1, "status": "PENDING"}, "t": "\\ud800"}'
    receipt = await desk.intake.accept(desk.intake.source("web"), {}, body, {})
    report: Any = await door.get(f"/events/{receipt.id}")

    assert report["payload"]["t"] == "\ufffd"


async def test_a_replay_adds_what_todays_rules_name_and_is_not_there_yet(desk: Desk, door: Door) -> None:
    """A second one adds nothing."""
    event_id = await desk.event("bot/x")
    nothing: Any = await door.post(f"/events/{event_id}/replay")
    await desk.use(RULES.replace("bot/**", "robot/**"))
    added: Any = await door.post(f"/events/{event_id}/replay")
    again: Any = await door.post(f"/events/{event_id}/replay")
    report: Any = await door.get(f"/events/{event_id}")

    assert nothing == {"event_id": event_id, "routes": [], "added": [], "dead": []}
    assert added["routes"] == [{"rule": "not bots", "sink": "log"}]
    assert added["added"] == [report["deliveries"][0]["id"]]
    assert again["added"] == []
