"""Work: what a piece of work is given, what it comes to, and what the writer must do beside it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

import msgspec
import psycopg

from router.delivery import State
from router.journal.journal import Stock
from router.journal.postgres.connecting import Connection

Cursor = psycopg.Cursor[tuple[object, ...]]
Moves = Mapping[tuple[str, State], int]

T_co = TypeVar("T_co", covariant=True)


class Seen(msgspec.Struct, frozen=True):
    """The whole database as one transaction saw it: counts, quarantine, is there any suspect, other routers.

    `stock` is None where nobody looked at the quarantine. `node` is this router's own.
    """

    counts: list[tuple[str, State, int]]
    stock: dict[str, Stock] | None
    suspects: bool
    others: int
    node: int


class Written(msgspec.Struct, Generic[T_co], frozen=True):
    """What a piece of work came to; takes effect with the commit.

    `moves` is how the counts change; `stock` what the quarantine holds of a source now; `seen` replaces all
    that is known; `wake` says that something may be due; `undo` is work that takes it back if its
    caller was cancelled and never learned of it. `taken` and `dropped` are the claims (delivery, claim
    number) that this router has from now on, and has no longer.
    """

    result: T_co
    moves: Moves = {}
    stock: Mapping[str, Stock] = {}
    seen: Seen | None = None
    wake: bool = False
    taken: Sequence[tuple[int, int]] = ()
    dropped: Sequence[tuple[int, int]] = ()
    undo: "Callable[[Cursor], Written[object]] | None" = None


class Berth(Protocol):
    """What the writer must do for this router's place in the fleet; see `presence.py`."""

    def beat(self, cursor: Cursor, *, again: bool) -> Written[object]:
        """Renew the lease; `again`: after a connection was lost, so that what it did is in doubt."""
        ...

    def count(self, moves: Moves, cursor: Cursor) -> None:
        """Add what a transaction changed to the counts that all routers share."""
        ...

    def note(self, written: "Written[object]", connection: Connection) -> None:
        """Learn what was committed; may tell other routers, in a transaction of its own."""
        ...

    def undone(self) -> None:
        """Learn that a transaction came to nothing."""
        ...

    def leave(self, cursor: Cursor) -> None:
        """Give the place up."""
        ...

    @property
    def every(self) -> float:
        """Seconds between two beats."""
        ...
