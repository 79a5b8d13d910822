"""Bed: a copy of the tree in which one fault at a time is at work, and what the tests there say.

Must not know which faults there are.
"""

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.mutants.fault import Fault

# Seconds for the tests of one fault; one that makes them hang is seen as well as one that makes them fail.
LIMIT = 240
_ENDLESS = f"the run, which did not end in {LIMIT} s"
_COPIED = (
    "router", "tests", "systemd", "docs", "pyproject.toml", "config.example.yaml", "README.md", "Makefile"
)  # fmt: skip
# One seed for all: a fault that was caught once is caught again.
_PYTEST = ("-m", "pytest", "-x", "-q", "-rfE", "--tb=no", "--no-header", "-n", "0", "-p", "no:cacheprovider",
           "-p", "no:randomly", "--hypothesis-seed=0", "--timeout=30")  # fmt: skip


class Bed:
    """A copy of `root` in `folder`, for one fault after the other."""

    def __init__(self, root: Path, folder: Path) -> None:
        self._folder = folder
        for name in _COPIED:
            source = root / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            elif source.exists():
                shutil.copy2(source, folder / name)

    def caught_by(self, fault: Fault) -> str | None:
        """The first test that goes red by the fault, or None: it survived.

        Raises:
            RuntimeError: it cannot be told: the test is red without the fault, too, or none could be run.
        """
        with self._broken(fault):
            red = self._run(fault.tests, fault.backend)
        if red is None or red == _ENDLESS:
            return red
        if self._run((red,), None) is not None:
            raise RuntimeError(f"'{red}' is red without any fault; mend it first")
        return red.partition("::")[2].partition("[")[0]

    @contextlib.contextmanager
    def _broken(self, fault: Fault) -> Iterator[None]:
        """The fault at work; then the file is as it was, with its time, so that no stale bytecode is run."""
        path = self._folder / fault.path
        text, times = path.read_text("utf-8"), path.stat()
        path.write_text(text.replace(fault.old, fault.new, 1), "utf-8")
        try:
            yield
        finally:
            path.write_text(text, "utf-8")
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
            if path.suffix == ".py":
                Path(importlib.util.cache_from_source(path)).unlink(missing_ok=True)

    def _run(self, tests: Sequence[str], backend: str | None) -> str | None:
        """The first red test of these; what stands for it if none could run, or the end did not come."""
        chosen = [] if backend is None else ["-k", backend]
        process = subprocess.Popen(
            [sys.executable, *_PYTEST, f"--basetemp={self._folder}.t", *chosen, *tests],
            cwd=self._folder,
            env={**os.environ, "PYTHONPATH": str(self._folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            said, _ = process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return _ENDLESS
        if process.returncode == 0:
            return None
        if process.returncode == 5:
            raise RuntimeError(f"no test of {', '.join(tests)} was chosen; name others")
        red = [line.split(" ", 1)[1] for line in said.splitlines() if line.startswith(("FAILED ", "ERROR "))]
        if not red or "::" not in red[0]:
            raise RuntimeError(f"no test of {', '.join(tests)} could be run: {said[-300:]}")
        return red[0].partition(" - ")[0]
