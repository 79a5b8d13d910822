"""Rulesets that may go: a journal is read as far as it takes, and no further."""

from collections.abc import Sequence

from router.journal.rulesets import STRETCH, stretch, unnamed


class Events:
    """The rulesets that events were judged by, the oldest first; `looked`: behind which ones."""

    def __init__(self, *rulesets: tuple[str, int]) -> None:
        self.rulesets = [digest for digest, count in rulesets for _ in range(count)]
        self.looked: list[int] = []

    async def look(self, after: int) -> tuple[list[str], int | None]:
        """As a journal does; the number of an event is its place, from 1."""
        self.looked.append(after)
        found = dict[str, tuple[int, int]]()
        for number, digest in enumerate(self.rulesets[after : after + STRETCH], after + 1):
            found[digest] = number, found.get(digest, (0, 0))[1] + 1
        return stretch([(digest, *each) for digest, each in found.items()])

    async def unnamed(self, *digests: str) -> Sequence[str]:
        """Those that none of them names."""
        return await unnamed(digests, self.look)


async def test_it_ends_once_each_was_met() -> None:
    """What is looked for judged the oldest events."""
    events = Events(("old", 3), ("older", 2), ("now", 9 * STRETCH))

    assert await events.unnamed("older", "old") == []
    assert events.looked == [0]


async def test_what_nothing_names_is_found_at_the_end() -> None:
    """Also where the last stretch is a full one, and where there are no events."""
    events = Events(("old", STRETCH + 1), ("now", STRETCH - 1))

    assert await events.unnamed("one", "now", "two") == ["one", "two"]
    assert events.looked == [0, STRETCH, 2 * STRETCH]
    assert await Events().unnamed("one") == ["one"]


async def test_nothing_is_read_for_nothing() -> None:
    """There is no ruleset that may go."""
    events = Events(("now", 1))

    assert await events.unnamed() == []
    assert events.looked == []
