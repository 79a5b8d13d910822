"""File: a line counts once it is on disk, and no line runs into another."""

import asyncio
import errno
import json
import os
import stat
import threading
from pathlib import Path

import msgspec
import pytest
from anyio.lowlevel import checkpoint

from router.delivery import Delivered, Outcome, Pause, Retry
from router.sinks.file import File
from router.template.template import Template
from tests.sinks.samples import NOW, Answers, delivery, reply, sample

NOWHERE = Answers(reply(500))


async def appended(sink: File, number: int = 0) -> Outcome:
    """What came of appending the event with that build number."""
    result = await sink.send(sample(build=str(number)), delivery(), NOWHERE, NOW)
    assert (result.status, result.excerpt) == (None, None)
    return result.outcome


def builds(path: Path) -> list[int]:
    """The build numbers in a file, line by line."""
    return [int(json.loads(line)["data"]["build"]) for line in path.read_bytes().splitlines()]


async def test_an_event_is_one_line_at_the_end(tmp_path: Path) -> None:
    """The envelope, with the operator's text; nobody else may read the file."""
    path = tmp_path / "events.jsonl"
    sink = File(path=str(path))

    assert await appended(sink, 1) == Delivered()
    await sink.send(sample(build="2"), delivery(), NOWHERE, NOW, Template("{{ branch }}!"))

    assert builds(path) == [1, 2]
    assert json.loads(path.read_bytes().splitlines()[1])["data"]["message"] == "feature/calmer!"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert NOWHERE.sent == []


async def test_a_line_is_on_disk_before_it_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """File and, when it is new, directory are synced, in that order."""
    synced: list[str] = []
    fsync = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda file: (synced.append(str(Path(f"/proc/self/fd/{file}").readlink())), fsync(file))
    )
    sink = File(path=str(tmp_path / "events.jsonl"))

    await appended(sink, 1)
    first = list(synced)
    await appended(sink, 2)

    assert first == [sink.path, str(tmp_path)]
    assert synced == [sink.path, str(tmp_path), sink.path]


async def test_a_rotated_file_is_made_anew(tmp_path: Path) -> None:
    """Whoever rotates needs no signal."""
    path, old = tmp_path / "events.jsonl", tmp_path / "events.jsonl.1"
    sink = File(path=str(path))

    await appended(sink, 1)
    path.rename(old)
    await appended(sink, 2)
    path.unlink()
    await appended(sink, 3)

    assert (builds(old), builds(path)) == ([1], [3])


async def test_a_torn_last_line_is_ended_first(tmp_path: Path) -> None:
    """What a crash left must not take the next event with it."""
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"whole":1}\n{"torn":')

    await appended(File(path=str(path)), 7)

    lines = path.read_bytes().split(b"\n")
    assert lines[:2] == [b'{"whole":1}', b'{"torn":']
    assert json.loads(lines[2])["data"]["build"] == "7"
    assert lines[3:] == [b""]


async def test_lines_that_wait_together_go_out_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every one of them whole, once, and by far fewer syncs than lines."""
    synced: list[int] = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (synced.append(file), fsync(file)))
    sink = File(path=str(tmp_path / "events.jsonl"))

    async with asyncio.TaskGroup() as group:
        sent = [group.create_task(appended(sink, number)) for number in range(100)]

    assert {task.result() for task in sent} == {Delivered()}
    assert sorted(builds(tmp_path / "events.jsonl")) == list(range(100))
    assert len(synced) <= 4


async def test_two_sinks_on_one_path_take_turns(tmp_path: Path) -> None:
    """Settings may be swapped by a reload while a line is written."""
    path = str(tmp_path / "events.jsonl")

    async with asyncio.TaskGroup() as group:
        for number in range(40):
            group.create_task(appended(File(name=f"sink-{number % 2}", path=path), number))

    assert sorted(builds(Path(path))) == list(range(40))


async def test_a_line_cancelled_before_its_turn_is_not_written(tmp_path: Path) -> None:
    """It will come again with its retry; there is no need for it to come twice."""
    sink = File(path=str(tmp_path / "events.jsonl"))

    async with asyncio.TaskGroup() as group:
        group.create_task(appended(sink, 1))
        await checkpoint()
        late = group.create_task(appended(sink, 2))
        await checkpoint()
        late.cancel()
        await checkpoint()
        group.create_task(appended(sink, 3))

    assert builds(tmp_path / "events.jsonl") == [1, 3]


class _Disk:
    """A disk whose every sync tells that it began, and ends when it is let."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._loop, self._sync = asyncio.get_running_loop(), os.fsync
        self.begun: asyncio.Queue[threading.Event] = asyncio.Queue()
        monkeypatch.setattr(os, "fsync", self.fsync)

    def fsync(self, file: int) -> None:
        """Sync, but not before it is let."""
        go = threading.Event()
        self._loop.call_soon_threadsafe(self.begun.put_nowait, go)
        go.wait(30)
        self._sync(file)


async def test_a_write_that_was_given_up_leaves_its_lines_to_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waited with it writes them again, after it: twice is allowed, never is not."""
    sink = File(path=str(tmp_path / "events.jsonl"))
    await appended(sink, 0)
    disk = _Disk(monkeypatch)

    async with asyncio.TaskGroup() as group:
        group.create_task(appended(sink, 1))
        first = await disk.begun.get()
        given_up = group.create_task(appended(sink, 2))
        waiting = group.create_task(appended(sink, 3))
        await checkpoint()
        first.set()
        second = await disk.begun.get()
        given_up.cancel()
        await checkpoint()
        second.set()
        (await disk.begun.get()).set()

    assert waiting.result() == Delivered()
    assert builds(tmp_path / "events.jsonl") == [0, 1, 2, 3, 2, 3]


async def test_a_write_waits_for_one_that_hangs_but_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads must not pile up behind a disk that does not answer."""
    monkeypatch.setattr("router.sinks.file.PATIENCE", 0.01)
    sink = File(path=str(tmp_path / "events.jsonl"))
    await appended(sink, 0)
    disk = _Disk(monkeypatch)

    async with asyncio.TaskGroup() as group:
        hung = group.create_task(appended(sink, 1))
        go = await disk.begun.get()
        hung.cancel()
        outcome = await appended(sink, 2)
        go.set()

    assert outcome == Retry(f"cannot append to '{sink.path}': an earlier write still hangs")


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (errno.ENOSPC, Retry),
        (errno.EDQUOT, Retry),
        (errno.EIO, Retry),
        (errno.EMFILE, Retry),
        (errno.EACCES, Pause),
        (errno.EROFS, Pause),
        (errno.EPERM, Pause),
    ],
)
async def test_what_may_pass_is_retried_and_what_lasts_needs_an_operator(
    code: int, outcome: type[Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason names the path and what the system said."""

    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "write", refuse)
    sink = File(path=str(tmp_path / "events.jsonl"))

    assert await appended(sink) == outcome(f"cannot append to '{sink.path}': {os.strerror(code).lower()}")


async def test_a_short_write_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may take less than it was given."""
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, block: write(file, block[:7]))

    assert await appended(File(path=str(tmp_path / "events.jsonl")), 5) == Delivered()
    monkeypatch.undo()

    assert builds(tmp_path / "events.jsonl") == [5]


async def test_a_sync_that_failed_is_a_failed_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written is not enough."""

    def refuse(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", refuse)
    sink = File(path=str(tmp_path / "events.jsonl"))

    assert await appended(sink) == Retry(f"cannot append to '{sink.path}': input/output error")


async def test_only_a_plain_file_is_written_to(tmp_path: Path) -> None:
    """A link put in its place leads nowhere; a pipe nobody reads does not hang."""
    outside = tmp_path / "outside"
    outside.write_bytes(b"mine\n")
    (tmp_path / "link").symlink_to(outside)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")

    reasons = {
        name: await appended(File(path=str(tmp_path / name)))
        for name in ("link", "circle/x", "folder", "pipe", "outside/x", "missing/x", "x" * 300)
    }

    assert reasons == {
        name: Pause(f"cannot append to '{tmp_path / name}': {reason}")
        for name, reason in {
            "link": "it is a symbolic link; write the path that it leads to",
            "circle/x": "too many levels of symbolic links",
            "folder": "is a directory",
            "pipe": "not a plain file",
            "outside/x": "not a directory",
            "missing/x": "no such file or directory",
            "x" * 300: "file name too long",
        }.items()
    }
    assert outside.read_bytes() == b"mine\n"


async def test_the_directories_of_a_relative_path_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of an absolute one are not: a disk that is not mounted must not be filled beside it."""
    monkeypatch.chdir(tmp_path)

    assert await appended(File(path="var/archive/events.jsonl"), 3) == Delivered()

    assert builds(tmp_path / "var/archive/events.jsonl") == [3]


@pytest.mark.parametrize("path", ["", "var/", "/", "a\0b"])
def test_a_path_that_names_no_file_is_a_flaw(path: str) -> None:
    """Found at load."""
    (flaw,) = File(path=path).problems()

    fix = "write var/events.jsonl or /var/log/events.jsonl"
    assert (flaw.key, str(flaw)) == ("path", f"'{path}' names no file; {fix}")


def test_the_preview_is_the_path_and_the_line_for_people() -> None:
    """Nothing is opened for it."""
    sink = File(path="var/events.jsonl", template=Template("hello"))
    head, _, body = sink.preview(sample(), delivery(), NOW).partition("\n\n")

    assert head == "var/events.jsonl"
    assert json.loads(body)["data"]["message"] == "hello"
    assert msgspec.structs.replace(sink, template=None).problems() == []
