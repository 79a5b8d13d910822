"""The benchmark itself, in little: it measures all it says, loses nothing, and leaves nothing running."""

import json
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import psutil
import pytest

from router.journal.sqlite.verify import verify
from tests.bench import costs, database, growth
from tests.bench.__main__ import main
from tests.bench.bodies import write_load
from tests.bench.filling import fill
from tests.bench.plans import Plan, Row, prepared
from tests.bench.tools import COMPILER, NoTools, Tools, compiled
from tests.bench.traffic import Load, post, receiving

TINY = ["--rounds", "1", "--seconds", "0.2", "--events", "900", "--warm", "30"]


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Tools:
    """The compiled programs."""
    try:
        return compiled(tmp_path_factory.mktemp("tools"))
    except NoTools as missing:
        pytest.skip(str(missing))


@pytest.fixture
def no_child_left() -> Iterator[None]:
    """Fails if a process that a test started outlives it."""
    before = set(psutil.Process().children(recursive=True))
    yield
    assert not set(psutil.Process().children(recursive=True)) - before


def bench(folder: Path, *words: str) -> dict[str, Any]:
    """Run a plan; returns its document."""
    path = folder / "figures.json"
    assert main([*words, *TINY, "--folder", str(folder), "--json", str(path)]) == 0
    document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return document


def figures(document: dict[str, Any]) -> dict[tuple[str, str, str], dict[str, float]]:
    """The figures by mix, subject and phase."""
    return {(row["mix"], row["subject"], row["phase"]): row["figures"] for row in document["rows"]}


@pytest.mark.usefixtures("tools", "no_child_left")
def test_the_benchmark_measures_every_subject_and_loses_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every phase of every subject has its figures; none of them counts a loss, a refusal or a leak."""
    document = bench(tmp_path, "--phases", "throughput,filter,latency500")
    found = figures(document)

    assert re.search(r"^\d+ cores, .*, a sync takes [\d.]+ ms$", document["machine"])
    assert set(found) == {
        ("32 connections", subject, phase)
        for subject, phases in {
            "generator": ["throughput"],
            "bare": ["throughput"],
            "naive": ["throughput", "latency500"],
            "router": ["throughput", "filter", "latency500"],
        }.items()
        for phase in phases
    }
    for of_phase in found.values():
        for bad in ("lost", "refused", "leaked", "repeated"):
            assert not of_phase.get(bad)
    router = found["32 connections", "router", "throughput"]
    assert set(router) == {
        "accepted/s", "refused", "CPU ms/event", "peak MB", "noise", "events", "delivered/s", "behind",
        "lost", "repeated",
    }  # fmt: skip
    assert router["delivered/s"] > 0
    assert "throughput delivered/s" in capsys.readouterr().out


@pytest.mark.usefixtures("tools", "no_child_left")
def test_a_sink_that_hangs_keeps_nothing_from_the_others(tmp_path: Path) -> None:
    """What is owed to sinks that answer arrives, each event once at each of them."""
    found = figures(
        bench(tmp_path, "--subjects", "router", "--phases", "throughput", "--sinks", "3", "--hanging", "1")
    )
    (router,) = (each for (_, subject, _), each in found.items() if subject == "router")

    assert (router["lost"], router["repeated"]) == (0, 0)


@pytest.mark.usefixtures("no_child_left")
def test_the_router_starts_on_a_filled_journal_accepts_and_delivers(tools: Tools, tmp_path: Path) -> None:
    """The first steps of the plan about growth, and the first of retention."""
    plan = Plan(rounds=1, seconds=0.2, events=900, warm=30, stored=300)
    ground = prepared(tools, tmp_path, plan)
    start, accept = islice(growth.measured(ground, plan, quiet), 2)

    assert (start.subject, accept.subject) == ("grown", "grown")
    assert start.figures["ready ms"] > 0
    assert (accept.figures["lost"], accept.figures["refused"]) == (0, 0)
    assert growth.retention(ground, 300, "1d")["lost"] == 0


async def test_a_filled_journal_is_sound(tmp_path: Path) -> None:
    """Every row that was copied belongs to others that were."""
    await fill(tmp_path / "journal.db", 300, pending=True, days=2.0)

    verdict = verify(tmp_path / "journal.db")

    assert verdict.problems == []
    assert verdict.rows["events"] == verdict.rows["open_deliveries"] == verdict.rows["attempts"] == 300


@pytest.mark.usefixtures("no_child_left")
def test_costs_are_counted_per_event(tools: Tools, tmp_path: Path) -> None:
    """An event takes CPU, at most a sync of its own when events come one by one, and its bytes."""
    plan = Plan(rounds=1, seconds=0.2, events=900, warm=30)
    full, slow = islice(costs.measured(prepared(tools, tmp_path, plan), plan, quiet), 2)

    assert (full.phase, slow.phase) == ("full speed", "50/s")
    for row in (full, slow):
        assert row.mix == "0 sinks, 10 rules"
        assert row.figures["syncs/event"] > 0
        assert row.figures["kept KB/event"] > 1


@pytest.mark.usefixtures("no_child_left")
def test_costs_in_the_database_are_counted_per_event(tools: Tools, tmp_path: Path) -> None:
    """Two routers on one PostgreSQL deliver all, and the server's side of it is told per event."""
    plan = Plan(rounds=1, seconds=0.2, events=900, warm=30)
    step = database.Step(database.TWO, 4, database.DELIVER)
    with database.counting() as books:
        found = database.taken(prepared(tools, tmp_path, plan), step, books)

    assert set(database.FIGURES) < set(found)
    assert (found["refused"], found["lost"]) == (0, 0)
    for name in ("statements/event", "commits/event", "WAL KB/event", "kept KB/event"):
        assert found[name] > 0, name
    row = Row("4 connections", 0, step.subject, step.phase, found)
    ((title, (head, line)),) = database.tables([row])
    assert (title, head[1:], line[0]) == (
        "accept and deliver once", list(database.FIGURES), "PostgreSQL, 2 routers, 4 connections"
    )  # fmt: skip


def quiet(_: str) -> None:
    """Nobody is told how far it is."""


@pytest.mark.usefixtures("tools")
def test_the_sinks_count_what_came_and_what_came_again(tools: Tools, tmp_path: Path) -> None:
    """The same requests twice arrive once and are repeated once."""
    load = Load(write_load(tmp_path / "load", 90), 90, 10.0, connections=4)
    with receiving(tools, tmp_path, 90) as sinks:
        first = post(tools, sinks.port, load)
        again = post(tools, sinks.port, load)

        assert first.accepted == again.accepted == list(range(90))
        assert (sinks.requests, sinks.arrived, sinks.repeated, sinks.strange) == (180, 90, 90, 0)
        assert all(first.due[event] <= sinks.first()[event] for event in range(90))


def test_without_a_compiler_the_benchmark_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It needs one for what loads and receives."""
    monkeypatch.setenv("PATH", str(tmp_path))

    assert main(["--events", "3", "--folder", str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        f"there is no '{COMPILER}' here; install a C compiler (Debian: gcc libc6-dev)\n"
    )
