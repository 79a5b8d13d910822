"""Slots: what the dispatcher offers the journal, so that a delivery is attempted once it is on disk.

Must not know who fills a slot, or with what work.
"""

from typing import Protocol

from router.delivery import Claim


class Slot(Protocol):
    """Room for one attempt at one sink, set aside: one of its methods is called, in the loop's thread."""

    def take(self, claim: Claim) -> None:
        """Attempt this claim: it is on disk, in flight."""
        ...

    def free(self) -> None:
        """Nothing came of it."""
        ...


class Slots(Protocol):
    """A standing offer to attempt deliveries from the moment they are recorded. For the loop's thread."""

    def reserve(self, sink: str) -> Slot | None:
        """Room for one more attempt at a sink, or None if there is none, now."""
        ...
