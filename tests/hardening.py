"""What the unit forbids, for a daemon that a test starts: the words to put in front of its command."""

import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

HARDEN = Path(__file__).with_name("harden.py")
UNIT = Path(__file__).parents[1] / "systemd" / "visual-router.service"


@cache
def calls_of_the_unit() -> set[str]:
    """The system calls that the unit's SystemCallFilter= lines leave, by systemd's own lists."""
    done = subprocess.run(
        ["systemd-analyze", "syscall-filter"], capture_output=True, text=True, check=True, timeout=50
    )
    groups: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        word = line.strip()
        if line.startswith("@"):
            groups[word] = []
        elif word and not word.startswith("#") and groups:
            list(groups.values())[-1].append(word)

    def expanded(name: str) -> set[str]:
        return set().union(*map(expanded, groups[name])) if name.startswith("@") else {name}

    allowed = expanded("@default")
    for line in re.findall(r"^SystemCallFilter=(.*)$", UNIT.read_text("utf-8"), re.MULTILINE):
        names = set().union(*map(expanded, line.removeprefix("~").split()))
        allowed = allowed - names if line.startswith("~") else allowed | names
    return allowed


def hardened(mode: str, folder: Path) -> list[str]:
    """The prefix of a command that is to run so; skips where this host cannot."""
    calls = "-"
    if "calls" in mode:
        if shutil.which("systemd-analyze") is None:
            pytest.skip("needs systemd-analyze, for systemd's lists of system calls")
        path = folder / "calls"
        path.write_text("\n".join(sorted(calls_of_the_unit())), "utf-8")
        calls = str(path)
    prefix = [sys.executable, str(HARDEN), str(int("memory" in mode)), calls]
    tried = subprocess.run([*prefix, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"not here: {tried.stderr.strip()}")
    return prefix


def wanted(folder: Path) -> list[str]:
    """The prefix of all that the unit forbids, if `HARDENED=1` asks for it; else none."""
    return hardened("memory and calls", folder) if os.environ.get("HARDENED") else []
