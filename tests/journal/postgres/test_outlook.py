"""What several routers on one database see of each other."""

from msgspec.structs import replace

from router.clock import Clock
from router.journal.journal import SinkMark
from router.journal.postgres import open_postgres
from router.share import ALONE, Share
from tests.journal.backends import Time, recorded
from tests.journal.postgres.fleet import CALM, a_child, a_router, looked, rows

_OPERATOR = SinkMark(sink="slack", paused="maintenance", by_operator=True, fingerprint="f")


async def test_limits_are_divided_by_the_routers_at_work(database: str) -> None:
    """Whoever comes knows at once, the others a look later; whoever goes leaves its share."""
    async with a_router(database, CALM) as one:
        assert one.share() == ALONE

        async with a_router(database, CALM) as other:
            assert other.share() == Share(1, 2)

            await looked(one, lambda: one.share() == Share(0, 2))

        await looked(one, lambda: one.share() == ALONE)


async def test_a_dead_routers_share_is_free_when_its_lease_has_ended(database: str) -> None:
    """Not before: nobody can know."""
    async with a_router(database) as journal:
        async with a_child(database) as child:
            await child.ask("now")
            await looked(journal, lambda: journal.share() == Share(0, 2))
        ((until,),) = rows(database, "SELECT max(lease_until) FROM router WHERE id > 1")

        await looked(journal, lambda: journal.share() == ALONE)

        ((now,),) = rows(database, "SELECT extract(epoch FROM clock_timestamp())::float8")
        assert float(str(now)) > float(str(until))


async def test_a_router_whose_place_was_given_away_comes_last(database: str) -> None:
    """Until its next heartbeat gives it a new one."""
    async with a_router(database, CALM) as one, a_router(database, CALM) as other:
        rows(database, "DELETE FROM router WHERE id = (SELECT min(id) FROM router)")

        await looked(one, lambda: one.share() == Share(1, 2))
        await looked(other, lambda: other.share() == ALONE)


async def test_a_mark_is_news_to_the_others_only(database: str) -> None:
    """And so is its end; each is told once."""
    async with a_router(database, CALM) as one, a_router(database, CALM) as other:
        told: list[SinkMark] = []

        def more() -> bool:
            told.extend(other.news())
            return bool(told)

        await one.mark(_OPERATOR)
        await looked(other, more)
        await one.mark(SinkMark(sink="slack"))
        told_first, told = told, []
        await looked(other, more)
        await one.wait(None)

        assert (told_first, told) == ([_OPERATOR], [SinkMark(sink="slack")])
        assert one.news() == []


async def test_a_mark_that_was_forgotten_and_made_anew_is_told_as_both(database: str) -> None:
    """Also to who looked only before and after."""
    held = SinkMark(sink="slack", fingerprint="f", held_until=9e9)
    async with a_router(database, CALM) as one:
        await one.mark(_OPERATOR)
        async with a_router(database, CALM) as other:
            assert other.news() == []

            await one.mark(SinkMark(sink="slack"))
            await one.mark(held)
            news: list[SinkMark] = []

            def told() -> bool:
                news.extend(other.news())
                return held in news

            await looked(other, told)

            assert news == [SinkMark(sink="slack"), held]


async def test_every_router_shows_itself_to_all(database: str) -> None:
    """With its configuration; only one of them is the own one."""
    async with a_router(database, CALM) as one, a_router(database, CALM) as other:
        await one.introduce("first")
        await other.introduce("second")
        for journal in (one, other):
            await looked(
                journal,
                lambda journal=journal: (
                    [each.configuration for each in journal.routers()] == ["first", "second"]
                ),
            )

        assert [each.own for each in one.routers()] == [True, False]
        assert [each.own for each in other.routers()] == [False, True]
        assert len({each.node for each in one.routers()}) == 2


async def test_what_others_recorded_counts_after_a_look(database: str) -> None:
    """A dispatcher claims only where something is pending: it must not wait for a heartbeat."""
    async with a_router(database, CALM) as one, a_router(database, CALM) as other:
        await recorded(one, Time(), "slack")

        await looked(other, lambda: sum(other.counts().values()) == 1)


async def test_a_hint_makes_others_look_at_once(database: str) -> None:
    """Where the database can be listened to nobody waits for the next look."""
    rare = replace(CALM, poll=3600.0)
    async with (
        open_postgres(database, Clock(), listen_url=database, may_lose=True, timing=rare) as one,
        open_postgres(database, Clock(), listen_url=database, may_lose=True, timing=rare) as other,
    ):
        # Once more than each looks by itself when it begins to listen.
        for _ in range(3):
            await other.mark(_OPERATOR)
            await looked(one, lambda: one.news() == [_OPERATOR])
            await one.mark(SinkMark(sink="slack"))
            await looked(other, lambda: other.news() == [SinkMark(sink="slack")])
