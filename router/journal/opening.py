"""Opening: a journal for as long as somebody works with it, whatever it stores in."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar

import anyio

from router.errors import JournalUnavailable


class Openable(Protocol):
    """A journal, as far as its opening goes."""

    async def open(self) -> None:
        """See `Journal.open`."""
        ...


J = TypeVar("J", bound=Openable)


@asynccontextmanager
async def lent(journal: J, close: Callable[[], Awaitable[None]], *, patient: bool) -> AsyncIterator[J]:
    """Open it, and close it at the end; `patient`: where it cannot be opened now, it is not open yet.

    Raises:
        JournalUnavailable: it cannot be opened now, and nobody is patient.
        JournalError: of the opening.
    """
    try:
        try:
            await journal.open()
        except JournalUnavailable:
            if not patient:
                raise
        yield journal
    finally:
        with anyio.CancelScope(shield=True):
            await close()
