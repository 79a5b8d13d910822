"""Break the package on purpose, fault by fault, and see the suite go red: `make mutants`.

A fault that survives is a missing test. The work tree is not touched: the faults go into a copy.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.mutants.faults import FAULTS, Fault

ROOT = Path(__file__).parents[2]
LIMIT = 600
COPIED = ("router", "tests", "systemd", "pyproject.toml", "config.example.yaml", "README.md", "Makefile")


def copy_to(folder: Path) -> None:
    """The parts of the tree that the tests need."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)


def caught_by(fault: Fault, folder: Path) -> str | None:
    """The first test that goes red, or None: the fault survived."""
    path = folder / fault.path
    text = path.read_text("utf-8")
    path.write_text(text.replace(fault.old, fault.new, 1), "utf-8")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-n", "2", "-p", "no:cacheprovider", *fault.tests],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(folder)},
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "the whole run, which did not end"
    finally:
        path.write_text(text, "utf-8")
    if done.returncode == 0:
        return None
    red = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return red[0].partition("::")[2].partition(" - ")[0] or red[0] if red else "the collection"


def main(wanted: list[str]) -> int:
    """Run all faults, or those whose names hold one of the words; 1 if one survives."""
    faults = [fault for fault in FAULTS if not wanted or any(word in fault.name for word in wanted)]
    survivors = []
    with tempfile.TemporaryDirectory(prefix="mutants") as name:
        folder = Path(name)
        copy_to(folder)
        for number, fault in enumerate(faults, 1):
            began = time.monotonic()
            red = caught_by(fault, folder)
            if red is None:
                survivors.append(fault.name)
            seconds = time.monotonic() - began
            print(
                f"{number:3}/{len(faults)}  {fault.name:55} {red or 'SURVIVED'}  ({seconds:.0f} s)",
                flush=True,
            )
    print(f"{len(faults) - len(survivors)} of {len(faults)} faults were caught")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
