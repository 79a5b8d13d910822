"""The benchmark itself, in little: it measures all it says, loses nothing, and leaves nothing running."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.bench.__main__ import main
from tests.bench.bodies import write_load
from tests.bench.tools import COMPILER, NoCompiler, Tools, compiled
from tests.bench.traffic import Load, post, receiving

TINY = ["--rounds", "1", "--seconds", "0.2", "--events", "900", "--warm", "30"]


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Tools:
    """The compiled programs."""
    try:
        return compiled(tmp_path_factory.mktemp("tools"))
    except NoCompiler as missing:
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


@pytest.mark.usefixtures("tools", "no_child_left")
def test_a_filled_journal_is_a_journal(tmp_path: Path) -> None:
    """The plan about growth runs on journals that the router starts on, accepts into and delivers from."""
    found = figures(bench(tmp_path, "growth", "--stored", "300"))
    title = "300 events stored, 300 deliveries pending"

    for state in ("young", "grown"):
        assert found[title, state, "accept"]["lost"] == 0
        assert found[title, state, "throughput"]["lost"] == 0
        assert found[title, state, "start"]["ready ms"] > 0
    assert found["retention of 30 events", "pruning", "accept"]["lost"] == 0


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
