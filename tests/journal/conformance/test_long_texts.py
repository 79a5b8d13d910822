"""What every backend promises of texts too long for the key of an index: a stranger may write them."""

import random

import pytest

from router.delivery import State
from router.event import Event
from router.journal.archive import SHOWN
from router.journal.journal import EventQuery, Journal
from tests.journal.backends import Time, claimed, recorded, settled, settlement

_FIELDS = ("branch", "project", "build", "title", "author", "commit", "url", "event", "provider_status")


def long_text(size: int = 4000, *, first: int = 0x21, last: int = 0x7E) -> str:
    """A text that no compression makes much shorter."""
    draw = random.Random(size)
    return "".join(chr(draw.randint(first, last)) for _ in range(size))


def widest_text(size: int) -> str:
    """The same of characters that take four bytes each, and of some that take eight on PostgreSQL."""
    return "\x00\U0010ffff" * 20 + long_text(size, first=0x10000, last=0x1FFFF)


async def _found(journal: Journal, **wanted: str) -> list[str]:
    return [event.id for event in await journal.events(EventQuery(**wanted))]  # type: ignore[arg-type]  # filters


async def _stored(journal: Journal, event: Event) -> Event:
    judged = await journal.event(event.id)
    assert judged is not None
    return judged.event


@pytest.mark.parametrize("text", [long_text(), widest_text(4000)], ids=["long", "wide"])
@pytest.mark.parametrize("field", _FIELDS)
async def test_a_text_of_any_length_is_stored_whole(
    journal: Journal, time: Time, field: str, text: str
) -> None:
    """In any field; whoever comes next is recorded, too."""
    event = await recorded(journal, time, "slack", **{"build": "7", field: text})
    await settled(journal, "slack", State.DELIVERED)
    await recorded(journal, time, "slack")

    assert await _stored(journal, event) == event
    assert journal.broken is None


@pytest.mark.parametrize("text", [long_text(9000), widest_text(9000)], ids=["long", "wide"])
@pytest.mark.parametrize("field", _FIELDS)
async def test_a_page_shows_the_beginning_of_a_text(
    journal: Journal, time: Time, field: str, text: str
) -> None:
    """Fifty events, each with megabytes in one field, must not fill the memory of whoever lists them."""
    await recorded(journal, time, **{"project": "shop", field: text})

    (shown,) = await journal.events(EventQuery(source="web"))
    said = getattr(shown, field)
    assert text.startswith((said, said[:-1]))
    assert len(said) <= SHOWN


@pytest.mark.parametrize("text", ["x" * SHOWN, "a\x00b"], ids=["limit", "nul"])
async def test_a_page_shows_all_of_a_text_that_is_no_longer(journal: Journal, time: Time, text: str) -> None:
    """Also behind a character at which SQLite's functions end."""
    await recorded(journal, time, title=text)

    assert [event.title for event in await journal.events(EventQuery())] == [text]


@pytest.mark.parametrize("field", ["branch", "project"])
async def test_a_long_text_is_found_by_all_of_it(journal: Journal, time: Time, field: str) -> None:
    """Another one with the same beginning is another one, and the beginning alone is none of them."""
    text = long_text()
    found = {end: (await recorded(journal, time, **{field: text + end})).id for end in ("", "a", "b")}
    short = (await recorded(journal, time, **{field: text[:500]})).id

    for end, event in found.items():
        assert await _found(journal, **{field: text + end}) == [event]
    assert await _found(journal, **{field: text[:500]}) == [short]
    assert await _found(journal, **{field: text[:501]}) == []
    assert await _found(journal, **{field: text, "source": "web"}) == [found[""]]


@pytest.mark.parametrize("of", ["project", "build"])
@pytest.mark.parametrize("text", [long_text(), widest_text(1000)], ids=["long", "wide"])
async def test_a_build_whose_names_are_long_is_superseded(
    journal: Journal, time: Time, of: str, text: str
) -> None:
    """By its own newer event, and not by that of another build whose name begins the same."""
    build = {"build": "7", "project": "shop", of: text}
    await recorded(journal, time, "slack", "hook", **build)
    old = {sink: await claimed(journal, sink) for sink in ("slack", "hook")}
    await recorded(journal, time, "slack", **build)
    await recorded(journal, time, "hook", **{**build, of: text + "x"})

    for sink, expected in (("slack", True), ("hook", False)):
        await settled(journal, sink, State.DELIVERED)
        await journal.settle([settlement(old[sink], State.PENDING, due=time.wall)])
        assert (await claimed(journal, sink)).superseded == expected
