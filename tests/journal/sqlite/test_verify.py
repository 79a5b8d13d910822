"""Verify: a sound journal is called sound, and each thing that can be wrong is found and named."""

from pathlib import Path

import apsw
import pytest

from router.delivery import Claim, State
from router.errors import JournalBroken, JournalError, JournalLocked, SchemaMismatch
from router.journal.journal import Journal
from router.journal.sqlite import open_sqlite
from router.journal.sqlite.schema import migrate
from router.journal.sqlite.statements import migrations, statements
from router.journal.sqlite.verify import verify
from tests.journal.backends import Time, attempt_of, claimed, recorded, settled, settlement
from tests.journal.conformance.test_quarantine import a_request


async def fill(journal: Journal, time: Time) -> None:
    """Some of everything: pending, in flight, delivered, dead, refused."""
    await journal.remember("rules", "rules: []")
    for number in range(3):
        await recorded(journal, time, "slack", "hook", subject=f"build {number}", payload=b"%d" % number)
    claim = await claimed(journal, "slack")
    await journal.settle([settlement(claim, State.DELIVERED, attempt=attempt_of(claim))])
    await journal.discard(ids=[(await claimed_and_back(journal)).delivery.id], reason="enough")
    await claimed(journal, "slack")
    await journal.quarantine(a_request(journal, time), most=9, most_bytes=100)


async def claimed_and_back(journal: Journal) -> Claim:
    """A claim that was given back after a failure."""
    claim = await claimed(journal, "hook")
    await journal.settle(
        [settlement(claim, State.PENDING, due=0.0, failures=1, attempt=attempt_of(claim, "retry"))]
    )
    return claim


async def a_journal(path: Path, time: Time) -> Path:
    """A journal whose daemon has stopped."""
    async with open_sqlite(path, time.clock()) as journal:
        await fill(journal, time)
    return path


async def test_what_an_older_release_kept_of_a_long_name_goes_with_its_event(path: Path, time: Time) -> None:
    """Under a thread of any length, also of what it owed: nothing left names an event that is gone."""
    async with open_sqlite(path, time.clock()) as journal:
        await journal.remember("rules", "rules: []")
        for _ in range(2):
            await recorded(journal, time, "slack", build="7", project="shop" * 100)
        await settled(journal, "slack", State.DELIVERED)
    thread = "web\n" + "shop" * 100 + "\nbuild\n7"
    spoil(path, f"UPDATE latest SET thread = '{thread}'; UPDATE open_deliveries SET thread = '{thread}'")
    async with open_sqlite(path, time.clock()) as journal:
        await settled(journal, "slack", State.DELIVERED)
        time.pass_by(100)
        assert await journal.prune(time.wall, 9) == 2

    assert verify(path).problems == []


def spoil(path: Path, sql: str) -> None:
    """Change a file behind the journal's back."""
    connection = apsw.Connection(str(path))
    connection.execute(sql)
    connection.close()


def scribble(path: Path, start: int) -> None:
    """Nonsense from there on."""
    content = path.read_bytes()
    path.write_bytes(content[:start] + b"\x55" * (len(content) - start))


def hurt_the_head(path: Path) -> None:
    """Say in it that pages are larger than the whole file is."""
    content = bytearray(path.read_bytes())
    content[16:18] = b"\0\1"
    path.write_bytes(content)


def write(path: Path, text: str) -> None:
    """Another file in its place."""
    path.write_text(text, "utf-8")


async def test_a_sound_journal_is_sound_and_left_as_it_is(path: Path, time: Time) -> None:
    """Byte for byte, and nothing appears beside it."""
    await a_journal(path, time)
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}

    verdict = verify(path)

    assert verdict.problems == []
    assert verdict.version == verdict.newest == len(migrations())
    assert verdict.rows == {
        "events": 3, "open_deliveries": 4, "settled_deliveries": 2, "attempts": 2, "quarantine": 1,
    }  # fmt: skip
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before


async def test_a_backup_is_sound(path: Path, time: Time) -> None:
    """Also one that was taken from a journal at work, which itself is not looked at."""
    async with open_sqlite(path, time.clock()) as journal:
        await fill(journal, time)
        await journal.backup(str(path.with_name("copy.db")))

        assert verify(path.with_name("copy.db")).problems == []
        with pytest.raises(JournalLocked) as caught:
            verify(path)
    assert str(caught.value) == (
        f"'{path}' is in use by a daemon; stop that one first, or look at a backup of it"
    )


async def test_what_an_unclean_end_left_in_the_log_is_looked_at(path: Path, time: Time) -> None:
    """Deliveries in flight are no problem, and the log is left for the next start."""
    async with open_sqlite(path, time.clock()) as journal:
        await fill(journal, time)
        crashed = path.parent / "crashed.db"
        for suffix in ("", "-wal"):
            crashed.with_name(f"crashed.db{suffix}").write_bytes(
                path.with_name(f"{path.name}{suffix}").read_bytes()
            )
    log = crashed.with_name("crashed.db-wal")
    content = log.read_bytes()
    assert content

    verdict = verify(crashed)

    assert (verdict.problems, verdict.rows["events"]) == ([], 3)
    assert log.read_bytes() == content


async def test_an_older_journal_is_judged_by_what_it_has(path: Path, time: Time) -> None:
    """It has no quarantine yet."""
    path.parent.mkdir()
    old = apsw.Connection(str(path))
    migrate(old, path, migrations()[:1])
    old.close()

    verdict = verify(path)

    assert (verdict.version, verdict.problems, "quarantine" in verdict.rows) == (1, [], False)


WRONG = [
    (
        "DELETE FROM events WHERE id = (SELECT min(event) FROM open_deliveries)",
        "open deliveries whose event is not there",
    ),
    (
        "DELETE FROM events WHERE id = (SELECT min(event) FROM settled_deliveries)",
        "settled deliveries whose event is not there",
    ),
    (
        "UPDATE open_deliveries SET state = 'dead' WHERE id = (SELECT min(id) FROM open_deliveries)",
        "open deliveries in a state that is none of theirs",
    ),
    (
        "UPDATE settled_deliveries SET state = 'pending' WHERE state = 'delivered'",
        "settled deliveries in a state that is none of theirs",
    ),
    (
        "UPDATE open_deliveries SET id = (SELECT min(id) FROM settled_deliveries) WHERE state = 'in_flight'",
        "deliveries that are open and settled",
    ),
    (
        "UPDATE open_deliveries SET claim = 0 WHERE state = 'in_flight'",
        "deliveries in flight that nobody claimed",
    ),
    ("UPDATE open_deliveries SET crashes = claim + 1", "deliveries with counts that cannot be"),
    ("UPDATE settled_deliveries SET failures = -1", "deliveries with counts that cannot be"),
    ("DELETE FROM attempts", "settled deliveries with neither an attempt nor a reason"),
    ("UPDATE settled_deliveries SET reason = NULL WHERE state = 'dead'", "dead deliveries without a reason"),
    (
        "UPDATE open_deliveries SET sink = 'hook'",
        "deliveries of an event to a sink that has another one of it",
    ),
    ("DELETE FROM settled_deliveries WHERE state = 'delivered'", "attempts whose delivery is not there"),
    (
        "UPDATE attempts SET number = 7 WHERE outcome = 'delivered'",
        "attempts under a claim that was never given",
    ),
    (
        "UPDATE attempts SET number = 0 WHERE outcome = 'delivered'",
        "attempts under a claim that was never given",
    ),
    ("DELETE FROM bodies WHERE event = (SELECT max(event) FROM bodies)", "events without a body"),
    ("INSERT INTO bodies VALUES (1, x'00')", "bodies without an event"),
    ("DELETE FROM rulesets", "events whose rules are not there"),
    (
        "UPDATE seen SET subject = 'x' WHERE event = (SELECT max(event) FROM seen)",
        "subjects whose last event is not there",
    ),
    (
        "UPDATE bodies SET body = x'00' WHERE event = (SELECT max(event) FROM bodies)",
        "bodies that are not what was recorded",
    ),
    ("INSERT INTO latest VALUES ('slack', 't', 1)", "newest deliveries of a build whose event is not there"),
    ("UPDATE quarantine SET size = 1", "refused requests of another size than was noted"),
]


@pytest.mark.parametrize(("sql", "what"), WRONG)
async def test_what_must_hold_between_rows_is_looked_for(path: Path, time: Time, sql: str, what: str) -> None:
    """Each with how many there are, and the first one's id."""
    spoil(await a_journal(path, time), sql)

    found = [problem for problem in verify(path).problems if f" {what}; the first is " in problem]

    assert len(found) == 1, verify(path).problems


async def test_every_rule_is_shown_to_find_something() -> None:
    """A rule that finds nothing whatever happens would be none."""
    assert {name.partition(" ")[2] for name in statements("verify")} == {what for _, what in WRONG}


async def test_a_damaged_file_is_told_from_a_sound_one(path: Path, time: Time) -> None:
    """An index that lost a row, and pages of nonsense."""
    await a_journal(path, time)
    spoil(path, "PRAGMA writable_schema = ON; DELETE FROM sqlite_schema WHERE name = 'attempts'")
    broken = verify(path).problems
    scribble(path, 4096 * 2)
    nonsense = verify(path).problems
    scribble(path, 100)
    hopeless = verify(path)

    assert any(problem.startswith("damaged: ") for problem in broken)
    assert any(problem.startswith("cannot look for ") for problem in broken)
    assert any(problem.startswith("damaged: ") for problem in nonsense)
    assert [problem for problem in nonsense if "\n" in problem or "***" in problem] == []
    assert hopeless.problems[0].startswith("damaged: ")
    assert hopeless.rows == {}


async def test_what_is_no_journal_is_not_judged(path: Path, time: Time) -> None:
    """No file, another program's, a text, a newer release's."""
    path.parent.mkdir()
    with pytest.raises(JournalError) as caught:
        verify(path)
    assert str(caught.value) == f"there is no file '{path}'; name a journal or a backup"

    spoil(path, "CREATE TABLE t (x)")
    with pytest.raises(SchemaMismatch, match="is not a journal of this program"):
        verify(path)

    write(path, "not a database, but a text that is long enough to be taken for one" * 20)
    with pytest.raises(SchemaMismatch) as other:
        verify(path)
    assert str(other.value) == f"'{path}' is no journal; name a journal or a backup"


async def test_a_file_whose_head_is_damaged_is_told_by_name(path: Path, time: Time) -> None:
    """Nothing in it can be read."""
    await a_journal(path, time)
    hurt_the_head(path)
    with pytest.raises(JournalBroken) as caught:
        verify(path)

    assert str(caught.value) == (
        f"'{path}' is damaged: database disk image is malformed (SQLITE_CORRUPT);"
        " restore a backup as the README says"
    )


async def test_a_lock_that_cannot_be_opened_is_told(path: Path, time: Time) -> None:
    """Not taken for a file that nobody uses."""
    await a_journal(path, time)
    lock = path.with_name(f"{path.name}.lock")
    lock.unlink()
    lock.symlink_to(lock)
    with pytest.raises(JournalError) as caught:
        verify(path)

    assert str(caught.value) == (
        f"cannot open '{lock}': too many levels of symbolic links; let this user read it, or look at a backup"
    )
