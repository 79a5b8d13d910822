"""An offer of slots for deliveries that are born in flight, as a dispatcher makes it."""

from router.delivery import Claim

# Backends that leave offers alone.
NO_HANDOVER = frozenset({"postgres"})


class Room:
    """An offer of so many slots per sink; what was taken is in `taken`."""

    def __init__(self, free: dict[str, int]) -> None:
        self.free = free
        self.taken: list[Claim] = []

    def reserve(self, sink: str) -> "Seat | None":
        """A slot, while there are any."""
        if self.free.get(sink, 0) < 1:
            return None
        self.free[sink] -= 1
        return Seat(self, sink)


class Seat:
    """One slot of a room."""

    def __init__(self, room: Room, sink: str) -> None:
        self.room, self.sink = room, sink

    def take(self, claim: Claim) -> None:
        """Keep the claim."""
        assert claim.delivery.sink == self.sink
        self.room.taken.append(claim)

    def free(self) -> None:
        """Have the slot again."""
        self.room.free[self.sink] += 1
