"""Changes to a running daemon, and how each is told."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import anyio.to_thread
import pytest

from router.admin.reloads import Reload
from router.delivery import State
from router.errors import Problem
from tests.admin.desk import RULES
from tests.commands.shell import Session

UNKNOWN = "dlv_0000000000001"


async def test_dead_deliveries_are_requeued(session: Session) -> None:
    """By id, by event, by sink."""
    event_id = await session.desk.event()
    first = await session.desk.settle("design", State.DEAD, "answered 400")
    by_id = await session.type("requeue", first)
    again = await session.type("requeue", first, code=1)
    await session.desk.settle("design", State.DEAD, "answered 400")
    by_event = await session.type("requeue", event_id)
    await session.desk.settle("design", State.DEAD, "answered 400")
    by_sink = await session.read("requeue", "--sink", "design")

    assert by_id.stdout == "1 delivery requeued\n"
    assert again.stdout == (
        f"0 deliveries requeued\n{first} was left alone: it is pending\n"
        f"what is pending is tried by itself: visual-router --config {session.config} show ID says when\n"
    )
    assert by_event.stdout == "1 delivery requeued\n"
    assert by_sink == {"count": 1, "skipped": [], "idle": []}


async def test_more_ids_than_one_request_takes_are_sent_in_several(session: Session) -> None:
    """The answers are added up; what was done before a slip is told with it."""
    event_id = await session.desk.event()
    dead = await session.desk.settle("design", State.DEAD, "answered 400")
    many = [dead] * 500

    assert (await session.read("requeue", *many, event_id))["count"] == 1
    dead = await session.desk.settle("design", State.DEAD, "answered 400")
    result = await session.type("requeue", *[dead] * 500, UNKNOWN, code=1)
    assert result.stderr == (
        f"error: no delivery '{UNKNOWN}'; 1 delivery had been changed before\n"
        "  fix: it may be older than journal.keep\n"
    )


async def test_pending_deliveries_are_discarded(session: Session) -> None:
    """With a reason that stays with them."""
    event_id = await session.desk.event()
    result = await session.type("discard", event_id, "--reason", "a flood")
    rows = (await session.read("dead"))["deliveries"]
    again = await session.type("discard", event_id, code=1)

    assert result.stdout == "2 deliveries discarded\n"
    assert again.stdout == (
        f"0 deliveries discarded\n{event_id} was left alone: it has no pending delivery (2 dead)\n"
    )
    assert {row["reason"] for row in rows} == {"a flood"}


async def test_a_whole_sinks_deliveries_are_discarded_only_if_that_is_meant(session: Session) -> None:
    """A script says --yes; a person is asked."""
    await session.desk.event()
    refused = await session.type("discard", "--sink", "log", code=2)
    done = await session.type("discard", "--sink", "log", "--yes")

    assert "Discarding everything pending for 'log' wants --yes." in refused.stderr
    assert done.stdout == "1 delivery discarded\n"


async def test_a_person_is_asked_before_a_whole_sinks_deliveries_go(session: Session) -> None:
    """No is no."""
    await session.desk.event()
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "router", "discard", "--sink", "log", "--config", str(session.config)]

    def ask() -> "subprocess.CompletedProcess[str]":
        os.write(ours, b"n\n")
        return subprocess.run(words, stdin=theirs, capture_output=True, text=True, timeout=50, check=False)

    done = await anyio.to_thread.run_sync(ask)
    os.close(ours)
    os.close(theirs)

    assert done.returncode == 1
    assert "Discard everything pending for 'log'? [y/N]" in done.stderr
    assert (await session.read("dead"))["deliveries"] == []


async def test_ids_or_a_sink_but_not_both_and_not_none(session: Session) -> None:
    """Wrong usage."""
    for words in (["requeue"], ["discard"], ["requeue", UNKNOWN, "--sink", "log"]):
        assert "Name either IDs or a --sink." in (await session.type(*words, code=2)).stderr


async def test_old_events_go_through_the_rules_of_today(session: Session) -> None:
    """One line each."""
    first, second = await session.desk.event("bot/x"), await session.desk.event("main")
    await session.desk.use(RULES.replace("bot/**", "robot/**"))
    told = (await session.type("replay", first, second, first)).stdout.splitlines()
    document = await session.read("replay", first)

    assert len(told) == 2
    assert told[0].startswith(f"{first}: 1 delivery added: dlv_")
    assert told[1] == f"{second}: nothing new, all 2 routes had a delivery"
    assert document == {
        "replayed": [
            {"event_id": first, "routes": [{"rule": "not bots", "sink": "log"}], "added": [], "dead": []}
        ]
    }


async def test_what_was_replayed_before_a_slip_is_told(session: Session) -> None:
    """It is done and sent: the answer is not only the error. A slip at once leaves nothing to tell."""
    event_id = await session.desk.event("bot/x")
    await session.desk.use(RULES.replace("bot/**", "robot/**"))
    slip = "evt_0000000000001"
    result = await session.type("replay", event_id, slip, code=1)
    document = await session.read("replay", event_id, slip, code=1)
    nothing = await session.type("replay", slip, event_id, code=1)

    assert result.stdout.startswith(f"{event_id}: 1 delivery added: dlv_")
    assert result.stderr == (
        f"error: no event '{slip}'; 1 event had been replayed before\n"
        "  fix: it may be older than journal.keep\n"
    )
    assert [one["event_id"] for one in document["replayed"]] == [event_id]
    assert (nothing.stdout, nothing.stderr.splitlines()[0]) == ("", f"error: no event '{slip}'")


async def test_a_replay_points_to_what_is_dead(session: Session) -> None:
    """A sink that has the event already does not get it again: that is for requeue."""
    event_id = await session.desk.event()
    await session.desk.settle("design", State.DEAD, "answered 400")
    told = (await session.type("replay", event_id)).stdout

    assert told == (
        f"{event_id}: nothing new, all 2 routes had a delivery;"
        f" 1 dead: visual-router --config {session.config} requeue {event_id}\n"
    )


async def test_a_sink_is_paused_and_resumed(session: Session) -> None:
    """Both tell how it stands then."""
    await session.desk.event()
    paused = await session.type("pause", "design", "--reason", "moving")
    resumed = await session.type("resume", "design")
    unknown = await session.type("pause", "desing", code=1)

    assert (
        paused.stdout == f"design is paused: moving; visual-router --config {session.config} resume design\n"
    )
    assert resumed.stdout == "design is ready, 1 delivery pending\n"
    assert unknown.stderr == "error: no sink is called 'desing'\n  fix: did you mean 'design'?\n"
    assert (await session.read("pause", "design"))["state"] == "paused"


async def test_a_reload_tells_what_changed(session: Session) -> None:
    """And its warnings, on standard error."""
    warning = Problem("c.yaml", 3, 1, "no rule uses sink 'x'", warning=True)
    session.desk.program.reloaded = Reload(True, [warning], ["rules"], ["server.grace"])
    result = await session.type("reload")

    assert result.stdout == (
        f"reloaded: rules\nread from {session.config}\ntakes effect only after a restart: server.grace\n"
    )
    assert result.stderr == "c.yaml:3:1: warning: no rule uses sink 'x'\n"


async def test_a_refused_reload_tells_every_problem(session: Session) -> None:
    """Exit code 2: the configuration is wrong."""
    problem = Problem("c.yaml", 3, 7, "sink 'x' is not defined")
    session.desk.program.reloaded = Reload(False, [problem], [], [])
    result = await session.type("reload", code=2)

    assert result.stdout == (
        f"refused; the configuration in force is unchanged\nread from {session.config}\n"
    )
    assert result.stderr == "c.yaml:3:7: sink 'x' is not defined\n"
    assert (await session.read("reload", code=2))["ok"] is False


async def test_a_reload_never_passes_for_one_of_a_file_that_was_not_read(session: Session) -> None:
    """Named by --config, with other content: exit code 1, also for a script, unless there is worse."""
    own = session.config
    other = Path(session.write(session.head + RULES + "  - {name: more, to: log}\n", "other.yaml"))
    session.config = other
    told = (
        f"error: the router read '{own}', not '{other}', which holds something else\n"
        "  fix: write it there and reload, or start the router with --config\n"
    )
    result = await session.type("reload", code=1)

    assert result.stdout == f"reloaded: nothing changed\nread from {own}\n"
    assert result.stderr == told
    assert (await session.read("reload", code=1))["config"] == str(own)

    session.desk.program.reloaded = Reload(False, [Problem("c.yaml", 3, 7, "no")], [], [])

    assert (await session.type("reload", code=2)).stderr == f"c.yaml:3:7: no\n{told}"


async def test_a_file_with_the_same_content_is_the_same_file(session: Session) -> None:
    """A container has it at another path; a copy that is equal is in force."""
    own = session.config
    session.config = Path(session.write(own.read_text("utf-8"), "copy.yaml"))
    result = await session.type("reload")

    assert (result.stdout, result.stderr) == (f"reloaded: nothing changed\nread from {own}\n", "")


async def test_a_file_that_was_only_found_is_a_warning(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scripts name a file where they mean one; a folder may have a config.yaml by chance."""
    own, folder = session.config, session.folder / "clone"
    folder.mkdir()
    session.write(session.head + RULES + "# a draft\n", "clone/config.yaml")
    monkeypatch.chdir(folder)
    session.config = folder / "none"
    result = await session.type("reload")

    assert result.stdout == f"reloaded: nothing changed\nread from {own}\n"
    assert result.stderr == (
        f"warning: the router read '{own}', not '{folder}/config.yaml', which holds something else\n"
        "  fix: write it there and reload, or start the router with --config\n"
    )


async def test_a_backup_is_written_by_the_daemon(session: Session, tmp_path: Path) -> None:
    """Where the person at the terminal means it."""
    path = tmp_path / "copy.db"
    told = (await session.type("backup", str(path))).stdout
    again = await session.type("backup", str(path), code=1)

    assert told == f"{path} written by the daemon, {path.stat().st_size:,} bytes\n"
    assert again.stderr == (
        f"error: '{path}' exists already\n  fix: choose a new file where the daemon may write\n"
    )
