"""A move may be cut off anywhere: the next one goes on, nothing is missing and nothing is there twice."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from router.errors import JournalError, JournalUnavailable
from router.journal.moving import Verdict, move
from router.journal.moving.goal import open_goal
from router.journal.moving.kinds import KINDS
from router.journal.moving.origin import open_origin
from tests.journal.backends import Time
from tests.journal.moving.link import Way, a_link
from tests.journal.moving.origins import a_database, a_journal, moved, rows_of, silent
from tests.journal.postgres.fleet import CALM, a_router, rows

_BITE = 9
INDEXES = """
SELECT indexdef, indisvalid FROM pg_indexes JOIN pg_index ON indexrelid = indexname::regclass
WHERE tablename IN ('events', 'bodies', 'settled_deliveries', 'attempts', 'open_deliveries') ORDER BY 1
"""


def tried(path: Path, url: str) -> Verdict | None:
    """What a move came to, None if it was cut off."""
    try:
        return move(path, url, silent, may_lose=True, most_rows=_BITE)
    except JournalUnavailable:
        return None


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal, read only by every example."""
    return asyncio.run(a_journal(tmp_path_factory.mktemp("origin"), Time(), many=30))


@pytest.fixture(scope="module")
def indexes() -> list[tuple[object, ...]]:
    """The indexes of a database that nothing was moved into."""
    with a_database() as url:
        with open_goal(url, may_lose=True):
            pass
        return rows(url, INDEXES)


@pytest.fixture(scope="module")
def size(journal: Path) -> dict[Way, int]:
    """How many bytes a move takes on each way."""
    with a_database() as url, a_link(url) as link:
        assert move(journal, link.url, silent, may_lose=True, most_rows=_BITE).same
        return dict(link.carried)


# Each example is a database: a smaller one that fails, too, is not worth a minute.
@settings(max_examples=12, phases=(Phase.explicit, Phase.generate))
@given(
    st.lists(st.tuples(st.sampled_from(("there", "back")), st.floats(0, 1)), min_size=1, max_size=3),
    st.booleans(),
)
def test_a_move_that_was_cut_off_is_finished_by_the_next_one(
    tmp_path_factory: pytest.TempPathFactory,
    journal: Path,
    size: dict[Way, int],
    indexes: list[tuple[object, ...]],
    cuts: list[tuple[Way, float]],
    begun: bool,
) -> None:
    """Wherever the link broke, also in a commit whose answer was lost, and however often."""
    with a_database() as url:
        if begun:
            with a_link(url, budget=size["there"] // 3) as link:
                assert tried(journal, link.url) is None
        for way, part in cuts:
            with a_link(url, way=way, budget=int(part * size[way])) as link:
                tried(journal, link.url)
        last = tried(journal, url)
        wanted = rows_of(journal)

        assert last is not None
        assert last.same
        assert moved(url, tmp_path_factory.mktemp("moved")) == wanted
        assert rows(url, "SELECT count(*) FROM moving WHERE finished IS NOT NULL") == [(1,)]
        deliveries = len(wanted["open_deliveries"]) + len(wanted["settled_deliveries"])
        assert rows(url, "SELECT sum(count)::bigint FROM tally") == [(deliveries,)]
        assert rows(url, INDEXES) == indexes


async def test_no_router_opens_a_half_moved_journal(journal: Path, size: dict[Way, int]) -> None:
    """It would take a resend for news; once the move is finished it opens."""
    with a_database() as url:
        with a_link(url, budget=size["there"] * 2 // 3) as link:
            assert tried(journal, link.url) is None
        with pytest.raises(JournalError) as caught:
            async with a_router(url, CALM):
                pass
        assert tried(journal, url) is not None
        async with a_router(url, CALM) as there:
            await there.ping()

    assert type(caught.value) is JournalError
    assert str(caught.value) == (
        "a journal is being moved into this database, and that is not finished;"
        " run visual-router migrate-journal to its end"
    )


def test_the_second_of_two_moves_adds_nothing(journal: Path, target: str) -> None:
    """Whoever comes with rows that are there already, or were overtaken, is told so."""
    kind = next(kind for kind in KINDS if kind.table == "events")
    with (
        open_origin(journal) as origin,
        open_goal(target, may_lose=True) as first,
        open_goal(target, may_lose=True) as second,
    ):
        bite = list(origin.rows(kind, kind.start))[:5]
        assert first.begin(origin.mark())
        assert second.begin(origin.mark())
        after = first.put(kind, None, bite[:2])
        refusals = []
        for before in (None, kind.start):
            with pytest.raises(JournalError) as caught:
                second.put(kind, before, bite[:2])
            refusals.append(str(caught.value))
        second.put(kind, after, bite[2:])

    assert (
        refusals == ["another move into this database is at work; let it finish, then run this one again"] * 2
    )
    assert rows(target, "SELECT count(*) FROM events") == [(5,)]


def test_two_moves_that_finish_at_once_count_once(journal: Path, target: str) -> None:
    """Both found everything there."""
    move(journal, target, silent, may_lose=True)
    counted = rows(target, "SELECT sum(count) FROM tally")
    with open_goal(target, may_lose=True) as second:
        second.finish(lambda *_: None)

    assert rows(target, "SELECT sum(count) FROM tally") == counted


def test_a_finished_move_is_not_made_again(journal: Path, target: str) -> None:
    """By then there may be more in the database than was moved."""
    assert move(journal, target, silent, may_lose=True).same
    rows(target, "DELETE FROM bodies")
    again = move(journal, target, silent, may_lose=True)

    assert again == Verdict(counts=[], already=True)
    assert again.same
