"""Rulesets: which of them no event names any more.

Owns the way through the events. Must not know how they are read, or who forgets what is found.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence

# Events that one look reads.
STRETCH = 2000


async def unnamed(
    digests: Iterable[str], look: Callable[[int], Awaitable[tuple[Iterable[str], int | None]]]
) -> list[str]:
    """Those of these digests that no event names, in the order given.

    `look` says which ones the next `STRETCH` events behind an id name, and how far it looked; None: to the
    end. Rules that were in force long ago judged the oldest events, so they are met soon; all events are read
    only if some rules may go.
    """
    left = dict.fromkeys(digests)
    after: int | None = 0
    while left and after is not None:
        named, after = await look(after)
        for digest in named:
            left.pop(digest, None)
    return list(left)


def stretch(rows: Sequence[tuple[str, int, int]]) -> tuple[list[str], int | None]:
    """What a look found, of its rows: each ruleset with its last event and how many events it judged."""
    whole = sum(count for _, _, count in rows) == STRETCH
    return [digest for digest, _, _ in rows], max(last for _, last, _ in rows) if whole else None
