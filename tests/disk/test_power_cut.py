"""A power cut at any moment loses nothing that was acknowledged, and the same trial finds whoever does.

The real daemon runs under strace; what it wrote, synced and answered is replayed up to a cut, and what a disk
may have kept is opened by the journal's own code. `POWER_CUTS=20000` makes it the long level.
"""

import os
import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import apsw
import msgspec
import pytest

from router.clock import Clock
from router.errors import RouterError
from router.journal.journal import DeliveryQuery, EventQuery
from router.journal.sqlite import open_sqlite
from tests.disk.machine import Machine, Sender, a_copy, settled
from tests.disk.platter import Platter
from tests.disk.trace import CALLS, Said, Step, steps
from tests.process.harness import Destination

CUTS = int(os.environ.get("POWER_CUTS", "300"))
SEED = int(os.environ.get("POWER_SEED", "1"))
EVENTS = 200
_STRACE = ["strace", "-f", "--seccomp-bpf", "-y", "-xx", "-s", "1000000", "-e", "signal=none", "-e"]
_ACKNOWLEDGED = re.compile(rb'HTTP/1\.1 202 .*"id": "(evt_\w+)"', re.DOTALL)
_SENT = re.compile(rb"webhook-id: (dlv_\w+)\r.*visual-router-attempt: (\d+)", re.DOTALL | re.IGNORECASE)

# A dozen times as many checkpoints as usual: the moments at which the log starts over.
OFTEN = ("journal/sqlite/writer.py", "_CHECKPOINT = 512", "_CHECKPOINT = 40")
NORMAL = ("journal/sqlite/opening.py", '("synchronous", "FULL")', '("synchronous", "NORMAL")')
# The wait stands for a disk slower than memory.
EARLY = (
    "journal/sqlite/writer.py",
    '                self._cursor.execute("COMMIT")\n',
    "                import threading\n"
    "                self._post(self._answer, batch[:])\n                batch.clear()\n"
    "                threading.Event().wait(0.005)\n"
    '                self._cursor.execute("COMMIT")\n',
)


class Recorded(msgspec.Struct):
    """A run: the steps of its disk, and the bodies of what it acknowledged; what was there before it."""

    folder: Path
    steps: list[Step]
    bodies: dict[str, bytes]
    held: dict[str, bytes]
    known: dict[str, bytes]


async def record(machine: Machine, sink: Destination, log: Path, events: int, *, stop: bool) -> Recorded:
    """One life of the daemon under a bounded load, from its first start to `stop`, or to `kill -9`."""
    machine.tool = (*_STRACE, f"trace={CALLS}", "-o", str(log))
    held = contents(machine.disk)
    await machine.start()
    sender = Sender(machine)
    assert set(await sender.send(events)) == {202}
    await settled(sink, 2 * events)
    if stop:
        assert await machine.stop() == 0
    else:
        machine.kill()
    found = steps(log, machine.disk)
    acknowledged = {match[1].decode() for step in found if (match := _said(step, _ACKNOWLEDGED))}
    assert acknowledged == set(sender.acknowledged)
    return Recorded(machine.disk, found, sender.acknowledged, held, {})


def _said(step: Step, pattern: re.Pattern[bytes]) -> re.Match[bytes] | None:
    return pattern.search(step.data) if isinstance(step, Said) else None


def cut_points(run: Recorded, count: int, chance: random.Random) -> list[int]:
    """Half of them anywhere, half right behind an acknowledgement; in their order."""
    behind = [at + 1 for at, step in enumerate(run.steps) if _said(step, _ACKNOWLEDGED)]
    anywhere = [chance.randrange(1, len(run.steps)) for _ in range(count - count // 2)]
    return sorted(anywhere + [chance.choice(behind) for _ in range(count // 2)])


async def losses(run: Recorded, count: int, place: Path) -> list[str]:
    """What is missing after each of so many power cuts, in words; empty: nothing."""
    chance = random.Random(SEED)
    platter = Platter(run.folder)
    platter.hold(run.held)
    acknowledged = list(run.known)
    sent: dict[str, int] = {}
    found: list[str] = []
    done = 0
    for at in cut_points(run, count, chance):
        for step in run.steps[done:at]:
            platter.follow(step)
            if match := _said(step, _ACKNOWLEDGED):
                acknowledged.append(match[1].decode())
            elif match := _said(step, _SENT):
                sent[match[1].decode()] = int(match[2])
        done = at
        files = platter.cut(chance, torn=chance.random() < 0.5)
        write(place, files)
        last = {event: (run.known | run.bodies)[event] for event in acknowledged[-3:]}
        found += [f"cut {at}: {loss}" for loss in await missing(place, acknowledged, sent, last)]
    return found


def contents(folder: Path) -> dict[str, bytes]:
    """The files in a folder."""
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def write(place: Path, files: dict[str, bytes]) -> None:
    """Have these files in a folder and no others."""
    for old in place.iterdir():
        old.unlink()
    for name, data in files.items():
        (place / name).write_bytes(data)


async def missing(
    place: Path, acknowledged: list[str], sent: dict[str, int], bodies: dict[str, bytes]
) -> list[str]:
    """What the journal's own code does not find of what was promised."""
    try:
        async with open_sqlite(place / "journal.db", Clock()) as journal:
            events = {event.id for event in await journal.events(EventQuery(limit=10**6))}
            deliveries = await journal.deliveries(DeliveryQuery(limit=10**6))
            kept = {event: await journal.event(event) for event in bodies}
    except RouterError as error:
        return [f"it does not open: {error}"]
    owed = {(delivery.event_id, delivery.sink) for delivery in deliveries}
    claims = {delivery.id: delivery.claim for delivery in deliveries}
    found = [f"{event} is gone" for event in acknowledged if event not in events]
    found += [
        f"{event} is not owed to {sink} any more"
        for event in acknowledged
        for sink in ("one", "two")
        if (event, sink) not in owed
    ]
    # An attempt is claimed on disk before anything is sent: else a crash would hide that it was made.
    found += [f"{each} was sent unclaimed" for each, claim in sent.items() if claims.get(each, 0) < claim]
    found += [
        f"{event} has another body"
        for event, one in kept.items()
        if one is not None and one.event.payload != bodies[event]
    ]
    connection = apsw.Connection(str(place / "journal.db"), flags=apsw.SQLITE_OPEN_READONLY)
    verdict = connection.pragma("integrity_check")
    connection.close()
    return found if verdict == "ok" else [*found, f"integrity_check: {verdict}"]


class Trial:
    """One recorded life of a package, and power cuts in it."""

    def __init__(
        self, machine: Callable[..., Machine], sink: Destination, quick: Path, tmp_path: Path
    ) -> None:
        self.machine, self.sink, self.package = machine, sink, tmp_path / "package"
        self.disk, self.place, self.log = (quick / name for name in ("disk", "after", "trace"))
        self.disk.mkdir(mode=0o700)
        self.place.mkdir(mode=0o700)

    async def losses(
        self, edits: Sequence[tuple[str, str, str]], events: int, cuts: int, *, stop: bool
    ) -> list[str]:
        """What a changed package loses."""
        # Every event is owed twice.
        sinks = dict.fromkeys(("one", "two"), f"type: webhook, url: '{self.sink.url}'")
        machine = self.machine(self.disk, sinks, a_copy(self.package, *edits))
        run = await record(machine, self.sink, self.log, events, stop=stop)
        return await losses(run, cuts, self.place)


@pytest.fixture
def trial(
    strace: str, machine: Callable[..., Machine], sink: Destination, quick: Path, tmp_path: Path
) -> Trial:
    """A trial of this package, or of a changed one."""
    return Trial(machine, sink, quick, tmp_path)


@pytest.mark.timeout(max(300, CUTS // 5))
@pytest.mark.parametrize(
    ("edits", "cuts"), [((), CUTS), ((OFTEN,), CUTS // 3)], ids=["as it is", "checkpoints all the time"]
)
async def test_a_power_cut_at_any_moment_loses_nothing_that_was_acknowledged(
    trial: Trial, edits: tuple[tuple[str, str, str], ...], cuts: int
) -> None:
    """Events, bodies, what is owed and what was claimed are there, in a sound file."""
    assert await trial.losses(edits, EVENTS, cuts, stop=True) == []


@pytest.mark.parametrize("edit", [NORMAL, EARLY], ids=["synchronous=NORMAL", "answered before the commit"])
async def test_the_trial_finds_who_acknowledges_what_is_not_on_disk(
    trial: Trial, edit: tuple[str, str, str]
) -> None:
    """The same trial on a package that does wrong."""
    found = await trial.losses([edit], EVENTS // 2, 60, stop=False)

    assert any(loss.endswith("is gone") for loss in found)
