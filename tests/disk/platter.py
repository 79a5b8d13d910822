"""A disk that is only as durable as it promised: what a power cut leaves of the files of a folder.

A completed sync keeps the content it covers; a folder's sync keeps the names in it. Whatever else was written
may be gone, or there in part, sector by sector, in any order.
"""

import random
from collections.abc import Mapping
from pathlib import Path

from tests.disk.trace import Named, Said, Step, Synced, Syncing, Truncate, Unnamed, Write

_SECTOR = 512

_Change = Write | Truncate
_Naming = Named | Unnamed


class Platter:
    """Follows a trace step by step; `cut` at any step."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._content: dict[str, bytearray] = {}
        self._names: set[str] = set()
        self._changes: list[_Change] = []
        self._namings: list[_Naming] = []
        self._syncing: dict[int, tuple[str, int, int]] = {}

    def hold(self, files: Mapping[str, bytes]) -> None:
        """Have these files, by name, on disk before anything is done."""
        for name, data in files.items():
            self._content[f"{self._folder}/{name}"] = bytearray(data)
            self._names.add(f"{self._folder}/{name}")

    def follow(self, step: Step) -> None:
        """Take one step."""
        match step:
            case Write() | Truncate():
                self._changes.append(step)
            case Named() | Unnamed():
                self._namings.append(step)
            case Syncing(file, thread):
                self._syncing[thread] = file, len(self._changes), len(self._namings)
            case Synced(thread):
                self._keep(*self._syncing.pop(thread, ("", 0, 0)))
            case Said():
                pass

    def cut(self, chance: random.Random, *, torn: bool) -> dict[str, bytes]:
        """The files after a power cut now, by name; `torn`: half of what was not synced is there."""
        content = {file: bytearray(data) for file, data in self._content.items()}
        names = set(self._names)
        if torn:
            for naming in self._namings:
                if chance.random() < 0.5:
                    _name(names, naming)
            for change in self._changes:
                for part in _torn(change, chance):
                    _apply(content, part)
        return {Path(file).name: bytes(content.get(file, b"")) for file in names}

    def _keep(self, file: str, changes: int, namings: int) -> None:
        """A sync returned: what it covers is there for good."""
        if file == self._folder:
            for naming in self._namings[:namings]:
                _name(self._names, naming)
            del self._namings[:namings]
        kept = [change for change in self._changes[:changes] if change.file == file]
        for change in kept:
            _apply(self._content, change)
        self._changes[:changes] = [change for change in self._changes[:changes] if change.file != file]
        self._syncing = {
            thread: (other, max(0, seen - len(kept)), max(0, seen_names - namings))
            for thread, (other, seen, seen_names) in self._syncing.items()
        }


def _name(names: set[str], naming: _Naming) -> None:
    if isinstance(naming, Named):
        names.add(naming.file)
    else:
        names.discard(naming.file)


def _apply(content: dict[str, bytearray], change: _Change) -> None:
    file = content.setdefault(change.file, bytearray())
    length = change.length if isinstance(change, Truncate) else change.offset + len(change.data)
    if len(file) < length:
        file.extend(bytes(length - len(file)))
    if isinstance(change, Truncate):
        del file[length:]
    else:
        file[change.offset : length] = change.data


def _torn(change: _Change, chance: random.Random) -> list[_Change]:
    """What arrives of a change: nothing, all, or some of its sectors."""
    fate = chance.randrange(3)
    if fate == 0:
        return []
    if fate == 1 or isinstance(change, Truncate):
        return [change]
    parts: list[_Change] = []
    start, end = change.offset, change.offset + len(change.data)
    while start < end:
        stop = min(end, start - start % _SECTOR + _SECTOR)
        if chance.random() < 0.5:
            parts.append(Write(change.file, start, change.data[start - change.offset : stop - change.offset]))
        start = stop
    return parts
