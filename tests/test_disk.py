"""Disk: a file and a folder are synced by their own descriptor, which is closed whatever happens."""

import errno
import os
import stat
from pathlib import Path

import pytest

from router.disk import sync_file, sync_folder


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[os.stat_result]:
    """What was synced, in order."""
    found: list[os.stat_result] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: found.append(os.fstat(descriptor)))
    return found


def test_a_file_and_its_name_are_synced_apart(tmp_path: Path, synced: list[os.stat_result]) -> None:
    """The content by the file, the name by the folder."""
    file = tmp_path / "file"
    file.write_bytes(b"x")

    sync_file(file)
    sync_folder(tmp_path)

    assert [found.st_ino for found in synced] == [file.stat().st_ino, tmp_path.stat().st_ino]
    assert [stat.S_ISDIR(found.st_mode) for found in synced] == [False, True]


def test_a_sync_that_fails_is_told_and_leaves_nothing_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody may take it for done."""
    asked: list[int] = []

    def fail(descriptor: int) -> None:
        asked.append(descriptor)
        raise OSError(errno.EIO, "no")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no"):
        sync_folder(tmp_path)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(asked[0])


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    """A name in the wrong place is an error, not a sync of something else."""
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(NotADirectoryError):
        sync_folder(file)
