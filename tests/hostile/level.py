"""Two levels of the same tests: short in the suite, long by `make hostile`."""

import os
from typing import TypeVar

T = TypeVar("T")

LONG = os.environ.get("HOSTILE") == "long"


def level(short: int, long: int) -> int:
    """A count: for the suite, or for the long run."""
    return long if LONG else short


def long_only(test: T) -> T | None:
    """A test of the long level alone: the suite has none that it always skips."""
    return test if LONG else None
