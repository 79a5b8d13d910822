"""What a person reads of sinks, and of the deliveries that wait for them: why, and what helps."""

from router import tables
from router.admin.answers import DeliveryPage, SinkPage, SinkRow, Wait
from router.tables import View
from tests.pages import NOW, VIEW, delivery, text, then

# Another router of a fleet may have the sink, and this one only not have reloaded.
GONE = (
    "is not in the configuration of this router, its deliveries wait;"
    " put it back and reload, or if it is gone for good"
)


def test_deliveries_say_why_they_stand_where_they_stand() -> None:
    """A dead one its reason and when it died, a pending one when it is tried again and what happened last."""
    rows = [
        delivery(state="dead", reason="answered 400", settled_at=then(5)),
        delivery(id="dlv_2", state="pending", due=then(-120), reason="answered 503", claim=3),
        delivery(id="dlv_3", state="pending", due=then(0), claim=0),
        delivery(id="dlv_4"),
    ]

    assert tables.deliveries(DeliveryPage(rows, None), VIEW) == text(
        """
        ID     WHEN       STATE      SINK    WHY                         TRIES  EVENT
        dlv_1  5 s ago    dead       design  answered 400                1      evt_1
        dlv_2  1 min ago  pending    design  due in 2 min: answered 503  3      evt_1
        dlv_3  1 min ago  pending    design  due now                     0      evt_1
        dlv_4  1 min ago  delivered  design  -                           1      evt_1
        """
    )


def test_a_list_tells_which_sinks_let_its_deliveries_wait() -> None:
    """In a word beside each delivery, and below it once per sink, with what helps."""
    paused, gone = Wait(state="paused", reason="answered 404"), Wait(state="no sink", reason="as JSON says")
    rows = [
        delivery(state="pending", due=then(9), reason="answered 404", waits=paused),
        delivery(id="dlv_2", state="pending", due=then(8), claim=0, waits=paused),
        delivery(id="dlv_3", sink="o", state="pending", due=then(7), claim=0, waits=gone),
    ]

    assert tables.deliveries(DeliveryPage(rows, "dlv_3"), View(NOW, program="vr")) == text(
        """
        ID     WHEN       STATE    SINK    WHY                                        TRIES  EVENT
        dlv_1  1 min ago  pending  design  sink is paused; due 9 s ago: answered 404  1      evt_1
        dlv_2  1 min ago  pending  design  sink is paused; due 8 s ago                0      evt_1
        dlv_3  1 min ago  pending  o       sink is gone; due 7 s ago                  0      evt_1

        design is paused: answered 404; vr resume design
        o GONE: vr discard --sink o

        more: --before dlv_3
        """
    ).replace("GONE", GONE)


def test_a_delivery_tells_what_its_sink_waits_for() -> None:
    """As `status` does, so that nobody has to look there."""
    row = delivery(
        state="pending",
        due=then(9),
        attempts=[],
        waits=Wait(state="held", reason="answered 429", until=then(-60)),
    )
    told = tables.delivery(row, VIEW).splitlines()

    assert told[-1] == (
        "waits     design is held, it asked for silence: answered 429; goes on by itself in 1 min"
    )


def test_sinks_that_are_fine_need_no_notes() -> None:
    """The table alone."""
    page = SinkPage([SinkRow(name="log", type="log", state="ready")])

    assert tables.sinks(page, VIEW).splitlines() == [
        "SINK  TYPE  STATE  PENDING  IN FLIGHT  DELIVERED  DEAD",
        "log   log   ready  0        0          0          0",
    ]


def test_one_sink_is_one_line() -> None:
    """What pause and resume answer."""
    ready = SinkRow(name="log", state="ready", pending=2)
    paused = SinkRow(name="log", state="paused")

    assert tables.sink(ready, VIEW) == "log is ready, 2 deliveries pending"
    assert tables.sink(paused, View(NOW, program="./vr")) == "log is paused: no reason known; ./vr resume log"


def test_what_a_sink_waits_for_is_a_sentence_with_the_next_step() -> None:
    """Also where the time has come, or nobody knows it or the reason any more."""
    told = [
        tables.sink(SinkRow(name="bot", **fields), VIEW)  # type: ignore[arg-type]  # a table of test values
        for fields in (
            {"state": "held", "until": then(-60)},
            {"state": "held", "until": then(1), "reason": "answered 429"},
            {"state": "open", "reason": "time limit"},
            {"state": "no sink", "reason": "as JSON says"},
        )
    ]

    assert told == [
        "bot is held, it asked for silence; goes on by itself in 1 min",
        "bot is held, it asked for silence: answered 429; goes on by itself at any moment",
        "bot is open, five failures in a row: time limit; tried again at any moment, or now:"
        " visual-router resume bot",
        f"bot {GONE}: visual-router discard --sink bot",
    ]
