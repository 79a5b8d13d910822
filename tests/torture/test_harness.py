"""The harness can fail: copies of the package, each with one deliberate fault that the oracle must name."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.torture.report import table
from tests.torture.scenarios import ENOUGH, SCENARIOS, Plan
from tests.torture.supervisor import ROOT

# Acknowledged while the commit is still under way, on a disk that takes its time.
_ACK_BEFORE_COMMIT = (
    "journal/sqlite/writer.py",
    '                self._cursor.execute("COMMIT")\n',
    "                import time\n"
    "                self._post(self._answer, list(batch))\n"
    "                time.sleep(0.05)\n"
    '                self._cursor.execute("COMMIT")\n'
    "                batch.clear()\n",
)
_NAIVE_DRAIN = ("app.py", "await server.drain()", "server.drain")
_NO_RECOVERY = (
    "journal/sql/sqlite/opening.sql",
    "SET state = 'pending', crashes",
    "SET state = 'in_flight', crashes",
)
_BODY_ENCODED_AGAIN = (
    "sinks/envelope.py",
    "payload=msgspec.Raw(event.payload)",
    "payload=msgspec.json.decode(event.payload)",
)

# A connection is reset when its next request is under way at the end: where requests follow each other
# at once, that is so at nearly every end, else at one of ten.
_AIMED: dict[str, dict[str, Any]] = {"reset": {"rounds": 3, "pace": 600.0, "connections": 32}}


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("scenario", "fault", "shown"),
    [
        ("crashes", _ACK_BEFORE_COMMIT, "lost"),
        ("crashes", _NO_RECOVERY, "limbo"),
        ("restarts", _NAIVE_DRAIN, "reset"),
        ("faults", _BODY_ENCODED_AGAIN, "corrupt"),
    ],
    ids=["acknowledged before the commit", "forgotten in flight", "naive drain", "body encoded again"],
)
def test_a_deliberate_fault_is_found(
    tmp_path: Path, scenario: str, fault: tuple[str, str, str], shown: str
) -> None:
    """The oracle names it."""
    path, right, wrong = fault
    # With what is compiled already: only the file with the fault is not what it was compiled from.
    shutil.copytree(ROOT / "router", tmp_path / "router")
    text = (tmp_path / "router" / path).read_text("utf-8")
    assert right in text, f"the fault no longer fits {path}"
    (tmp_path / "router" / path).write_text(text.replace(right, wrong), "utf-8")

    # A fault shows when a crash, or the end of a connection, hits the right moment: soon, not always.
    for seed in range(1, 26):
        plan = Plan(rounds=5, seconds=ENOUGH, seed=seed, package=tmp_path, patience=3)
        plan = replace(plan, **_AIMED.get(shown, {}))
        report = SCENARIOS[scenario](plan, lambda _: None)
        if shown in report.violations:
            return
    pytest.fail(f"{shown!r} is not among the violations:\n{table(report)}")
