"""Two levels of the same tests: short in the suite, long by `make hostile`."""

import os

LONG = os.environ.get("HOSTILE") == "long"


def level(short: int, long: int) -> int:
    """A count: for the suite, or for the long run."""
    return long if LONG else short
