"""Outlet: what an attempt teaches about a sink, and which marks are of other settings."""

import msgspec

from router.delivery import Dead, Retry
from router.dispatch.gate import FAILURES_TO_OPEN
from router.dispatch.outlet import Outlet
from router.journal.journal import SinkMark
from router.sinks.sink import Result
from tests.dispatch.dispatching import Line, out

NOW = 1000.0


async def unreachable() -> Outlet:
    """A sink that nobody could reach, once too often."""
    outlet = Outlet(out(), Line(), NOW)
    for _ in range(FAILURES_TO_OPEN):
        outlet.learn(Result(Retry("connection refused")), NOW)
    return outlet


async def test_a_sink_that_cannot_be_reached_opens() -> None:
    """No answer at all counts as one that says 500."""
    outlet = await unreachable()

    assert outlet.status({}, NOW).state == "open"
    assert outlet.status({}, NOW).reason == "connection refused"


async def test_a_sink_that_refuses_a_delivery_for_good_works() -> None:
    """It was asked and answered; what could not be rendered asked nobody."""
    outlet = await unreachable()

    assert not outlet.learn(Result(Dead("the text is empty")), NOW)
    assert outlet.learn(Result(Dead("answered 413"), status=413), NOW)
    assert outlet.status({}, NOW).state == "ready"


async def test_only_a_mark_of_other_settings_is_written_anew() -> None:
    """One of these settings may hold what another router learnt a moment ago."""
    outlet = Outlet(out(), Line(), NOW)
    mark = SinkMark(sink="out", paused="answered 410", fingerprint=outlet.fingerprint)
    other = msgspec.structs.replace(mark, fingerprint="of other settings")
    operators = msgspec.structs.replace(other, by_operator=True)

    assert [outlet.outdates(each) for each in (mark, other, operators)] == [False, True, False]

    outlet.heed(operators)

    assert outlet.outdates(operators)
