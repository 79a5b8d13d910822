"""A journal that was moved is the same journal: every row, every promise."""

from pathlib import Path

import apsw
from msgspec.structs import replace

from router.delivery import Route, State
from router.journal.journal import DeliveryQuery, EventQuery, JournalOpener, RefusedQuery
from router.journal.moving import move
from router.journal.postgres import Timing, open_postgres
from router.journal.rows import event_number
from router.journal.sqlite import open_sqlite
from tests.journal.backends import Time, an_event, recorded, settled
from tests.journal.conformance.test_long_texts import long_text
from tests.journal.moving.origins import TABLES, a_journal, moved, rows_of, silent

OWN_TIME = Timing(own_clock=True, poll=3600, grain=0)


def opened(url: str, time: Time) -> JournalOpener:
    """The journal in a database, on the test's time."""
    return open_postgres(url, time.clock(), may_lose=True, timing=OWN_TIME)


async def test_every_row_arrives_as_it_was(tmp_path: Path, time: Time, target: str) -> None:
    """In a few bites or in many, with every strange character; the counts say so."""
    path = await a_journal(tmp_path, time, many=20)
    told: list[tuple[str, int, int]] = []
    verdict = move(path, target, lambda *how: told.append(how), may_lose=True, most_rows=7)
    wanted = rows_of(path)

    assert all(wanted.values())
    assert moved(target, tmp_path) == wanted
    assert verdict.same
    assert not verdict.already
    assert verdict.added == sum(map(len, wanted.values()))
    assert [(one.kind, one.source, one.target) for one in verdict.counts] == [
        (table, len(wanted[table]), len(wanted[table])) for table in TABLES
    ]
    assert [how for how in told if how[0] == "bodies"] == [
        ("bodies", there, 26) for there in (0, 7, 14, 21, 26)
    ]


async def test_the_source_is_left_as_it_is(tmp_path: Path, time: Time, target: str) -> None:
    """Byte for byte: whoever is not content with the move still has all of it."""
    path = await a_journal(tmp_path, time)
    files = {name: Path(f"{path}{name}") for name in ("", "-wal", ".lock")}
    before = {name: (file.read_bytes(), file.stat().st_mtime_ns) for name, file in files.items()}
    assert move(path, target, silent, may_lose=True).same

    assert {name: (file.read_bytes(), file.stat().st_mtime_ns) for name, file in files.items()} == before


async def test_what_was_in_flight_is_pending_one_crash_older(tmp_path: Path, time: Time, target: str) -> None:
    """As at an opening after a crash, of the file itself."""
    path = await a_journal(tmp_path, time)
    move(path, target, silent, may_lose=True)
    async with opened(target, time) as there, open_sqlite(path, time.clock()) as here:
        found = [await journal.deliveries(DeliveryQuery(sink="slow")) for journal in (there, here)]
        counts = [dict(journal.counts()) for journal in (there, here)]

    assert [(one.state, one.crashes, one.claim) for one in found[0]] == [(State.PENDING, 1, 1)] * 2
    assert found[0] == found[1]
    assert counts[0] == counts[1]


async def test_one_that_is_alone_at_its_third_crash_is_set_aside(
    tmp_path: Path, time: Time, target: str
) -> None:
    """The crash that the move finds is counted as the opening of the file would count it."""
    path = await a_journal(tmp_path, time)
    async with open_sqlite(path, time.clock()):
        pass
    change(path, "UPDATE open_deliveries SET state = 'in_flight', crashes = 2, claim = 3 WHERE sink = 'hook'")
    move(path, target, silent, may_lose=True)
    async with opened(target, time) as journal:
        (dead,) = await journal.deliveries(DeliveryQuery(sink="hook", state=State.DEAD, limit=1))

    assert (dead.crashes, dead.reason) == (3, "in flight alone at 3 crashes")


def change(path: Path, statement: str) -> None:
    """Change a journal that nobody has open."""
    connection = apsw.Connection(str(path))
    connection.execute(statement)
    connection.close()


async def test_texts_of_any_length_are_moved(tmp_path: Path, time: Time, target: str) -> None:
    """Also what an older release kept under a thread of any length, beside that of today."""
    path = tmp_path / "journal.db"
    async with open_sqlite(path, time.clock()) as journal:
        build = {"branch": long_text(), "project": long_text(3000), "build": long_text(2800)}
        event = await recorded(journal, time, "slack", "hook", **build)
        for sink in ("slack", "hook"):
            await settled(journal, sink, State.DELIVERED)
    thread = long_text(4000).replace("'", "''")
    change(path, f"INSERT INTO latest VALUES ('slack', '{thread}', 1), ('slack', '{thread}x', 2)")
    assert move(path, target, silent, may_lose=True).same
    async with opened(target, time) as there:
        (found,) = await there.events(EventQuery(branch=build["branch"], project=build["project"]))

    assert replace(found, payload=event.payload) == event
    latest = sorted(moved(target, tmp_path)["latest"], key=repr)
    assert [row for row in latest if row[1] == event.thread] == [
        (sink, event.thread, event_number(event.id)) for sink in ("hook", "slack")
    ]
    assert len({row[1] for row in latest}) == 3
    assert sorted(row[2] for row in latest)[:2] == [1, 2]


async def test_a_resend_of_a_moved_event_is_a_duplicate(tmp_path: Path, time: Time, target: str) -> None:
    """Under the id that its sender was told; and ids go on behind the moved ones."""
    path = await a_journal(tmp_path, time)
    move(path, target, silent, may_lose=True)
    async with opened(target, time) as journal:
        (known,) = [one for one in await journal.events(EventQuery()) if one.subject == "two"]
        again = an_event(journal, time, subject="two")
        receipt = await journal.record(again, [Route("r", "hook")], window=None, ruleset="rules")
        news = an_event(journal, time, subject="six")
        await journal.record(news, [], window=None, ruleset="rules")
        (newest,) = await journal.events(EventQuery(limit=1))
        (request, *_) = await journal.quarantined(RefusedQuery())

    assert (receipt.id, receipt.duplicate) == (known.id, True)
    assert newest.id == news.id
    assert news.id.removeprefix("evt") > request.id.removeprefix("req")


async def test_moved_events_are_found(tmp_path: Path, time: Time, target: str) -> None:
    """By their text and their fields, with body, rules, attempts; as in the file."""
    path = await a_journal(tmp_path, time, many=5)
    move(path, target, silent, may_lose=True)
    answers = []
    async with opened(target, time) as there, open_sqlite(path, time.clock()) as here:
        for journal in (there, here):
            queries = (EventQuery(), EventQuery(text="umber 3"), EventQuery(text="only ☃ %"))
            pages = [await journal.events(query) for query in (*queries, EventQuery(branch="release/7"))]
            dead = await journal.deliveries(DeliveryQuery(state=State.DEAD))
            attempts = await journal.attempts([one.id for one in dead])
            whole = await journal.event(pages[2][0].id)
            kept = [await journal.refused(one.id) for one in await journal.quarantined(RefusedQuery())]
            answers.append(
                (pages, dead, attempts, whole, kept, await journal.rules("rules"), await journal.marks())
            )

    assert [len(page) for page in answers[0][0]] == [11, 1, 1, 1]
    assert answers[0] == answers[1]
