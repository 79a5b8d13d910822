"""The program's parts put together: what a reload may change, and what it must leave alone."""

import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from router.app import App
from router.clock import Clock
from router.config.load import load
from router.errors import JournalUnavailable, Unavailable
from router.journal import open_journal
from router.journal.journal import Journal, JournalSettings, SinkMark
from router.sinks.sink import fingerprint
from router.transport.transport import Lanes
from tests.waiting import until

CONFIG = """
sources:
  web: {{type: chromatic, unsigned: true}}
sinks:
  out: {{type: webhook, url: "https://example.com/", timeout: {timeout}}}
rules:
  - {{name: all, to: out}}
"""


class Full:
    """A journal on a disk that is full while `full`: it is read, but takes no rules.

    `away`: it is gone behind the next rules that it takes.
    """

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.full = self.away = False
        self.expediting: Callable[[str], None] = lambda _: None

    def __getattr__(self, name: str) -> object:
        """Everything else is the journal's."""
        return getattr(self.journal, name)

    async def remember(self, digest: str, rules: str) -> None:
        """Remember, or fail as such a disk does."""
        if self.full:
            raise JournalUnavailable("the disk is full")
        await self.journal.remember(digest, rules)
        self.full = self.full or self.away

    async def expedite(self, sink: str) -> int:
        """Tell who asked for it, then do it."""
        self.expediting(sink)
        return await self.journal.expedite(sink)

    async def marks(self) -> list[SinkMark]:
        """Read them, or fail as a database does that is gone."""
        if self.full and self.away:
            raise JournalUnavailable("the database is away")
        return await self.journal.marks()


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Full]:
    """A journal with room."""
    async with open_journal(JournalSettings(url=f"sqlite:{tmp_path}/journal.db"), Clock()) as journal:
        yield Full(journal)


async def test_a_reload_that_the_journal_cannot_take_leaves_a_paused_sink_paused(
    journal: Full, tmp_path: Path
) -> None:
    """Changed settings would end the pause; settings that do not come into force must not."""
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(timeout="10s"), "utf-8")
    config = load(str(path), resolve={})
    mark = SinkMark(sink="out", paused="answered 410", fingerprint=fingerprint(config.sinks["out"]))
    async with Lanes() as lanes:
        app = App(config, journal, lanes, Clock())
        program = app.program
        await journal.journal.open()
        await journal.journal.mark(mark)
        assert await program.begin()

        path.write_text(CONFIG.format(timeout="20s"), "utf-8")
        journal.full = True
        with pytest.raises(JournalUnavailable, match=r"^the disk is full$"):
            await program.reload()

        assert program.refused is not None
        assert (program.refused.problems, program.refused.first) == (0, "the disk is full")
        assert program.config is config
        assert app.dispatcher.states() == {"out": "paused"}
        assert await journal.marks() == [mark]

        journal.full = False
        assert (await program.reload()).changed == ["sinks.out"]
        assert program.refused is None
        assert app.dispatcher.states() == {"out": "ready"}


@pytest.mark.parametrize(
    ("fault", "reason"), [("full", "the disk is full"), ("away", "the database is away")]
)
async def test_a_reload_changes_all_or_nothing(
    journal: Full, tmp_path: Path, fault: str, reason: str
) -> None:
    """Sources, rules and sinks are those of one file, wherever the journal gives up; the failure counts."""
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(timeout="10s"), "utf-8")
    async with Lanes() as lanes:
        app = App(load(str(path), resolve={}), journal, lanes, Clock())
        program = app.program
        assert await program.begin()
        source, config = app.intake.source("web"), program.config

        other = CONFIG.replace(" out", " new").replace(" web:", " site:")
        path.write_text(other.format(timeout="10s"), "utf-8")
        setattr(journal, fault, True)
        with pytest.raises(JournalUnavailable, match=f"^{reason}$"):
            await program.reload()

        assert program.config is config
        assert app.intake.source("web") is source
        assert [sink.name for sink in app.dispatcher.sinks()] == ["out"]
        assert 'visual_router_config_reloads_total{ok="false"} 1.0' in app.metrics.text().decode()


async def test_rules_that_were_in_force_can_be_shown_later(journal: Full, tmp_path: Path) -> None:
    """Those of the start and those of a reload: an event names the rules that it was judged by."""
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(timeout="10s"), "utf-8")
    async with Lanes() as lanes:
        program = App(load(str(path), resolve={}), journal, lanes, Clock()).program
        assert await program.begin()
        first = program.config.matcher

        path.write_text(CONFIG.replace("name: all", "name: every").format(timeout="10s"), "utf-8")
        await program.reload()
        second = program.config.matcher

    assert first.digest != second.digest
    assert [await journal.rules(each.digest) for each in (first, second)] == [first.text, second.text]


async def test_what_waited_for_a_changed_sink_is_hastened_behind_the_rules(
    journal: Full, tmp_path: Path
) -> None:
    """However long that takes, no event is routed meanwhile by old rules to sinks that are gone."""
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(timeout="10s"), "utf-8")
    seen: list[tuple[str, bool]] = []
    async with Lanes() as lanes:
        app = App(load(str(path), resolve={}), journal, lanes, Clock())
        program = app.program
        before = program.config
        journal.expediting = lambda sink: seen.append((sink, program.config is before))
        assert await program.begin()
        assert seen == []

        path.write_text(CONFIG.format(timeout="20s"), "utf-8")
        async with anyio.create_task_group() as loops:
            loops.start_soon(app.dispatcher.run)
            await anyio.lowlevel.checkpoint()
            await program.reload()
            await until(lambda: bool(seen))
            loops.cancel_scope.cancel()

    assert seen == [("out", False)]


async def test_nothing_comes_behind_stopping(journal: Full, tmp_path: Path) -> None:
    """A daemon that waits for room and is told to stop is not ready, nor starting, whatever comes."""
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(timeout="10s"), "utf-8")
    journal.full = True

    async def terminated() -> AsyncIterator[signal.Signals]:
        yield signal.SIGTERM

    async with Lanes() as lanes:
        app = App(load(str(path), resolve={}), journal, lanes, Clock())
        program = app.program
        assert not await program.begin()
        assert program.unready() == ["starting: the disk is full"]

        await program.until_stopped(terminated())
        assert not await program.begin()
        assert program.unready() == ["stopping"]

        journal.full = False
        program.ready()
        assert program.unready() == ["stopping"]


async def test_until_there_is_room_a_hook_is_put_off_for_the_journals_reason(
    journal: Full, tmp_path: Path
) -> None:
    """What is in the log must send its reader to the disk or the database, not to the configuration."""
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(timeout="10s"), "utf-8")
    journal.full = True
    async with Lanes() as lanes:
        app = App(load(str(path), resolve={}), journal, lanes, Clock())
        program = app.program

        assert not await program.begin()
        with pytest.raises(Unavailable, match=r"^starting: the disk is full$"):
            await app.intake.accept(app.intake.source("web"), {}, b"{}", {})
