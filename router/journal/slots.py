"""Slots: what the dispatcher offers the journal, so that a delivery is attempted once it is on disk.

A sink's slot is taken (`Gate.take`) in one of two ways:
- A claim: the dispatcher asks for no more than are free (`Queue.claim`), and takes one for each that it gets.
- A reservation: `Inbox.record` asks for one (`Slots.reserve`) before the delivery is written, and gets none
  that a claim under way may still take. After the commit it calls `Slot.take`, or `Slot.free` if there is
  nothing to attempt, which puts the slot back as if it had never been taken (`Gate.put_back`).
Whoever took it, it is free again once the journal has what became of the attempt (`Gate.leave`).

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
