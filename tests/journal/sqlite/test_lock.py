"""The lock: who has the journal, and what its next owner is told."""

import fcntl
from pathlib import Path

import pytest

from router.errors import JournalLocked
from router.journal.sqlite.lock import Lock, idle


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Where a journal would lie."""
    return tmp_path / "journal.db"


def _suspicious(path: Path) -> bool:
    """Whether the next owner is told to check the journal."""
    lock = Lock.take(path)
    lock.release()
    return lock.suspicious


def test_a_suspicion_stays_until_somebody_checked(journal: Path) -> None:
    """However many owners come to nothing before that."""
    lock = Lock.take(journal)
    lock.suspect()
    lock.release()

    assert _suspicious(journal)
    lock = Lock.take(journal)
    assert lock.suspicious
    lock.clear()
    lock.release()
    assert not _suspicious(journal)


def test_a_suspicion_at_the_last_moment_is_not_overlooked(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner's sync fails, and it ends, while the next one is about to take the lock."""
    first = Lock.take(journal)
    locked = fcntl.flock

    def ends_first(descriptor: int, operation: int) -> None:
        first.suspect()
        first.release()
        locked(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", ends_first)
    second = Lock.take(journal)
    monkeypatch.undo()

    assert second.suspicious
    second.release()
    assert _suspicious(journal)


def test_who_only_looks_at_a_journal_is_not_taken_for_its_last_owner(journal: Path) -> None:
    """That one's pid still stands in the file."""
    Lock.take(journal).release()
    with idle(journal) as suspicious, idle(journal):
        with pytest.raises(JournalLocked) as caught:
            Lock.take(journal)

        assert not suspicious
        assert str(caught.value) == (
            f"'{journal}' is being looked at by verify or migrate-journal; start again when that has ended"
        )
    assert not _suspicious(journal)
