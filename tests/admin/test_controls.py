"""Sinks, status, reload and backup over the API."""

import hashlib
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from router import __version__
from router.admin.answers import moment
from router.admin.reloads import RefusedReload, Reload
from router.clock import Clock
from router.config.load import load
from router.delivery import State
from router.errors import Problem, RouterError
from router.journal import open_journal
from router.journal.fleet import own_name
from router.journal.journal import JournalSettings
from tests.admin.desk import RULES, Desk, Door


async def test_sinks_tell_their_state_and_what_waits(desk: Desk, door: Door) -> None:
    """By state of delivery; times in UTC."""
    await desk.event()
    await desk.settle("design", State.DELIVERED)
    page: Any = await door.get("/sinks")
    design, log = page["sinks"]

    assert (design["name"], design["type"], design["state"]) == ("design", "log", "ready")
    assert (design["pending"], design["in_flight"], design["delivered"], design["dead"]) == (0, 0, 1, 0)
    assert (log["pending"], log["delivered"]) == (1, 0)
    assert (log["reason"], log["until"], log["last_error"], log["last_error_at"]) == (None, None, None, None)


async def test_a_removed_sink_is_shown_while_deliveries_wait_for_it(desk: Desk, door: Door) -> None:
    """They are not forgotten."""
    await desk.event()
    await desk.use(RULES.replace("design", "paint"))
    page: Any = await door.get("/sinks")

    assert [(row["name"], row["state"], row["pending"]) for row in page["sinks"]][-1] == (
        "design",
        "no sink",
        1,
    )


async def test_a_sink_is_paused_and_resumed(desk: Desk, door: Door) -> None:
    """With a reason, or the usual one."""
    paused: Any = await door.post("/sinks/design/pause", {"reason": "moving"})
    resumed: Any = await door.post("/sinks/design/resume")
    again: Any = await door.post("/sinks/design/pause")

    assert (paused["state"], paused["reason"]) == ("paused", "moving")
    assert (resumed["state"], resumed["reason"]) == ("ready", None)
    assert again["reason"] == "paused by an operator"


async def test_an_unknown_sink_is_told(door: Door) -> None:
    """With the one that was meant."""
    unknown = {"error": "no sink is called 'desing'", "fix": "did you mean 'design'?"}
    for verb in ("pause", "resume"):
        assert await door.refused(f"/sinks/desing/{verb}", "POST") == (404, unknown)


async def test_a_sink_that_only_the_configuration_knows_is_told(desk: Desk, door: Door) -> None:
    """Between the two halves of a reload the dispatcher may not have it yet."""
    desk.program.config = desk.read(RULES.replace("design", "paint"))
    status, document = await door.refused("/sinks/paint/pause", "POST")

    assert status == 404
    assert document == {"error": "no sink is called 'paint'; sinks are design, log", "fix": ""}


async def test_status_is_everything_at_one_glance(desk: Desk, door: Door) -> None:
    """Version, since when, what is wrong, and every source and sink."""
    desk.program.reasons = ["starting"]
    status: Any = await door.get("/status")

    assert status["version"] == __version__
    assert status["started_at"] == "2023-11-14T22:13:20Z"
    assert status["unready"] == ["starting"]
    assert status["config"] == str(desk.folder / "config.yaml")
    assert status["rules"] == desk.program.config.matcher.digest
    assert status["sources"] == [{"name": "web", "type": "chromatic", "hook": "/hooks/web", "signed": False}]
    assert [row["name"] for row in status["sinks"]] == ["design", "log"]
    assert all(isinstance(warning, str) for warning in status["warnings"])


async def test_status_tells_a_configuration_whose_name_is_no_text(desk: Desk, door: Door) -> None:
    """A path is what the system takes for one; a document spells it."""
    path = os.fsdecode(b"caf\xe9.yaml")
    desk.program.config = msgspec.structs.replace(desk.program.config, path=path)
    status: Any = await door.get("/status")

    reloaded: Any = await door.post("/reload")

    assert status["config"] == f"{Path.cwd()}/caf\\xe9.yaml"
    assert reloaded["config"] == status["config"]


async def test_status_shows_where_a_token_goes_and_not_the_token(desk: Desk, door: Door) -> None:
    """A URL with a token in it is a secret."""
    await desk.use(RULES.replace("unsigned: true", "unsigned: true, token: env:TOKEN"))
    status: Any = await door.get("/status")

    assert status["sources"][0]["hook"] == "/hooks/web/<token>"


async def test_the_status_shows_the_routers_at_work(desk: Desk, door: Door) -> None:
    """Of a file there is one, and it agrees with itself."""
    await desk.journal.introduce("digest")
    status: Any = await door.get("/status")
    (router,) = status["routers"]

    assert (router["name"], router["version"], router["configuration"]) == (own_name(), __version__, "digest")
    assert (router["live"], router["own"], status["discord"]) == (True, True, [])


async def test_a_reload_is_answered_with_what_changed(desk: Desk, door: Door) -> None:
    """And with what waits for a restart."""
    desk.program.reloaded = Reload(True, [], ["rules"], ["server.listen"])

    path = desk.folder / "config.yaml"

    assert await door.post("/reload") == {
        "ok": True, "problems": [], "changed": ["rules"], "restart": ["server.listen"], "from_start": [],
        "config": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "no_sink": {},
    }  # fmt: skip


async def test_the_whole_path_of_the_file_is_told(
    desk: Desk, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks may be in another folder than the daemon."""
    monkeypatch.chdir(desk.folder)
    desk.program.config = load("config.yaml")
    status: Any = await door.get("/status")
    reload: Any = await door.post("/reload")

    assert status["config"] == reload["config"] == str(desk.folder / "config.yaml")


async def test_what_of_the_file_is_not_in_force_stays_in_the_status(desk: Desk, door: Door) -> None:
    """A refused reload, and what waits for a restart: both are well until the next start."""
    before: Any = await door.get("/status")
    desk.program.refused = RefusedReload(moment(1_700_000_000), 2, "config.yaml:3:7: sink 'x' is not defined")
    desk.program.pending_restart = ["server.grace"]
    after: Any = await door.get("/status")

    assert (before["refused"], before["restart"]) == (None, [])
    assert after["refused"] == {
        "at": "2023-11-14T22:13:20Z", "problems": 2, "first": "config.yaml:3:7: sink 'x' is not defined",
    }  # fmt: skip
    assert after["restart"] == ["server.grace"]
    assert await door.ask("/readyz") == (200, {"ready": True, "reasons": []})


async def test_a_refused_reload_is_422_with_its_problems(desk: Desk, door: Door) -> None:
    """Each with its place."""
    problem = Problem("config.yaml", 3, 7, "sink 'x' is not defined")
    desk.program.reloaded = Reload(False, [problem], [], [])
    status, document = await door.refused("/reload", "POST")

    assert status == 422
    assert document["problems"] == [  # type: ignore[index]  # a document
        {
            "path": "config.yaml",
            "line": 3,
            "column": 7,
            "message": "sink 'x' is not defined",
            "warning": False,
        }
    ]


async def test_a_reload_that_fails_says_why(desk: Desk, door: Door) -> None:
    """An error of ours is an answer, not a traceback."""
    desk.program.failure = RouterError("no room")

    assert await door.refused("/reload", "POST") == (409, {"error": "no room", "fix": ""})


async def test_a_backup_opens_as_a_journal(desk: Desk, door: Door, tmp_path: Path) -> None:
    """With everything that was acknowledged before."""
    event_id = await desk.event()
    path = tmp_path / "copy.db"
    copied = await door.post("/backup", {"path": str(path)})

    assert copied == {"path": str(path), "bytes": path.stat().st_size}
    async with open_journal(JournalSettings(url=f"sqlite:{path}"), Clock()) as journal:
        assert await journal.event(event_id) is not None


async def test_a_backup_never_overwrites(door: Door, tmp_path: Path) -> None:
    """The copy of yesterday stays."""
    path = tmp_path / "copy.db"
    path.write_text("yesterday")
    refusal = {
        "error": f"'{path}' exists already",
        "fix": "choose a new file where the daemon may write",
    }

    assert await door.refused("/backup", "POST", {"path": str(path)}) == (409, refusal)
    assert path.read_text() == "yesterday"


async def test_a_backup_needs_a_whole_path_that_can_be_written(door: Door, tmp_path: Path) -> None:
    """The daemon's working directory is not the operator's."""
    refusal = {"error": "'copy.db' is a relative path", "fix": "write the whole path"}
    missing = tmp_path / "none" / "copy.db"

    assert await door.refused("/backup", "POST", {"path": "copy.db"}) == (400, refusal)
    status, document = await door.refused("/backup", "POST", {"path": str(missing)})
    assert status == 409
    assert document == {
        "error": f"cannot write '{missing}': no such file or directory",
        "fix": "choose a new file where the daemon may write",
    }
    assert (await door.refused("/backup", "POST"))[0] == 400
