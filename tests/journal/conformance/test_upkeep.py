"""What every backend promises of the Upkeep: retention, counts, backup."""

import asyncio
import stat
from pathlib import Path

import pytest

from router import __version__
from router.clock import id_text
from router.delivery import Route, State
from router.errors import JournalError
from router.journal.fleet import own_name
from router.journal.journal import DeliveryQuery, EventQuery, Journal
from tests.journal.backends import Place, Time, an_event, attempt_of, claimed, recorded, settled, settlement

_DAY = 86_400.0


async def _prune_all(journal: Journal, before: float, limit: int = 100) -> int:
    total = 0
    while count := await journal.prune(before, limit):
        assert count <= limit
        total += count
    return total


async def test_settled_events_go_with_all_that_belongs_to_them(journal: Journal, time: Time) -> None:
    """Deliveries, attempts, counts, and the memory for duplicates."""
    event = await recorded(journal, time, "slack", build="1")
    claim = await claimed(journal, "slack")
    await journal.settle([settlement(claim, State.DELIVERED, attempt=attempt_of(claim))])
    time.pass_by(10)

    assert await _prune_all(journal, time.wall) == 1

    assert await journal.event(event.id) is None
    assert await journal.deliveries(DeliveryQuery()) == []
    assert {claim.delivery.id: []} == await journal.attempts([claim.delivery.id])
    assert journal.counts() == {}
    again = an_event(journal, time)
    assert not (await journal.record(again, [], window=None, ruleset="rules")).duplicate


async def test_what_is_open_is_kept_however_old(journal: Journal, time: Time) -> None:
    """Pending and in flight; one open delivery keeps the event."""
    pending = await recorded(journal, time, "slack", "hook")
    await settled(journal, "hook", State.DEAD)
    in_flight = await recorded(journal, time, "file")
    await claimed(journal, "file")
    time.pass_by(400 * _DAY)

    assert await _prune_all(journal, time.wall) == 0
    assert {pending.id, in_flight.id} == {event.id for event in await journal.events(EventQuery())}


async def test_retention_counts_from_the_last_settlement(journal: Journal, time: Time) -> None:
    """An old event whose last delivery was settled lately stays until that is long ago."""
    await recorded(journal, time, "slack", "hook")
    await settled(journal, "slack", State.DELIVERED)
    time.pass_by(10 * _DAY)
    await settled(journal, "hook", State.DEAD)
    last = time.wall
    time.pass_by(5 * _DAY)

    assert await _prune_all(journal, last) == 0
    assert await _prune_all(journal, last + 1) == 1


async def test_an_event_without_deliveries_is_kept_from_its_receipt(journal: Journal, time: Time) -> None:
    """Nothing was owed for it."""
    await recorded(journal, time)
    received = time.wall
    time.pass_by(60)

    assert await _prune_all(journal, received) == 0
    assert await _prune_all(journal, received + 1) == 1


async def test_a_delivery_requeued_in_time_saves_its_event(journal: Journal, time: Time) -> None:
    """It is open again."""
    await recorded(journal, time, "slack")
    await settled(journal, "slack", State.DEAD)
    time.pass_by(90 * _DAY)
    await journal.requeue(sink="slack")

    assert await _prune_all(journal, time.wall) == 0


async def test_pruning_goes_in_bites_past_what_is_kept(journal: Journal, time: Time) -> None:
    """No call deletes more than its limit, and none stops before the end."""
    kept = []
    for number in range(30):
        event = await recorded(journal, time, *(["slack"] if number % 3 == 0 else []))
        kept += [event.id] if number % 3 == 0 else []
    time.pass_by(1)

    counts = []
    while count := await journal.prune(time.wall, 7):
        counts.append(count)

    assert counts == [7, 7, 6]
    assert kept[::-1] == [event.id for event in await journal.events(EventQuery())]


async def test_a_later_border_starts_from_the_oldest_event_again(journal: Journal, time: Time) -> None:
    """Also if the round before was not brought to its end."""
    await recorded(journal, time, "slack")
    for _ in range(3):
        await recorded(journal, time)
        time.pass_by(1)
    border = time.wall
    assert await journal.prune(border, 1) == 1
    await settled(journal, "slack", State.DELIVERED)
    time.pass_by(1)

    assert await _prune_all(journal, time.wall) == 3


async def test_pruning_does_not_meet_a_delivery_that_was_requeued_meanwhile(
    journal: Journal, time: Time
) -> None:
    """Whichever comes first, an open delivery keeps its event."""
    for _ in range(40):
        await recorded(journal, time, "slack")
        await settled(journal, "slack", State.DEAD)
    time.pass_by(1)

    async with asyncio.TaskGroup() as group:
        group.create_task(_prune_all(journal, time.wall, 3))
        group.create_task(journal.requeue(sink="slack"))

    open_events = {each.event_id for each in await journal.deliveries(DeliveryQuery())}
    assert open_events == {event.id for event in await journal.events(EventQuery())}
    assert len(open_events) == journal.counts().get(("slack", State.PENDING), 0)


async def _judged(journal: Journal, time: Time, digest: str) -> None:
    """An event that a ruleset judged."""
    await journal.record(an_event(journal, time), [], window=0, ruleset=digest)


async def test_rulesets_go_once_no_event_names_them_any_more(journal: Journal, time: Time) -> None:
    """Those remembered since stay, whether or not they judged anything yet."""
    for digest in ("d1", "never used", "d2", "in force"):
        await journal.remember(digest, f"rules {digest}")
        time.pass_by(5 * _DAY)
        if digest.startswith("d"):
            await _judged(journal, time, digest)
        time.pass_by(5 * _DAY)
    lately = time.wall - 15 * _DAY

    assert await journal.prune_rulesets(lately) == 1
    assert await _prune_all(journal, time.wall - 25 * _DAY) == 1
    assert await journal.prune_rulesets(lately) == 1
    assert await journal.prune_rulesets(lately) == 0

    kept = [await journal.rules(digest) for digest in ("d1", "never used", "d2", "in force")]
    assert kept == [None, None, "rules d2", "rules in force"]


async def test_the_rules_of_a_kept_event_stay_whatever_was_remembered_after_them(
    journal: Journal, time: Time
) -> None:
    """A reload may fail once its rules are remembered, and another router may have rules of its own."""
    await journal.remember("in force", "rules in force")
    time.pass_by(60)
    await journal.remember("not in force", "rules")
    for _ in range(39):
        time.pass_by(_DAY)
        await _judged(journal, time, "in force")
        await _prune_all(journal, time.wall - 30 * _DAY)
        await journal.prune_rulesets(time.wall - 31 * _DAY)

    assert await journal.rules("in force") == "rules in force"
    assert await journal.rules("not in force") is None


async def test_rules_remembered_while_they_are_looked_at_stay(journal: Journal, time: Time) -> None:
    """Somebody puts them into force again."""
    await journal.remember("again", "rules")
    time.pass_by(60 * _DAY)

    async with asyncio.TaskGroup() as group:
        group.create_task(journal.prune_rulesets(time.wall))
        group.create_task(journal.remember("again", "rules"))

    assert await journal.rules("again") == "rules"


async def test_deliveries_to_sinks_that_are_gone_expire(journal: Journal, time: Time) -> None:
    """Those created before the time, at most `limit`; configured sinks and younger ones are left alone."""
    for sinks in [("gone", "slack")] * 3 + [("also gone",)] * 2:
        await recorded(journal, time, *sinks)
    time.pass_by(_DAY)
    await recorded(journal, time, "gone")

    assert await journal.expire(["slack"], time.wall, 4) == 4
    assert await journal.expire(["slack"], time.wall, 9) == 1
    assert await journal.expire(["slack"], time.wall, 9) == 0

    assert journal.counts() == {
        ("gone", State.DEAD): 3,
        ("gone", State.PENDING): 1,
        ("also gone", State.DEAD): 2,
        ("slack", State.PENDING): 3,
    }
    dead, _ = await journal.deliveries(DeliveryQuery(sink="also gone"))
    assert ("expired: no sink 'also gone' is configured", time.wall) == (dead.reason, dead.settled_at)


async def test_deliveries_that_wait_too_long_for_their_sink_are_ended(journal: Journal, time: Time) -> None:
    """Those created before the time, at most `limit`; what is in flight, younger or another sink's is not."""
    for _ in range(4):
        await recorded(journal, time, "slack", "hook")
    claim = await claimed(journal, "slack")
    time.pass_by(60)
    await recorded(journal, time, "slack")

    assert await journal.outdate("slack", time.wall, 2, "too old") == 2
    assert await journal.outdate("slack", time.wall, 9, "too old") == 1
    assert await journal.outdate("slack", time.wall, 9, "too old") == 0
    assert await journal.outdate("nobody", time.wall, 9, "too old") == 0

    assert journal.counts() == {
        ("slack", State.DEAD): 3,
        ("slack", State.IN_FLIGHT): 1,
        ("slack", State.PENDING): 1,
        ("hook", State.PENDING): 4,
    }
    (dead, *_) = await journal.deliveries(DeliveryQuery(sink="slack", state=State.DEAD))
    assert (dead.reason, dead.settled_at) == ("too old", time.wall)
    assert await journal.settle([settlement(claim, State.DELIVERED)]) == []


async def test_a_router_shows_itself(place: Place, time: Time) -> None:
    """Its process, version and configuration, since when, and when it was last seen."""
    async with place.open() as journal:
        await journal.introduce("digest")
        started = time.wall
        time.pass_by(60)
        await journal.wait(0)

        (router,) = journal.routers()

        assert (router.name, router.version) == (own_name(), __version__)
        assert (router.live, router.own) == (True, True)
        assert router.started == started
        assert started <= router.seen <= time.wall

    async with place.open() as journal:
        await journal.introduce("another")

        assert [router.started for router in journal.routers()] == [time.wall]


async def test_counts_are_the_same_after_a_restart(place: Place, time: Time) -> None:
    """What is kept in memory is what is on disk."""
    async with place.open() as journal:
        for state in (State.PENDING, State.DELIVERED, State.DEAD):
            for sink in ("slack", "hook"):
                await recorded(journal, time, sink)
                await settled(journal, sink, state, due=time.wall + 60)
        before = journal.counts()
        assert sum(before.values()) == 6
    async with place.open() as journal:
        assert before == journal.counts()


async def test_a_ping_returns_only_if_the_journal_can_write(journal: Journal) -> None:
    """And a journal that can is not broken."""
    await journal.ping()
    await journal.ping()

    assert journal.broken is None


async def test_a_backup_opens_as_a_journal(
    place: Place, journal: Journal, time: Time, tmp_path: Path
) -> None:
    """It holds all that was acknowledged before, for its owner's eyes only."""
    event = await recorded(journal, time, "slack", payload=b"\x00 body")
    folder = tmp_path / "copy"
    folder.mkdir()

    await journal.backup(str(folder / "journal.db"))

    assert stat.S_IMODE((folder / "journal.db").stat().st_mode) == 0o600
    assert [path.name for path in folder.iterdir()] == ["journal.db"]
    async with Place(place.backend, folder, time).open() as copy:
        assert event == (await claimed(copy, "slack")).event


async def test_a_backup_under_load_is_complete_and_sound(
    place: Place, journal: Journal, time: Time, tmp_path: Path
) -> None:
    """Every id acknowledged before it began is in it."""
    acknowledged: list[str] = []
    done = False

    async def load() -> None:
        while not done:
            acknowledged.append((await recorded(journal, time, "slack")).id)

    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(load())
        for number in range(3):
            await recorded(journal, time, "slack")
            folder = tmp_path / f"copy {number}"
            folder.mkdir()
            before = set(acknowledged)
            await journal.backup(str(folder / "journal.db"))
            async with Place(place.backend, folder, time).open() as copy:
                found = {event.id for event in await copy.events(EventQuery(limit=10**6))}
                assert before <= found
                assert len(found) == copy.counts()["slack", State.PENDING]
        done = True


async def test_a_backup_overwrites_nothing(journal: Journal, tmp_path: Path) -> None:
    """Not even an empty file, and leaves nothing beside it."""
    folder = tmp_path / "copies"
    folder.mkdir()
    target = folder / "copy.db"
    target.touch()

    with pytest.raises(JournalError) as caught:
        await journal.backup(str(target))

    assert f"'{target}' exists already" == str(caught.value)
    assert [target] == list(folder.iterdir())


async def test_of_two_backups_to_one_file_the_second_is_refused(
    place: Place, journal: Journal, time: Time, tmp_path: Path
) -> None:
    """One after the other: they do not write into each other's file."""
    for _ in range(100):
        event = await recorded(journal, time, payload=bytes(50_000))
    folder = tmp_path / "copy"
    folder.mkdir()
    target = folder / "journal.db"

    async def said() -> str:
        try:
            await journal.backup(str(target))
        except JournalError as error:
            return str(error)
        return "done"

    async with asyncio.TaskGroup() as group:
        both = [group.create_task(said()) for _ in range(2)]

    assert [one.result() for one in both] == ["done", f"'{target}' exists already"]
    assert list(folder.iterdir()) == [target]
    async with Place(place.backend, folder, time).open() as copy:
        assert await copy.event(event.id)
        assert len(await copy.events(EventQuery(limit=200))) == 100


async def test_a_backup_into_nowhere_says_so(journal: Journal, tmp_path: Path) -> None:
    """The message names the file."""
    target = tmp_path / "no" / "such" / "copy.db"

    with pytest.raises(JournalError) as caught:
        await journal.backup(str(target))

    assert f"cannot write '{target}': no such file or directory" == str(caught.value)


async def test_everything_at_once_loses_nothing(journal: Journal, time: Time) -> None:
    """Records, claims, settlements, searches and pruning side by side: each event is claimed once."""
    total = 120
    delivered: list[str] = []

    async def record() -> None:
        for _ in range(total // 4):
            await recorded(journal, time, "slack", build="1")

    async def deliver() -> None:
        while len(delivered) < total:
            batch = await journal.claim({"slack": 5})
            for claim in batch.claims:
                assert await journal.settle([settlement(claim, State.DELIVERED)]) == []
                delivered.append(claim.event.id)
            await journal.events(EventQuery(text="x", limit=5))
            await journal.prune(time.wall, 5)

    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(record())
        for _ in range(2):
            group.create_task(deliver())

    assert total == len(delivered) == len(set(delivered))
    assert {("slack", State.DELIVERED): total} == journal.counts()
    assert await journal.add((await recorded(journal, time)).id, [Route("r", "hook")])
    assert await journal.event(id_text("evt", 1)) is None
