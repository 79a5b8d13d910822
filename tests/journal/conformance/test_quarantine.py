"""What every backend promises of the quarantine: refused requests, kept within bounds, released once."""

import pytest

from router.clock import id_text
from router.delivery import Route, State
from router.errors import JournalError, Unknown
from router.journal.journal import EventQuery, Journal, RefusedQuery, RefusedRequest, Stock
from tests.journal.backends import Place, Time, an_event

_DAY = 86_400.0
_MOST, _BYTES = 5, 1000


def a_request(journal: Journal, time: Time, **fields: object) -> RefusedRequest:
    """A refused request with an id of its own."""
    body = fields.get("body", b"{}")
    values: dict[str, object] = {
        "id": id_text("req", journal.ids.next()),
        "source": "web",
        "received_at": time.wall,
        "verified": False,
        "reason": "the signature is not by a known secret",
        "signature": {"X-Signature": "abc"},
        "labels": {},
        "size": len(body),  # type: ignore[arg-type]  # bytes
        "body": body,
    }
    return RefusedRequest(**{**values, **fields})  # type: ignore[arg-type]  # a table of test values


async def kept(journal: Journal, time: Time, **fields: object) -> RefusedRequest:
    """A request in quarantine."""
    request = a_request(journal, time, **fields)
    await journal.quarantine(request, most=_MOST, most_bytes=_BYTES)
    return request


async def ids(journal: Journal, **query: object) -> list[str]:
    """What a page of the quarantine holds."""
    return [one.id for one in await journal.quarantined(RefusedQuery(**query))]  # type: ignore[arg-type]  # filters


async def test_a_refused_request_comes_back_as_it_was(journal: Journal, time: Time) -> None:
    """Every field, and the body byte for byte; a page leaves the body out and tells its size."""
    request = await kept(
        journal, time, verified=True, labels={"team": "Größe"}, signature={"X-A": "1", "X-B": "ü"},
        reason="not JSON: 'x'", body=b"\x00\xff{",
    )  # fmt: skip

    assert await journal.refused(request.id) == request
    (row,) = await journal.quarantined(RefusedQuery())
    assert (row.id, row.size, row.body) == (request.id, 3, b"")
    assert await journal.refused("req_0000000000001") is None
    assert await journal.refused("evt_nonsense") is None


async def test_pages_are_newest_first_and_by_source(journal: Journal, time: Time) -> None:
    """`before` goes on; a foreign cursor is refused."""
    first, second, third = [await kept(journal, time, source=name) for name in ("a", "b", "a")]

    assert await ids(journal) == [third.id, second.id, first.id]
    assert await ids(journal, source="a") == [third.id, first.id]
    assert await ids(journal, source="a", before=third.id) == [first.id]
    assert await ids(journal, limit=1, before=third.id) == [second.id]
    with pytest.raises(Unknown, match="'evt_x' is not an id to go on from"):
        await ids(journal, before="evt_x")


async def test_beyond_its_bounds_a_sources_oldest_fall_out(journal: Journal, time: Time) -> None:
    """By count and by bytes, and never those of another source."""
    other = await kept(journal, time, source="other")
    requests = [await kept(journal, time, body=b"x" * 100) for _ in range(7)]

    assert await ids(journal, source="web") == [one.id for one in reversed(requests[2:])]

    large = await kept(journal, time, body=b"x" * 800)

    assert await ids(journal, source="web") == [large.id, requests[6].id, requests[5].id]
    assert await ids(journal, source="other") == [other.id]
    assert journal.stock() == {"other": Stock(1, 2), "web": Stock(3, 1000)}


async def test_what_is_too_large_by_itself_pushes_nothing_out(journal: Journal, time: Time) -> None:
    """Neither does anything where nothing is to be kept."""
    request = await kept(journal, time)
    await kept(journal, time, body=b"x" * 1001)
    await journal.quarantine(a_request(journal, time), most=0, most_bytes=_BYTES)

    assert await ids(journal) == [request.id]


async def test_a_request_needs_an_id_of_its_kind(journal: Journal, time: Time) -> None:
    """Another text is a slip of the caller's."""
    with pytest.raises(ValueError, match="'evt_0000000000001' is not the id of a request"):
        await kept(journal, time, id="evt_0000000000001")


async def test_an_event_made_of_a_refused_request_takes_it_out(journal: Journal, time: Time) -> None:
    """Both in one transaction, so that it can be done once only."""
    request = await kept(journal, time)
    await kept(journal, time)
    event, second = an_event(journal, time), an_event(journal, time, subject="build 2")
    routes = [Route("rule", "slack")]

    receipt = await journal.record(event, routes, window=300.0, ruleset="r", released=request.id)

    assert (receipt.id, receipt.duplicate) == (event.id, False)
    assert request.id not in await ids(journal)
    assert journal.stock() == {"web": Stock(1, 2)}
    with pytest.raises(Unknown, match=f"no refused request '{request.id}'"):
        await journal.record(second, routes, window=300.0, ruleset="r", released=request.id)
    assert [one.id for one in await journal.events(EventQuery())] == [event.id]
    assert journal.counts() == {("slack", State.PENDING): 1}


async def test_a_duplicate_made_of_a_refused_request_takes_it_out_too(journal: Journal, time: Time) -> None:
    """It is known under the first id."""
    request = await kept(journal, time)
    event, again = an_event(journal, time), an_event(journal, time)
    await journal.record(event, [], window=300.0, ruleset="r")

    receipt = await journal.record(again, [], window=300.0, ruleset="r", released=request.id)

    assert (receipt.id, receipt.duplicate) == (event.id, True)
    assert journal.stock() == {}


async def test_refused_requests_are_forgotten_by_id(journal: Journal, time: Time) -> None:
    """What is not there does not count."""
    first, second = [await kept(journal, time) for _ in range(2)]
    other = await kept(journal, time, source="other")

    assert await journal.forget([first.id, first.id, "evt_x"]) == 1
    assert await ids(journal) == [other.id, second.id]
    assert await journal.forget([second.id]) == 1
    assert await journal.forget([second.id]) == 0
    assert await journal.forget([]) == 0
    assert journal.stock() == {"other": Stock(1, 2)}


async def test_more_than_one_bite_is_forgotten(journal: Journal, time: Time) -> None:
    """However many that are."""
    for _ in range(125):
        await journal.quarantine(a_request(journal, time), most=_BYTES, most_bytes=_BYTES)

    assert await journal.forget(await ids(journal, limit=500)) == 125
    assert await ids(journal) == []


async def test_old_refused_requests_are_pruned_in_bites(journal: Journal, time: Time) -> None:
    """Those refused before a time, and none that is younger."""
    for _ in range(3):
        await kept(journal, time)
    time.pass_by(_DAY)
    young = await kept(journal, time)

    assert [await journal.prune_quarantine(time.wall - 10, 2) for _ in range(3)] == [2, 1, 0]
    assert await ids(journal) == [young.id]


async def test_the_stock_survives_a_restart(place: Place, time: Time) -> None:
    """And a clock set back never gives the same id again."""
    async with place.open() as journal:
        request = await kept(journal, time)
    time.step(-_DAY)
    async with place.open() as journal:
        assert journal.stock() == {"web": Stock(1, 2)}
        assert (await kept(journal, time)).id > request.id


async def test_a_refused_request_is_in_the_backup(place: Place, time: Time) -> None:
    """A copy is a whole journal."""
    async with place.open() as journal:
        request = await kept(journal, time)
        await journal.backup(str(place.folder / "copy.db"))
        with pytest.raises(JournalError):
            await journal.backup(str(place.folder / "copy.db"))
        assert await journal.refused(request.id) == request
