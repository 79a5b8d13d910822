"""What a program did to its files, and told the outside, in order: read from a log of strace.

Must not know what the files hold.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

# As strace is asked: every way to change a file, its name or its length, and every way to send.
CALLS = (
    "pwrite64,pwritev,write,writev,sendto,sendmsg,fsync,fdatasync,ftruncate,?unlink,unlinkat,?rename,openat"
)

_LINE = re.compile(rb"(\d+) +(?:<\.\.\. (\w+) resumed>|(\w+)\()(.*)")
_UNFINISHED = b" <unfinished ...>"
_PATH = re.compile(rb"<((?:\\x[0-9a-f]{2})*)>")
_TEXT = re.compile(rb'"((?:\\x[0-9a-f]{2})*)"')
_RESULT = re.compile(rb" = (-?\d+)[^=]*$")
_NUMBER = re.compile(rb", (\d+)\)?\s*(?:= .*)?$")


class Write(msgspec.Struct, frozen=True):
    """Bytes on their way to a file."""

    file: str
    offset: int
    data: bytes


class Truncate(msgspec.Struct, frozen=True):
    """A new length on its way to a file."""

    file: str
    length: int


class Syncing(msgspec.Struct, frozen=True):
    """A sync of a file or folder begins: it covers what came before."""

    file: str
    thread: int


class Synced(msgspec.Struct, frozen=True):
    """The sync that this thread began has returned."""

    thread: int


class Named(msgspec.Struct, frozen=True):
    """A file got a name."""

    file: str


class Unnamed(msgspec.Struct, frozen=True):
    """A file lost its name."""

    file: str


class Said(msgspec.Struct, frozen=True):
    """Bytes that left over a socket."""

    data: bytes


Step = Write | Truncate | Syncing | Synced | Named | Unnamed | Said


def steps(log: Path, folder: Path) -> list[Step]:
    """The steps that concern the files in a folder, and what was said over sockets, in their order."""
    with log.open("rb") as lines:
        return [step for line in lines for step in _steps(line) if _concerns(step, str(folder))]


def _concerns(step: Step, folder: str) -> bool:
    if isinstance(step, Said | Synced):
        return True
    inside = step.file == folder or step.file.startswith(f"{folder}/")
    # The index of the log is made anew at every opening; the lock holds no promise.
    return inside and not step.file.endswith(("-shm", ".lock"))


def _steps(line: bytes) -> Iterator[Step]:
    match = _LINE.match(line)
    if match is None:
        return
    thread = int(match[1])
    begins, ends = match[3] is not None, not match[4].rstrip().endswith(_UNFINISHED)
    call, rest = (match[3] or match[2]).decode(), match[4]
    if call in ("fsync", "fdatasync"):
        if begins:
            yield Syncing(_path(rest), thread)
        if ends and _result(rest) == 0:
            yield Synced(thread)
    elif begins:
        yield from _change(call, rest)


def _change(call: str, rest: bytes) -> Iterator[Step]:
    match call:
        case "pwrite64":
            yield Write(_path(rest), _last_number(rest), b"".join(_texts(rest)))
        case "ftruncate":
            yield Truncate(_path(rest), _last_number(rest))
        case "openat" if b"O_CREAT" in rest:
            yield Named(_texts(rest)[0].decode())
        case "unlink" | "unlinkat":
            yield Unnamed(_texts(rest)[0].decode())
        case "rename" | "pwritev":
            raise ValueError(f"'{call}' is not expected of a journal; teach the replay what it does")
        case "sendto" | "sendmsg" | "write" | "writev" if _path(rest).startswith("socket:"):
            yield Said(b"".join(_texts(rest)))
        case _:
            pass


def _last_number(rest: bytes) -> int:
    found = _NUMBER.search(rest.replace(_UNFINISHED, b""))
    if found is None:
        raise ValueError(f"'{rest[-80:]!r}' has no number at its end")
    return int(found[1])


def _path(rest: bytes) -> str:
    found = _PATH.search(rest)
    return "" if found is None else _bytes(found[1]).decode(errors="replace")


def _texts(rest: bytes) -> list[bytes]:
    return [_bytes(text) for text in _TEXT.findall(rest)]


def _bytes(text: bytes) -> bytes:
    return bytes.fromhex(text.replace(b"\\x", b"").decode())


def _result(rest: bytes) -> int | None:
    found = _RESULT.search(rest)
    return None if found is None else int(found[1])
