"""Restoring a backup: what another journal left beside it is never laid over it, and the advice works."""

import shutil
from collections.abc import Callable
from pathlib import Path

from tests.process.harness import Daemon, happo_headers, post

SECRET = {"HAPPO": "correct horse battery staple"}
CONFIG = """
sources: {happo: {type: happo, secret: "env:HAPPO"}}
sinks: {out: {type: log}}
rules: [{name: everything, to: out}]
"""


class Poster:
    """Posts events, each another one."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/hooks/happo"
        self._number = 0

    async def post(self, count: int) -> set[str]:
        """So many; returns their ids."""
        ids = set()
        for _ in range(count):
            self._number += 1
            body = b'{"type": "comparison", "data": {"hash": "%032x", "equal": false}}' % self._number
            status, answer = await post(self._url, body, happo_headers(body, SECRET["HAPPO"]))
            assert status == 202
            ids.add(str(answer["id"]))
        return ids


async def events_of(router: Daemon) -> set[str]:
    """The ids of all that it holds."""
    return {event["id"] for event in (await router.ask("events", "--limit", "500"))["events"]}


def _contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.glob("journal.db*") if file.suffix != ".lock"}


def _replace(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)


def _move_away(files: list[Path]) -> None:
    for file in files:
        file.rename(file.with_name(f"old-{file.name}"))


async def test_a_backup_copied_beside_the_log_of_a_killed_router_is_refused_until_that_is_moved(
    daemon: Callable[..., Daemon],
) -> None:
    """By the start, by `verify` and by a move, without a change to anything; then it holds what it held."""
    router = await daemon(CONFIG, SECRET).start()
    poster = Poster(router.url)
    journal, backup = router.folder / "journal.db", router.folder / "backup.db"
    held = await poster.post(30)
    await router.command("backup", str(backup))
    await poster.post(12)
    assert await router.stop() == 0
    await router.start()
    await poster.post(3)
    router.kill()
    _replace(backup, journal)
    before = _contents(router.folder)

    router.launch()
    code = await router.wait()
    target = "postgresql://nobody@127.0.0.1:1/none"
    told = [
        router.log.splitlines()[-1],
        await router.command("verify", str(journal), code=1),
        await router.command("migrate-journal", f"sqlite:{journal}", target, code=1),
    ]

    assert code == 1
    advice = (
        f"'{journal}' is a backup that no router has run on yet, but another journal's files lie beside it;"
        f" move '{journal}-wal' and '{journal}-shm' away without deleting anything"
        " (events that the backup lacks may be in there), then try again"
    )
    assert [advice in one for one in told] == [True] * 3, told
    assert _contents(router.folder) == before

    _move_away([router.folder / "journal.db-wal", router.folder / "journal.db-shm"])
    assert "sound" in await router.command("verify", str(journal))
    await router.start()
    assert await events_of(router) == held
    more = await poster.post(3)
    router.kill()
    await router.start()
    assert await events_of(router) == held | more
    assert await router.stop() == 0
    assert "sound" in await router.command("verify", str(journal))
