"""Fixtures of the trials with disks and power."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.disk.machine import Machine
from tests.process.harness import Destination, listening


@pytest.fixture
def strace() -> str:
    """The tool that records and injects; skips where it is missing or may not trace."""
    path = shutil.which("strace")
    if path is None:
        pytest.skip("needs strace")
    tried = subprocess.run(
        ["strace", "-f", "-e", "trace=none", "-o", "/dev/null", sys.executable, "-c", ""],
        capture_output=True, check=False,
    )  # fmt: skip
    if tried.returncode != 0:
        pytest.skip("needs the right to trace processes")
    return path


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where there is one: hundreds of copies of a journal are opened there."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else tmp_path) as folder:
        yield Path(folder).resolve()


@pytest.fixture
async def sink() -> AsyncIterator[Destination]:
    """A destination."""
    async with listening() as destination:
        yield destination


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Callable[..., Machine]]:
    """Makes daemons; ends them."""
    made: list[Machine] = []

    def make(disk: Path, sinks: dict[str, str], package: Path | None = None) -> Machine:
        folder = tmp_path / f"machine{len(made)}"
        folder.mkdir()
        made.append(Machine(folder, disk, sinks, package))
        return made[-1]

    yield make
    for one in made:
        if one.process is not None and one.process.poll() is None:
            one.kill()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 24 MiB; skips where this process may not mount one."""
    disk = tmp_path / "disk"
    disk.mkdir(mode=0o700)
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("needs root to mount a small tmpfs")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m,mode=0700", "none", str(disk)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("needs the right to mount a small tmpfs")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)
