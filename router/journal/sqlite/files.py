"""Files: those of a journal, made for their owner only, and their names as durable as their content."""

import os
from pathlib import Path

from router.disk import sync_folder


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
