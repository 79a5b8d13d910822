"""Disk: what was written is there after a power cut. Blocking: for threads, or before the loop starts."""

import os
from pathlib import Path


def sync_file(path: Path) -> None:
    """Have the content of a file on disk; OSError as the disk has it."""
    _sync(path, os.O_RDWR)


def sync_folder(path: Path) -> None:
    """Have the names in a folder on disk: those of new, renamed and deleted files."""
    _sync(path, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
