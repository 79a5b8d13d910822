"""Roster: the routers that share a journal, for a person."""

from datetime import datetime

from msgspec.structs import replace

from router.admin.answers import RouterRow
from router.journal.fleet import RouterMark
from router.roster import discord, roster

ONE = RouterMark(
    name="alpha:7",
    version="1.0.0",
    node=3,
    configuration="a" * 64,
    started=1000.0,
    seen=2000.0,
    live=True,
    own=True,
)
OTHER = replace(ONE, name="beta:8", node=4, own=False)


def told(then: datetime) -> str:
    """A time in few letters."""
    return f"at {then.timestamp():.0f}"


def test_routers_that_agree_need_no_word() -> None:
    """Nor does one that is starting, or gone."""
    starting = replace(OTHER, configuration="")
    lost = replace(OTHER, version="0.9.0", configuration="b" * 64, live=False)

    assert discord([ONE, OTHER, starting, lost]) == []


def test_two_configurations_at_once_are_pointed_out() -> None:
    """With who has which, and what to do."""
    assert discord([replace(OTHER, configuration="b" * 64), ONE]) == [
        "routers work under different configurations (aaaaaaaaaaaa: alpha:7; bbbbbbbbbbbb: beta:8);"
        " give each the same file and reload it"
    ]


def test_two_versions_at_once_are_pointed_out() -> None:
    """As long as an upgrade takes, that is well."""
    third = replace(OTHER, name="gamma:9")

    assert discord([ONE, third, replace(OTHER, version="1.1.0")]) == [
        "routers run different versions (1.0.0: alpha:7, gamma:9; 1.1.0: beta:8); upgrade those behind"
    ]


def test_several_routers_are_listed_the_own_first() -> None:
    """With their digests, and when they were last seen."""
    rows = [RouterRow.of(replace(OTHER, live=False)), RouterRow.of(ONE)]

    assert roster(rows, None, told).split("\n") == [
        "ROUTER              VERSION  CONFIGURATION  STARTED  SEEN",
        "alpha:7 (this one)  1.0.0    aaaaaaaaaaaa   at 1000  at 2000",
        "beta:8              1.0.0    aaaaaaaaaaaa   at 1000  at 2000, lost",
    ]


def test_a_router_alone_is_not_listed() -> None:
    """Everything else in its status is about it."""
    assert roster([RouterRow.of(ONE)], None, told) == ""
