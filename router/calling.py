"""Calling: how this program was called, so that a line it prints can be pasted.

Must not know what its commands do.
"""

import shutil
import sys
from pathlib import Path

_NAME = "visual-router"


def called(first: str | None = None) -> str:
    """The program as it can be called again: `visual-router`, `.venv/bin/visual-router`, `python -m router`.

    `first` is what it was called by, by default the process's own name.
    """
    first = sys.argv[0] if first is None else first
    if first.endswith("router/__main__.py"):
        return "python -m router"
    if Path(first).name != _NAME or shutil.which(_NAME):
        return _NAME
    return first
