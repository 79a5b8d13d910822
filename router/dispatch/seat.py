"""Seat: a slot of a sink that was set aside for a delivery that is being recorded.

Must not know how an attempt begins.
"""

from collections.abc import Callable

import msgspec

from router.delivery import Claim
from router.dispatch.outlet import Outlet


class Seat(msgspec.Struct, frozen=True):
    """Fulfils `Slot`. `begin` attempts a claim that has its slot."""

    outlet: Outlet
    begin: Callable[[Claim, Outlet], None]

    def take(self, claim: Claim) -> None:
        """See `Slot.take`."""
        self.begin(claim, self.outlet)

    def free(self) -> None:
        """See `Slot.free`."""
        self.outlet.gate.put_back()
