"""Text for a terminal: it fits, it aligns."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.columns import ago, exact, grid, listing, plural, shorten, span, width

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(("text", "cells"), [("main", 4), ("設計", 4), ("e\u0301", 1), ("", 0)])
def test_width_counts_cells(text: str, cells: int) -> None:
    """Wide characters take two, combining ones none."""
    assert cells == width(text)


@pytest.mark.parametrize(
    ("text", "cells", "shown"),
    [("main", 4, "main"), ("a/long/branch", 6, "a/lon…"), ("設計設計", 5, "設計…"), ("設計設計", 4, "設…")],
)
def test_what_does_not_fit_ends_in_an_ellipsis(text: str, cells: int, shown: str) -> None:
    """Cut by cells, not by characters."""
    assert shown == shorten(text, cells)


def test_a_grid_aligns_and_marks_what_is_absent() -> None:
    """Columns are as wide as their widest value; nothing trails."""
    table = grid(["ID", "BRANCH"], [["1", "main"], ["22", None], ["3", ""]], None)

    assert table == "ID  BRANCH\n1   main\n22  -\n3   -"


def test_a_grid_gives_way_where_it_is_widest() -> None:
    """The longest elastic column is shortened first; short ones stay whole."""
    table = grid(["ID", "TITLE"], [["evt_1", "x" * 40]], 20, {"TITLE": 8})

    assert table == "ID     TITLE\nevt_1  " + "x" * 12 + "…"


@settings(max_examples=60)
@given(st.lists(st.lists(st.text(max_size=60), min_size=3, max_size=3), max_size=4), st.integers(40, 120))
def test_a_grid_fits_the_terminal(rows: list[list[str]], cells: int) -> None:
    """Every line, whatever is in it."""
    assert all(
        width(line) <= cells
        for line in grid(["A", "B", "C"], rows, cells, dict.fromkeys("ABC", 8)).splitlines()
    )


def test_what_must_stay_whole_stays_whole() -> None:
    """An id that is cut cannot be copied: the last columns go first, and one is always left."""
    rows = [["evt_0123456789abc", "a long title", "a long branch"]]
    head, bounds = ["ID", "TITLE", "BRANCH"], {"TITLE": 8, "BRANCH": 8}
    shown = {cells: grid(head, rows, cells, bounds).splitlines()[1] for cells in (40, 37, 30, 26, 10)}

    assert shown == {
        40: "evt_0123456789abc  a long t…  a long br…",
        37: "evt_0123456789abc  a long …  a long …",
        30: "evt_0123456789abc  a long tit…",
        26: "evt_0123456789abc",
        10: "evt_0123456789abc",
    }


def test_a_strangers_megabyte_is_no_work() -> None:
    """It is cut to the terminal before anything is counted down."""
    table = grid(["A", "B"], [["x" * 1_000_000, "y" * 1_000_000]], 40, {"A": 8, "B": 8})

    assert [len(line) for line in table.splitlines()] == [22, 40]


def test_a_grid_for_a_pipe_shortens_nothing() -> None:
    """Who greps wants all of it."""
    assert "x" * 500 in grid(["A"], [["x" * 500]], None)


def test_a_listing_leaves_out_what_is_absent() -> None:
    """Names aligned, strangers' values made harmless."""
    text = listing([("branch", "main"), ("title", None), ("by", "a\nb")], "  ")

    assert text == "  branch  main\n  by      a\\nb"
    assert listing([]) == ""


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.4, "now"),
        (5, "5 s ago"),
        (119, "1 min ago"),
        (7200, "2 h ago"),
        (3 * 86_400, "3 d ago"),
        (-90, "in 1 min"),
        (-0.2, "now"),
    ],
)
def test_times_are_told_from_now(seconds: float, shown: str) -> None:
    """Past and future, in the largest whole unit."""
    assert shown == ago(NOW - timedelta(seconds=seconds), NOW)


@pytest.mark.parametrize(("seconds", "shown"), [(0.0123, "12 ms"), (1.9, "1 s"), (61, "1 min")])
def test_spans_have_one_unit(seconds: float, shown: str) -> None:
    """Down to milliseconds."""
    assert shown == span(seconds)


def test_exact_times_say_zone_and_distance() -> None:
    """In the terminal's zone, with its offset."""
    then = NOW - timedelta(hours=1)

    assert f"{then.astimezone():%Y-%m-%d %H:%M:%S %z} (1 h ago)" == exact(then, NOW)


@pytest.mark.parametrize(
    ("count", "noun", "shown"),
    [(1, "event", "1 event"), (0, "delivery", "0 deliveries"), (1200, "rule", "1,200 rules")],
)
def test_nouns_follow_their_number(count: int, noun: str, shown: str) -> None:
    """English, as far as our nouns need it."""
    assert shown == plural(count, noun)
