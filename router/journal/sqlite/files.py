"""The files of a journal: made for their owner only, and their names as durable as their content."""

import os
from pathlib import Path


def make_folder(folder: Path) -> None:
    """Make the journal's folder, for its owner only, if it is not there."""
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        sync_folder(folder.parent)


def make_file(journal: Path) -> None:
    """Make an empty file, for its owner only, if it is not there; SQLite's own files get the same mode."""
    os.close(os.open(journal, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    sync_folder(journal.parent)


def sync_file(path: Path) -> None:
    """Have the content of a file on disk."""
    _sync(path, os.O_RDWR)


def sync_folder(path: Path) -> None:
    """Have the names in a folder on disk."""
    _sync(path, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
