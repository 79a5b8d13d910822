"""What a person reads: everything that matters, nothing that a stranger could play tricks with."""

import msgspec

from router import tables
from router.admin.answers import (
    AttemptRow,
    CheckedRow,
    Copied,
    DeliveryPage,
    EventPage,
    EventReport,
    Explanation,
    FindingRow,
    SinkRow,
    SourceRow,
    Status,
)
from router.admin.reloads import Reload
from router.tables import View
from tests.pages import NOW, VIEW, delivery, event, stamp, text, then, verdict


def test_events_are_a_table_and_say_how_to_go_on() -> None:
    """One line each; the next page's command below."""
    page = EventPage([event(status="pending", branch="main", title="A\x1b[2J"), event(kind="flake")], "evt_0")

    assert tables.events(page, VIEW) == text(
        """
        ID     WHEN       WHAT           BRANCH  TITLE     PROJECT  SOURCE  AUTHOR
        evt_1  1 min ago  build.pending  main    A\\x1b[2J  -        web     -
        evt_1  1 min ago  flake          -       -         -        web     -

        more: --before evt_0
        """
    )


def test_an_empty_list_says_so() -> None:
    """Not an empty table."""
    assert tables.events(EventPage([], None), VIEW) == "no events"
    assert tables.deliveries(DeliveryPage([], None), VIEW) == "no deliveries"


def test_one_event_is_told_with_rules_deliveries_and_body() -> None:
    """Everything known about it, in the order one asks."""
    report = EventReport(
        event=event(status="pending", branch="main", labels={"team": "web"}, reused=True),
        explanation=Explanation(rules="ab" * 32, current=True, verdicts=[verdict(matched=True)]),
        deliveries=[
            delivery(
                attempts=[
                    AttemptRow(
                        number=1,
                        started_at=then(59),
                        seconds=0.012,
                        outcome="delivered",
                        status=200,
                        excerpt="ok",
                    )
                ]
            )
        ],
        payload=msgspec.Raw(b'{"n": 1.10, "t": "\\u202e"}'),
    )

    assert tables.event(report, VIEW) == text(
        f"""
        event        evt_1
        received     {stamp(60)} (1 min ago)
        source       web
        provider     chromatic
        kind         build
        status       pending
        branch       main
        labels.team  web
        flag         its delivery id came with another body before

        rules abababababab (in force)

          1. main: matched -> design

        deliveries

          delivery  dlv_1
          event     evt_1
          sink      design
          rule      main
          state     delivered
          created   {stamp(60)} (1 min ago)
            #1 {stamp(59)} (59 s ago) delivered, took 12 ms, answered 200
               ok

        payload
          {{
            "n": 1.10,
            "t": "\\u202e"
          }}
        """
    )


def test_an_event_without_deliveries_says_so() -> None:
    """An empty place would look like a fault."""
    report = EventReport(
        event=event(),
        explanation=Explanation(
            rules="ab" * 32, current=False, note="the rules of its hour are no longer kept"
        ),
        deliveries=[],
        payload=msgspec.Raw(b"{}"),
    )
    page = tables.event(report, VIEW)

    assert "rules abababababab: the rules of its hour are no longer kept" in page
    assert "deliveries: none" in page


def test_a_delivery_lists_its_attempts() -> None:
    """When, what came of it, how long it took, what was answered."""
    attempts = [
        AttemptRow(number=1, started_at=then(60), seconds=15.0, outcome="retry", reason="time limit"),
        AttemptRow(
            number=2, started_at=then(30), seconds=0.2, outcome="dead", status=400, reason="answered 400",
            excerpt="bad\x07",
        ),
        AttemptRow(
            number=3, started_at=then(20), seconds=0.3, outcome="pause", status=404,
            reason="answered 404 'no_team'", excerpt="no_team",
        ),
        AttemptRow(
            number=4, started_at=then(10), seconds=0.4, outcome="retry", status=200, reason="not an answer",
        ),
    ]  # fmt: skip
    row = delivery(state="dead", reason="answered 400", settled_at=then(30), crashes=1, attempts=attempts)

    assert tables.delivery(row, VIEW) == text(
        f"""
        delivery  dlv_1
        event     evt_1
        sink      design
        rule      main
        state     dead
        why       answered 400
        created   {stamp(60)} (1 min ago)
        settled   {stamp(30)} (30 s ago)
        crashes   1
          #1 {stamp(60)} (1 min ago) retry, took 15 s: time limit
          #2 {stamp(30)} (30 s ago) dead, took 200 ms, answered 400
             bad\\x07
          #3 {stamp(20)} (20 s ago) pause, took 300 ms, answered 404 'no_team'
             no_team
          #4 {stamp(10)} (10 s ago) retry, took 400 ms, answered 200: not an answer
        """
    )


def test_rules_are_told_condition_by_condition() -> None:
    """What each wanted and what it saw; what was not reached, and why."""
    rows = [
        verdict(
            rule="bots nowhere", to=[],
            when=[CheckedRow(False, [FindingRow("branch", "dependabot/**", "main", False)])],
        ),
        verdict(
            rule="eyes", matched=True, final=True, to=["design", "log"], repeated=["log"],
            when=[
                CheckedRow(True, [FindingRow("changes", "50..", 51, True)]),
                CheckedRow(
                    False,
                    [
                        FindingRow("status", "broken", "pending", False),
                        FindingRow("branch", "main", "main", True),
                    ],
                ),
            ],
            unless=[CheckedRow(False, [FindingRow("author", "renovate*", None, False)])],
        ),
        verdict(rule="rest", ended_by="eyes"),
        verdict(rule="quiet", matched=True, to=[], final=True),
    ]  # fmt: skip

    assert tables.verdicts(rows, VIEW).splitlines() == [
        "  1. bots nowhere: no match",
        "       when branch  no   wanted dependabot/**; saw 'main'",
        "  2. eyes: matched -> design, log (has it already); final",
        "       when changes   yes  wanted 50..; saw 51",
        "       or status      no   wanted broken; saw 'pending'",
        "       and branch     yes  wanted main; saw 'main'",
        "       unless author  no   wanted renovate*; saw nothing",
        "  3. rest: not reached: 'eyes' is final",
        "  4. quiet: matched -> nowhere; final",
    ]


def test_colours_only_underline_what_words_say() -> None:
    """A match is green where there are colours; the text stays the same."""
    row = verdict(matched=True)
    painted = tables.verdicts([row], View(now=NOW, colours=True))

    assert painted == "  1. main: \x1b[32mmatched\x1b[0m -> design"
    assert tables.verdicts([row], VIEW) == "  1. main: matched -> design"


def test_no_rules_are_no_silence() -> None:
    """A configuration without rules forwards nothing: said, not implied."""
    assert tables.verdicts([], VIEW) == "  no rules: nothing goes anywhere"


def test_a_trial_ends_in_where_the_event_would_go() -> None:
    """The answer last, where the eye is."""
    page = tables.trial(event(), [verdict()], ["design", "log"], VIEW)

    assert page.endswith("goes to: design, log")
    assert tables.trial(event(), [verdict()], [], VIEW).endswith("goes to: nowhere")


def test_status_is_the_daemon_at_one_glance() -> None:
    """Sources, sinks with their queues, and below what needs an operator."""
    document = Status(
        version="1.0.0",
        started_at=then(7200),
        unready=[],
        config="/etc/visual-router/config.yaml",
        rules="ab" * 32,
        sources=[SourceRow("web", "chromatic", "/hooks/web/<token>", signed=False)],
        sinks=[
            SinkRow(name="design", type="slack", state="paused", reason="answered 404", pending=1200),
            SinkRow(
                name="bot", type="webhook", state="open", until=then(-20), reason="time limit", pending=1
            ),
            SinkRow(name="log", type="log", state="ready", delivered=7),
        ],
        warnings=["config.yaml:3:1: warning: sink 'x' is used by no rule"],
    )

    assert tables.status(document, VIEW) == text(
        f"""
        visual-router  1.0.0, ready
        started        {stamp(7200)} (2 h ago)
        configuration  /etc/visual-router/config.yaml
        rules          abababababab

        SOURCE  HOOK                TYPE       SIGNED
        web     /hooks/web/<token>  chromatic  no

        SINK    TYPE     STATE   PENDING  IN FLIGHT  DELIVERED  DEAD
        design  slack    paused  1,200    0          0          0
        bot     webhook  open    1        0          0          0
        log     log      ready   0        0          7          0

        design is paused: answered 404; visual-router resume design
        bot is open, five failures in a row: time limit; tried again in 20 s, or now: visual-router resume bot

        config.yaml:3:1: warning: sink 'x' is used by no rule
        """
    )


def test_a_daemon_that_is_not_ready_says_why() -> None:
    """On the first line."""
    document = Status(
        version="1", started_at=NOW, unready=["the journal cannot write: disk full"], config="c", rules="ab",
        sources=[], sinks=[], warnings=[],
    )  # fmt: skip

    first = tables.status(document, VIEW).splitlines()[0]
    assert first == "visual-router  1, not ready: the journal cannot write: disk full"


def test_a_reload_tells_what_changed_and_what_must_wait() -> None:
    """Nothing changed is an answer too."""
    assert tables.reload(Reload(True, [], [], []), VIEW) == "reloaded: nothing changed"
    assert (
        tables.reload(Reload(False, [], [], []), VIEW) == "refused; the configuration in force is unchanged"
    )
    assert tables.reload(Reload(True, [], ["sinks.design", "rules"], ["server.listen"]), VIEW) == text(
        """
        reloaded: sinks.design, rules
        takes effect only after a restart: server.listen
        """
    )


def test_a_backup_tells_where_and_how_large() -> None:
    """The daemon's path, which may not be this terminal's."""
    assert tables.copied(Copied("/b/j.db", 12_345)) == "/b/j.db written by the daemon, 12,345 bytes"
