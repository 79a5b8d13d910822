"""Tools: the programs in C that load and receive, compiled where they are needed.

In Python they would cost more than what they measure.
"""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_NATIVE = Path(__file__).parent / "native"
COMPILER = "cc"


class NoTools(Exception):
    """They cannot be made here; the message says why."""


@dataclass(frozen=True)
class Tools:
    """Where the compiled programs are; `syncs` is a library to be preloaded."""

    load: Path
    sink: Path
    syncs: Path


def compiled(folder: Path) -> Tools:
    """Compile into a folder.

    Raises:
        NoTools: see there.
    """
    if sys.platform != "linux":
        raise NoTools(f"they are written for Linux and this is '{sys.platform}'; run them there")
    compiler = shutil.which(COMPILER)
    if compiler is None:
        raise NoTools(f"there is no '{COMPILER}' here; install a C compiler (Debian: gcc libc6-dev)")
    tools = Tools(folder / "load", folder / "sink", folder / "syncs.so")
    for made in (tools.load, tools.sink, tools.syncs):
        shared = ["-shared", "-fPIC"] if made.suffix else []
        subprocess.run(
            [compiler, "-O2", "-Wall", "-Werror", *shared, "-o", made, _NATIVE / f"{made.stem}.c", "-ldl"],
            check=True,
        )
    return tools
