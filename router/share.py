"""Share: what one router of several may use of a limit that is meant for all of them.

Pure. Must not know how anybody finds out who is at work.
"""

import msgspec


class Share(msgspec.Struct, frozen=True):
    """A router's place among the `of` live ones, counted from 0."""

    rank: int = 0
    of: int = 1

    def slots(self, concurrency: int) -> int:
        """Its part of so many slots: all parts together are as many, but nobody's is less than one."""
        each, over = divmod(concurrency, self.of)
        return max(1, each + (self.rank < over))


ALONE = Share()
