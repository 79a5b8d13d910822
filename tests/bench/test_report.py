"""The tables: medians with their range, ratios within a round, and straight lines through costs."""

from pathlib import Path

import pytest

from tests.bench import sizing
from tests.bench.__main__ import PLANS, placed
from tests.bench.plans import Row
from tests.bench.report import by_mix, markdown, plain, spread, tables


def row(number: int, subject: str, phase: str, **figures: float) -> Row:
    """A row of the mix `m`."""
    return Row(
        "m", number, subject, phase, {name.replace("_", " "): value for name, value in figures.items()}
    )


def accepted(number: int, subject: str, phase: str, rate: float, delivered: float | None = None) -> Row:
    """A row about throughput."""
    figures = {"accepted/s": rate, **({} if delivered is None else {"delivered/s": delivered})}
    return Row("m", number, subject, phase, figures)


def test_a_ratio_is_taken_within_a_round() -> None:
    """A machine that was twice as fast in the second round changes no ratio."""
    rows = [
        accepted(0, "bare", "throughput", 1000),
        accepted(0, "router", "throughput", 400, 300),
        accepted(1, "bare", "throughput", 2000),
        accepted(1, "router", "throughput", 800, 600),
    ]

    ((mix, table),) = tables(rows)

    assert mix == "m"
    assert table == [
        ["", "bare", "router"],
        ["throughput accepted/s", "1,500 [1,000-2,000]", "600 [400-800]; x 0.4"],
        ["throughput delivered/s", "-", "450 [300-600]; x 0.3"],
    ]


def test_what_the_yardstick_lacks_is_compared_with_what_is_nearest() -> None:
    """Filtering with a bare handler's answers; latency, of which it has none, with the naive forwarder's."""
    rows = [
        accepted(0, "bare", "throughput", 1000),
        accepted(0, "router", "filter", 500),
        row(0, "naive", "latency50", arrival_p50_ms=2.0),
        row(0, "router", "latency50", arrival_p50_ms=3.0),
    ]

    ((_, table),) = tables(rows)

    assert ["filter accepted/s", "-", "500; x 0.5", "-"] in table
    assert ["latency50 arrival p50 ms", "-", "3; x 1.5", "2"] in table


def test_mixes_stand_in_one_table() -> None:
    """Each with its own yardstick."""
    rows = [
        Row(mix, 0, subject, "throughput", {"accepted/s": rate})
        for mix, subject, rate in (
            ("m", "bare", 1000),
            ("m", "router", 500),
            ("n", "bare", 10),
            ("n", "router", 8),
        )
    ]

    ((_, table),) = by_mix(rows)

    assert [line[:3] for line in table] == [
        ["", "bare throughput accepted/s", "router throughput accepted/s"],
        ["m", "1,000", "500; x 0.5"],
        ["n", "10", "8; x 0.8"],
    ]


def test_a_figure_is_a_median_with_its_range() -> None:
    """Three digits that count, and no range where there is none."""
    assert spread([1.2345]) == "1.23"
    assert spread([-0.00001]) == "<0.001"
    assert spread([1234.5, 2.0, 0.01234]) == "2 [0.0123-1,234]"


def test_a_table_has_two_forms() -> None:
    """For a terminal and for a page."""
    table = [["", "one"], ["first line", "1"]]

    assert plain(table) == "            one\nfirst line  1"
    assert markdown(table) == "|  | one |\n| --- | --- |\n| first line | 1 |"


def test_costs_are_straight_lines_over_sinks_and_rules() -> None:
    """What an event costs without sinks, what one more delivery adds, and what a thousand rules add."""
    mixes = {(0, 10): 0.1, (1, 10): 0.3, (2, 10): 0.5, (5, 10): 1.1, (1, 100): 0.3009, (1, 1000): 0.3099}
    rows = [
        Row(f"{sinks} sinks, {rules} rules", 0, "router", "full speed", {"CPU ms/event": cost})
        for (sinks, rules), cost in mixes.items()
    ]

    (_, measured), (title, model), _ = sizing.tables(rows)

    assert measured[1] == ["0 sinks, 10 rules", "0.1", "-", "-", "-"]
    assert title == "One more costs"
    assert [line[:2] for line in model] == [
        ["", "CPU ms/event"],
        ["event, full speed", "0.1"],
        ["delivery, full speed", "0.2"],
        ["1,000 rules", "0.01"],
    ]


def test_a_host_is_sized_by_its_events_its_deliveries_and_its_rules() -> None:
    """A million events a day, 11.6 a second, of two deliveries: 0.6 ms each when they come one by one."""
    rows = [
        Row(
            f"{sinks} sinks, 10 rules",
            0,
            "router",
            phase,
            {"CPU ms/event": 0.2 + 0.2 * sinks, "syncs/event": 1.0 + sinks, "kept KB/event": 2.0 + sinks},
        )
        for sinks in (0, 1, 2, 5)
        for phase in ("full speed", "50/s")
    ]

    *_, (title, hosts) = sizing.tables(rows)

    assert title == "Hosts"
    assert hosts[-1] == ["1,000,000", "2", "1,000", "0.694 %", "1,667 events/s", "34.7/s", "114 GB"]


def test_a_table_goes_to_its_place_in_a_page() -> None:
    """Between the plan's marks, as often as it is measured; the rest of the page stays."""
    page = "a\n<!-- bench costs -->\nold\n<!-- end -->\nb\n<!-- bench growth -->\n<!-- end -->\n"

    once = placed(page, "costs", "new")

    assert once == (
        "a\n<!-- bench costs -->\n\nnew\n\n<!-- end -->\nb\n<!-- bench growth -->\n<!-- end -->\n"
    )
    assert placed(once, "costs", "new") == once
    with pytest.raises(SystemExit) as refused:
        placed(page, "mixes", "new")
    assert str(refused.value) == (
        "the page has no '<!-- bench mixes -->' followed by '<!-- end -->'; write both"
    )


@pytest.mark.parametrize("plan", PLANS)
def test_a_page_has_a_place_for_every_plan(plan: str) -> None:
    """What is measured can be published, and was."""
    name = "scaling.md" if plan == "database" else "performance.md"
    page = (Path(__file__).parents[2] / "docs" / name).read_text("utf-8")

    assert placed(page, plan, "") != page
