"""Fault: one deliberate mistake, the promise that it breaks, and the tests that must see it."""

from typing import NamedTuple


class Fault(NamedTuple):
    """One change of the package's text: `old`, which stands in `path` once, becomes `new`.

    One of `tests`, files, must go red. They are few and short: a fault is to cost seconds.
    """

    name: str
    promise: str
    path: str
    old: str
    new: str
    tests: tuple[str, ...]

    @property
    def backend(self) -> str:
        """Which backend's share of the tests that run on both can see it, as pytest's `-k` says it."""
        return "postgres or moving" if "postgres" in self.path else "not postgres"
