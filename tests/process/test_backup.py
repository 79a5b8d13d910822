"""Backups of a journal at work: sound, complete up to their beginning, and good to run on."""

import shutil
from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.to_thread
import apsw
import pytest

from router.clock import id_text
from router.journal.sqlite.verify import verify
from tests.process.harness import Daemon, Destination, happo_headers, post

SECRET = {"HAPPO": "correct horse battery staple"}
BACKUPS = 10
# However long it takes until the sink is well again: nothing dies of that.
PATIENT = ", ".join(["1s"] * 100)


def routed_to(url: str) -> str:
    """Everything from Happo goes to one webhook."""
    return f"""
sources:
  happo: {{type: happo, secret: "env:HAPPO"}}
sinks:
  out: {{type: webhook, url: "{url}", retry: {{schedule: [{PATIENT}]}}}}
rules:
  - {{name: everything, to: out}}
"""


class Load:
    """Signed events without an end, and refused ones between them; `acknowledged` grows."""

    def __init__(self, url: str) -> None:
        self.url = f"{url}/hooks/happo"
        self.acknowledged: list[str] = []
        self._number = 0

    async def run(self) -> None:
        """Post one after another."""
        while True:
            self._number += 1
            body = b'{"type": "comparison", "data": {"hash": "%032x", "equal": false}}' % self._number
            status, answer = await post(self.url, body, happo_headers(body, SECRET["HAPPO"]))
            assert status == 202
            self.acknowledged.append(str(answer["id"]))
            if self._number % 10 == 0:
                assert (await post(self.url, body, happo_headers(body, "wrong")))[0] == 401


def events_in(path: Path) -> set[str]:
    """The ids of the events in a copy."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return {id_text("evt", number) for (number,) in connection.execute("SELECT id FROM events")}
    finally:
        connection.close()


@pytest.mark.timeout(120)
async def test_a_backup_under_load_holds_all_that_was_acknowledged_before_it(
    daemon: Callable[..., Daemon], destination: Destination, tmp_path: Path
) -> None:
    """Ten of them; the last one is run on, and delivers what was still owed in it."""
    router = await daemon(routed_to(destination.url), SECRET).start()
    load = Load(router.url)
    copies: list[tuple[Path, set[str]]] = []
    async with anyio.create_task_group() as posting:
        for _ in range(8):
            posting.start_soon(load.run)
        for number in range(BACKUPS):
            before = set(load.acknowledged)
            if number == BACKUPS - 1:
                # From now on everything is owed, so that the last copy owes something.
                destination.status = 503
                known = len(load.acknowledged)
                while len(load.acknowledged) < known + 50:
                    await anyio.lowlevel.checkpoint()
                before = set(load.acknowledged)
            path = tmp_path / f"copy-{number}.db"
            await router.command("backup", str(path))
            copies.append((path, before))
        posting.cancel_scope.cancel()
    for path, before in copies:
        verdict = await anyio.to_thread.run_sync(verify, path)
        assert verdict.problems == [], path
        assert before <= events_in(path)
    assert len(copies[-1][1]) > 50
    assert await router.stop() == 0

    destination.status = 200
    restored = daemon(routed_to(destination.url), SECRET)
    shutil.copy(copies[-1][0], restored.folder / "journal.db")
    await restored.start()
    wanted = copies[-1][1]
    await destination.until(lambda: wanted <= {document["data"]["id"] for document in destination.documents})
    await restored.command("verify", str(restored.folder / "journal.db"), code=1)  # it runs
    assert await restored.stop() == 0
    assert "sound" in await restored.command("verify", str(restored.folder / "journal.db"))
