"""One try: whatever a sink does becomes an outcome."""

import asyncio
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from router.clock import Clock
from router.delivery import Claim, Dead, Delivered, Delivery, Hold, Pause, Retry, State
from router.dispatch.attempt import attempt
from router.errors import ForbiddenAddress, Unreachable, Unrenderable
from router.event import Event
from router.sinks.sink import Reply, Request, Result, Sink, Transport
from router.template.template import Template
from router.units import Duration

CLAIM = Claim(
    delivery=Delivery(
        id="dlv_1",
        event_id="evt_1",
        sink="out",
        rule="all",
        state=State.IN_FLIGHT,
        due=0.0,
        created_at=0.0,
        claim=1,
    ),
    event=Event(id="evt_1", source="web", provider="percy", received_at=0.0, payload=b"{}"),
)
REQUEST = Request("POST", "https://example.com/hook", {}, b"{}")


class Posts(Sink, frozen=True):
    """A sink whose request is always the same."""

    def request(
        self, event: Event, delivery: Delivery, now: float, message: Template | None = None
    ) -> Request:
        """The request."""
        return REQUEST


class Line:
    """A transport that answers, or raises, what it was told."""

    def __init__(self, answer: Callable[[], Reply]) -> None:
        self.answer = answer

    async def send(self, request: Request) -> Reply:
        """The answer."""
        return self.answer()


class Hangs:
    """A transport that never answers."""

    async def send(self, request: Request) -> Reply:
        """Nothing, for ever."""
        await asyncio.Event().wait()
        raise AssertionError


async def attempted(transport: Transport, sink: Sink | None = None) -> Result:
    """The result of one attempt."""
    return await attempt(CLAIM, sink or Posts(name="out"), transport, Clock(), None)


def raising(error: Exception) -> Line:
    """A transport that fails."""

    def fail() -> Reply:
        raise error

    return Line(fail)


async def test_an_answer_is_judged_and_its_beginning_kept() -> None:
    """Status and excerpt go into the history."""
    result = await attempted(Line(lambda: Reply(200, {}, b"thanks")))

    assert result == Result(Delivered(), 200, "thanks")


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Unreachable("connection refused"), Retry("connection refused")),
        (Unreachable("the certificate is not trusted", tls=True), Pause("the certificate is not trusted")),
        (ForbiddenAddress("10.0.0.1 is a private address"), Pause("10.0.0.1 is a private address")),
        (Unrenderable("the text could not be rendered"), Dead("the text could not be rendered")),
    ],
)
async def test_a_failure_before_an_answer_is_laid_at_the_right_door(
    error: Exception, outcome: object
) -> None:
    """The network may heal; TLS and a refused address are the sink's fault; a text is the delivery's."""
    assert await attempted(raising(error)) == Result(outcome)


async def test_a_bug_in_a_sink_is_a_failed_attempt_with_a_traceback() -> None:
    """The process goes on, and the log says where."""
    with capture_logs() as lines:
        result = await attempted(raising(KeyError("title")))

    assert result == Result(Retry("visual-router failed: KeyError"))
    assert [(line["event"], line["delivery"], line["exc_info"]) for line in lines] == [
        ("attempt_crashed", "dlv_1", True)
    ]


async def test_an_attempt_ends_with_the_sinks_timeout() -> None:
    """A sink that hangs, whatever its kind, is cut off."""
    result = await attempted(Hangs(), Posts(name="out", timeout=Duration(0.01)))

    assert result == Result(Retry("no answer within 0.01 s"))


async def test_cancellation_is_not_an_outcome() -> None:
    """Stopping gives the delivery back instead of failing it."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await attempted(Hangs())


def test_every_outcome_has_its_word_and_its_reason() -> None:
    """The words of the history and the metrics."""
    outcomes = [Delivered(), Retry("a"), Hold(1, "b"), Pause("c"), Dead("d")]

    assert [outcome.word for outcome in outcomes] == ["delivered", "retry", "hold", "pause", "dead"]
    assert [outcome.reason for outcome in outcomes] == [None, "a", "b", "c", "d"]
