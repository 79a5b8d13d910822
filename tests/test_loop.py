"""Which event loop runs: the fast one where it is there and sound, else Python's own."""

import asyncio
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from structlog.testing import capture_logs

from router import loop
from tests.loops import factories


def installed(monkeypatch: pytest.MonkeyPatch, version: str) -> ModuleType:
    """A uvloop of that version."""
    module = ModuleType("uvloop")
    vars(module).update(__version__=version, new_event_loop=asyncio.new_event_loop)
    monkeypatch.setitem(sys.modules, "uvloop", module)
    return module


def test_without_uvloop_python_s_own_loop_runs_and_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra: who did not ask for it misses nothing."""
    monkeypatch.setitem(sys.modules, "uvloop", None)
    with capture_logs() as lines:
        assert loop.chosen() is None

    assert lines == []


@pytest.mark.parametrize("version", ["0.22.1", "0.9", "0.22.99rc1"])
def test_a_uvloop_too_old_is_left_alone_with_a_warning(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would close sockets under whoever has them now."""
    installed(monkeypatch, version)
    with capture_logs() as lines:
        assert loop.chosen() is None

    reason = f"uvloop '{version}' closes descriptors that are not its own; install 0.23 or newer"
    assert lines == [{"event": "uvloop_unused", "reason": reason, "log_level": "warning"}]


@pytest.mark.parametrize("version", ["0.23.0", "0.23.0b1", "0.100", "1.0.0"])
def test_a_uvloop_new_enough_makes_the_loop(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else has to be set."""
    module = installed(monkeypatch, version)
    with capture_logs() as lines:
        assert loop.chosen() is module.new_event_loop

    assert lines == []


def test_a_uvloop_that_cannot_be_loaded_stops_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One built for another system: its own words are logged."""
    (tmp_path / "uvloop.py").write_text("raise ImportError('loop.so: wrong ELF class')", "utf-8")
    monkeypatch.delitem(sys.modules, "uvloop", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with capture_logs() as lines:
        assert loop.chosen() is None

    assert lines == [{"event": "uvloop_unused", "reason": "loop.so: wrong ELF class", "log_level": "warning"}]


@pytest.mark.parametrize("name", factories())
def test_the_loop_that_runs_has_a_name(name: str) -> None:
    """As the log says it."""

    async def named() -> str:
        return loop.running()

    with asyncio.Runner(loop_factory=factories()[name]) as runner:
        assert runner.run(named()) == name


def test_no_other_command_loads_uvloop() -> None:
    """It would only make them start later."""
    code = "import sys, router.app, router.cli; print('uvloop' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"
