"""Pieces: the work that waits to be committed, one class per kind. They pass between two threads.

Owns what each kind is run with, and where it leaves what it came to. Must not know who runs it, or when.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar, cast

import msgspec

from router.errors import RouterError

C = TypeVar("C")
W = TypeVar("W", bound="Outcome[object]")
T_co = TypeVar("T_co", covariant=True)


class Outcome(Protocol[T_co]):
    """What a piece of work came to; takes effect with the commit."""

    @property
    def result(self) -> T_co:
        """The answer to its caller."""
        ...

    @property
    def undo(self) -> "Callable[..., Outcome[object]] | None":
        """Work that takes it back if its caller was cancelled and never learned of it."""
        ...


# Structs of msgspec: one is made for each event, without a call of Python.
class Piece(msgspec.Struct, Generic[C, W], kw_only=True, eq=False):
    """A piece of work on its way: `written` once it was run, or an `error`, if it came to nothing.

    `future` is None if nobody waits for it; `done` is told of the end in any case. It may want to be `alone`
    in its transaction; `quick` work may run in the loop's thread.
    """

    alone: bool = False
    quick: bool = False
    future: asyncio.Future[object] | None = None
    done: Callable[[W | None], None] | None = None
    written: W | None = None
    error: RouterError | None = None


class Single(Piece[C, W]):
    """Work that is run for itself."""

    work: Callable[[C], W]


class Shared(Piece[C, W]):
    """An entry for work that is run once for all entries in a transaction."""

    work: Callable[[Sequence[object], C], Sequence[W]]
    entry: object


class Beside(Piece[C, W]):
    """Work between two transactions, which changes nothing: it has a `result` instead."""

    work: Callable[[], object]
    result: object = None


# What is run at once: a single piece, or all that share their work.
Group = list[Piece[C, W]]
# What is committed at once, in the order in which it is run and answered.
Batch = list[Group[C, W]]


def run(group: Group[C, W], cursor: C) -> None:
    """Run it in a transaction that is under way."""
    first = group[0]
    if isinstance(first, Single):
        first.written = first.work(cursor)
        return
    shared = cast("list[Shared[C, W]]", group)
    for piece, written in zip(shared, shared[0].work([one.entry for one in shared], cursor), strict=True):
        piece.written = written
