"""What a person reads of a change: what it did, what it left alone, and what helps there."""

from router import aftermath
from router.admin.answers import Changed, Idle, Replayed, RouteRow, Skipped
from router.delivery import State
from tests.pages import VIEW, text


def test_a_change_tells_what_it_left_alone() -> None:
    """A delivered one cannot be requeued; why, and what goes on without it."""
    document = Changed(
        2,
        [Skipped("dlv_9", State.IN_FLIGHT), Skipped("dlv_8", State.DELIVERED)],
        [Idle("evt_2", {State.PENDING: 1, State.DELIVERED: 1200}), Idle("evt_3", {})],
    )
    left = """
        dlv_9 was left alone: it is in flight
        dlv_8 was left alone: it is delivered
        """

    assert aftermath.requeued(document, VIEW) == text(
        f"""
        2 deliveries requeued{left.rstrip()}
        evt_2 was left alone: it has no dead delivery (1,200 delivered, 1 pending)
        evt_3 was left alone: it has no deliveries
        what is pending is tried by itself: visual-router show ID says when
        what was delivered is not sent again
        visual-router replay evt_3 asks the rules of today
        """
    )
    assert aftermath.requeued(Changed(2), VIEW) == "2 deliveries requeued"
    assert aftermath.discarded(Changed(0, [], [Idle("evt_2", {State.IN_FLIGHT: 1})]), VIEW) == text(
        """
        0 deliveries discarded
        evt_2 was left alone: it has no pending delivery (1 in flight)
        """
    )


def test_a_replay_tells_what_was_new() -> None:
    """Added, nothing new, or no rule; and what is dead, which a replay does not try again."""
    route, other = RouteRow("main", "design"), RouteRow("main", "log")
    told = [
        aftermath.replayed(Replayed(event_id="evt_1", routes=routes, added=added, dead=dead), VIEW)
        for routes, added, dead in (
            ([route], ["dlv_7"], []),
            ([route], [], []),
            ([route, other], [], ["dlv_6"]),
            ([route, other], ["dlv_7"], ["dlv_6"]),
            ([], [], []),
        )
    ]

    assert told == [
        "evt_1: 1 delivery added: dlv_7",
        "evt_1: nothing new, its only route had a delivery",
        "evt_1: nothing new, all 2 routes had a delivery; 1 dead: visual-router requeue evt_1",
        "evt_1: 1 delivery added: dlv_7; 1 dead: visual-router requeue evt_1",
        "evt_1: no rule of today matches; visual-router show evt_1 --now says why",
    ]
