"""The quarantine over the admin API: listed, shown, verified again, discarded."""

import base64

from router.clock import id_text
from router.errors import Unavailable
from router.journal.journal import RefusedRequest
from router.secret import Secret
from router.sources.chromatic import Chromatic
from tests.admin.desk import RULES, Desk, Door

UNKNOWN = "req_0000000000001"
RIGHT = Chromatic(name="web", secret=(Secret("env:A", "right"),))
BODY = b'{"event": "build", "build": {"number": %d, "branch": "main", "status": "PENDING"}}'


async def refuse(desk: Desk, number: int = 1, source: str = "web", **fields: object) -> str:
    """A request that was refused although its secret was right; its id."""
    body = BODY % number
    now = 1_800_000_000.0 + number
    values: dict[str, object] = {
        "id": id_text("req", desk.journal.ids.next()), "source": source, "received_at": now,
        "verified": False, "reason": "the token is not signed by a known secret",
        "signature": RIGHT.sign(body, now), "labels": {"team": "web"}, "size": len(body), "body": body,
    }  # fmt: skip
    refused = RefusedRequest(**{**values, **fields})  # type: ignore[arg-type]  # a table of test values
    await desk.journal.quarantine(refused, most=1000, most_bytes=1 << 20)
    return refused.id


async def signed(desk: Desk, secret: str = "right") -> None:
    """Have the source ask for signatures by this secret."""
    path = desk.folder / "secret"
    path.write_text(secret, "utf-8")
    path.chmod(0o600)
    await desk.use(RULES.replace("unsigned: true", f"secret: 'file:{path}'"), resolve=True)


async def test_refused_requests_are_listed_newest_first(desk: Desk, door: Door) -> None:
    """By source and page by page, without their bodies."""
    first, second = await refuse(desk, 1), await refuse(desk, 2)
    other = await refuse(desk, 3, source="gone")

    assert await door.get("/quarantine?source=gone") == {
        "requests": [
            {
                "id": other,
                "received_at": "2027-01-15T08:00:03Z",
                "source": "gone",
                "size": len(BODY % 3),
                "verified": False,
                "reason": "the token is not signed by a known secret",
            }
        ],
        "next": None,
    }
    page = await door.get("/quarantine?limit=2")
    assert ([row["id"] for row in page["requests"]], page["next"]) == ([other, second], second)
    page = await door.get(f"/quarantine?limit=2&before={second}")
    assert ([row["id"] for row in page["requests"]], page["next"]) == ([first], None)
    assert (await door.get("/status"))["quarantined"] == {"gone": 1, "web": 2}


async def test_one_refused_request_is_shown_with_its_body(desk: Desk, door: Door) -> None:
    """Of the header its name only: whoever has both could post it."""
    refused = await refuse(desk)
    shown = await door.get(f"/quarantine/{refused}")

    assert base64.b64decode(shown["body"]) == BODY % 1
    assert shown["headers"] == ["X-Webhook-Signature"]
    assert shown["labels"] == {"team": "web"}
    assert shown["request"]["id"] == refused


async def test_what_passes_becomes_an_event_and_what_does_not_stays(desk: Desk, door: Door) -> None:
    """Oldest first, with the labels of its URL, received when it was received."""
    await signed(desk)
    first = await refuse(desk, 1)
    forged = await refuse(desk, 2, signature={"X-Webhook-Signature": "forged"})
    again = await refuse(desk, 1)

    done = await door.post("/quarantine/reverify", {"source": "web"})

    (event,) = (await door.get("/events"))["events"]
    assert done == {
        "released": [
            {"id": first, "source": "web", "event_id": event["id"], "duplicate": False},
            {"id": again, "source": "web", "event_id": event["id"], "duplicate": True},
        ],
        "failed": [{"id": forged, "source": "web", "reason": "the signature is not a token"}],
    }
    assert event["received_at"] == "2027-01-15T08:00:01Z"
    assert event["labels"] == {"team": "web"}
    assert [row["id"] for row in (await door.get("/quarantine"))["requests"]] == [forged]
    deliveries = (await door.get(f"/deliveries?event={event['id']}"))["deliveries"]
    assert {row["sink"] for row in deliveries} == {"design", "log"}


async def test_named_requests_are_told_one_by_one(desk: Desk, door: Door) -> None:
    """Twice named is once done; what is not there is told; a source that is gone too."""
    await signed(desk)
    refused, gone = await refuse(desk), await refuse(desk, source="gone")
    done = await door.post("/quarantine/reverify", {"ids": [refused, UNKNOWN, gone, refused]})

    assert [row["id"] for row in done["released"]] == [refused]
    assert done["failed"] == [
        {"id": UNKNOWN, "source": None, "reason": "it is not in quarantine (any more)"},
        {"id": gone, "source": "gone", "reason": "no source is called 'gone'"},
    ]


async def test_an_unsigned_source_takes_what_nobody_signed_only_by_name(desk: Desk, door: Door) -> None:
    """Strangers' requests do not slip in with everybody's."""
    forged = await refuse(desk, signature={})
    every = await door.post("/quarantine/reverify", {"all": True})
    named = await door.post("/quarantine/reverify", {"ids": [forged]})

    assert every["failed"][0]["reason"] == (
        "nothing proves who sent it, as the source is unsigned now; name it by its id"
    )
    assert [row["id"] for row in named["released"]] == [forged]


async def test_a_journal_that_cannot_write_ends_it_with_what_was_done(desk: Desk, door: Door) -> None:
    """The rest is still there."""
    await signed(desk)
    first, second = await refuse(desk, 1), await refuse(desk, 2)
    release = desk.program.release

    async def full(refused: RefusedRequest, *, named: bool) -> object:
        if refused.id == second:
            raise Unavailable("the journal cannot write: the disk is full")
        return await release(refused, named=named)

    desk.program.release = full
    refusal = {"error": "the journal cannot write: the disk is full; 1 had been accepted before",
               "fix": "the rest is still in quarantine: ask again"}  # fmt: skip

    assert await door.refused("/quarantine/reverify", "POST", {"all": True}) == (503, refusal)
    refusal["error"] = "the journal cannot write: the disk is full"
    assert await door.refused("/quarantine/reverify", "POST", {"all": True}) == (503, refusal)
    assert [row["id"] for row in (await door.get("/quarantine"))["requests"]] == [second]
    assert first != second


async def test_what_vanished_meanwhile_is_no_failure(desk: Desk, door: Door) -> None:
    """Two operators at once: each request is taken by one."""
    await signed(desk)
    requests = [await refuse(desk, number) for number in range(3)]
    release = desk.program.release

    async def slow(refused: RefusedRequest, *, named: bool) -> object:
        await desk.journal.forget(requests[1:])
        return await release(refused, named=named)

    desk.program.release = slow
    done = await door.post("/quarantine/reverify", {"all": True})

    assert ([row["id"] for row in done["released"]], done["failed"]) == (requests[:1], [])


async def test_refused_requests_are_discarded(desk: Desk, door: Door) -> None:
    """By id, by source, all."""
    requests = [await refuse(desk, number) for number in range(3)]
    await refuse(desk, source="gone")

    assert await door.post("/quarantine/discard", {"ids": [requests[0], UNKNOWN]}) == {"count": 1}
    assert await door.post("/quarantine/discard", {"source": "gone"}) == {"count": 1}
    assert await door.post("/quarantine/discard", {"all": True}) == {"count": 2}
    assert (await door.get("/status"))["quarantined"] == {}


async def test_a_whole_quarantine_is_worked_through(desk: Desk, door: Door) -> None:
    """More than one page, in the order of receipt."""
    for number in range(510):
        await refuse(desk, number)
    await signed(desk)
    done = await door.post("/quarantine/reverify", {"source": "web"})

    assert len(done["released"]) == 510
    assert [row["id"] for row in done["released"]] == sorted(row["id"] for row in done["released"])
    events = (await door.get("/events?limit=500"))["events"]
    assert [row["build"] for row in events[:2]] == ["509", "508"]


async def test_a_slip_is_told_with_its_fix(desk: Desk, door: Door) -> None:
    """Nothing is done then."""
    await refuse(desk)
    fix = 'send {"ids": ["req_…"]}, {"source": "name"} or {"all": true}'
    both = {"error": "name either ids or a source, or say all", "fix": fix}
    many = {"ids": [UNKNOWN] * 501}
    near = {"error": "no source is called 'wep'", "fix": "did you mean 'web'?"}

    for verb in ("reverify", "discard"):
        path = f"/quarantine/{verb}"
        assert await door.refused(path, "POST", {}) == (400, both)
        assert await door.refused(path, "POST", {"source": "web", "all": True}) == (400, both)
        assert await door.refused(path, "POST", {"source": "wep"}) == (404, near)
        assert (await door.refused(path, "POST", {"ids": ["evt_0000000000001"]}))[0] == 400
        assert await door.refused(path, "POST", many) == (
            400,
            {"error": "501 ids at once", "fix": "send at most 500, or name a source"},
        )
    assert await door.refused("/quarantine?source=wep") == (404, near)
    assert (await door.refused("/quarantine?limit=0"))[0] == 400
    assert (await door.refused("/quarantine?kind=build"))[0] == 400
    assert await door.refused(f"/quarantine/{UNKNOWN}") == (
        404,
        {"error": f"no refused request '{UNKNOWN}'", "fix": "visual-router quarantine lists them"},
    )
    assert (await door.refused("/quarantine/evt_0000000000001"))[0] == 400
    assert len((await door.get("/quarantine"))["requests"]) == 1
