"""Outlet: a configured sink with its gate and its way out, and how it stands.

Owns what was learnt about a sink, and which of it must outlive the process. Must not know deliveries or
tasks.
"""

from collections.abc import Mapping

import msgspec
import structlog

from router.deadline import Deadline
from router.delivery import Dead, State
from router.dispatch.gate import PROBE_EVERY, Gate
from router.journal.journal import SinkMark
from router.share import ALONE, Share
from router.sinks.sink import Result, Sink, Transport, fingerprint

log = structlog.get_logger(__name__)

Counts = Mapping[tuple[str, State], int]

_OPEN = (State.PENDING, State.IN_FLIGHT)


class SinkStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How a sink stands.

    `state`: ready, held, open, paused, or `no sink` (deliveries wait for a name that is gone).
    """

    name: str
    type: str
    state: str
    reason: str | None = None
    until: float | None = None
    in_flight: int = 0
    pending: int = 0
    dead: int = 0
    last_error: str | None = None
    last_error_at: float | None = None


class Outlet:
    """One sink of the configuration in force.

    `short`: it had no room left when somebody last looked, so that more may be due than was taken.
    """

    def __init__(self, sink: Sink, transport: Transport, now: float, share: Share = ALONE) -> None:
        self.sink = sink
        self.transport = transport
        self.fingerprint = fingerprint(sink)
        self.gate = Gate(sink.concurrency, sink.rate, now, share)
        self.short = False
        self.deadline = Deadline(sink.timeout)
        self.last_error: str | None = None
        self.last_error_at: float | None = None

    def adopt(self, sink: Sink, transport: Transport, now: float) -> None:
        """Take over changed settings; only an operator's pause is not forgotten."""
        self.sink = sink
        self.transport = transport
        self.fingerprint = fingerprint(sink)
        self.gate.adopt(sink.concurrency, sink.rate, now)
        self.deadline = Deadline(sink.timeout)

    def heed(self, mark: SinkMark) -> None:
        """Follow what the journal knows of this sink; what other settings taught anybody does not count."""
        if mark.empty:
            self.gate.resume()
            return
        known = mark.fingerprint == self.fingerprint
        if mark.paused is not None and (mark.by_operator or known):
            self.gate.pause(mark.paused, by_operator=mark.by_operator)
        if mark.held_until is not None and known:
            self.gate.held_until = max(self.gate.held_until, mark.held_until)

    def mark(self, now: float) -> SinkMark:
        """What must outlive the process, as it holds now; empty if nothing does."""
        held = self.gate.held_until
        return SinkMark(
            sink=self.sink.name,
            paused=self.gate.paused,
            by_operator=self.gate.by_operator,
            fingerprint=self.fingerprint,
            held_until=held if held > now else None,
        )

    def outdates(self, mark: SinkMark) -> bool:
        """Whether it is of other settings; an operator's pause is not, until we know of it."""
        return mark.fingerprint != self.fingerprint and (self.gate.by_operator or not mark.by_operator)

    def learn(self, result: Result, now: float) -> bool:
        """What an attempt taught; True if the sink works again after it was open."""
        outcome = result.outcome
        if outcome.reason is not None:
            self.last_error, self.last_error_at = outcome.reason, now
        if isinstance(outcome, Dead) and result.status is None:
            # The text could not be rendered: nobody was asked, so nothing was learnt about the sink.
            return False
        was_open = self.gate.is_open
        recovered = self.gate.learn(outcome, now)
        if self.gate.is_open and not was_open:
            log.warning("sink_opened", sink=self.sink.name, reason=outcome.reason, tried_every=PROBE_EVERY)
        return recovered

    def status(self, counts: Counts, now: float) -> SinkStatus:
        """How the sink stands."""
        gate, name = self.gate, self.sink.name
        state = gate.state(now)
        reasons = {"paused": gate.paused, "held": gate.held_because, "open": self.last_error}
        return SinkStatus(
            name=name,
            type=type(self.sink).__name__.lower(),
            state=state,
            reason=reasons.get(state),
            until=gate.changes_at(now) if state in ("held", "open") else None,
            in_flight=gate.in_flight,
            pending=counts.get((name, State.PENDING), 0),
            dead=counts.get((name, State.DEAD), 0),
            last_error=self.last_error,
            last_error_at=self.last_error_at,
        )


def missing(counts: Counts, outlets: Mapping[str, Outlet]) -> list[SinkStatus]:
    """The names that deliveries wait for and that no configuration has any more."""
    waiting = {sink for (sink, state), count in counts.items() if count and state in _OPEN}
    return [
        SinkStatus(
            name=name,
            type="",
            state="no sink",
            reason="not in the configuration; its deliveries wait for the name to return",
            in_flight=counts.get((name, State.IN_FLIGHT), 0),
            pending=counts.get((name, State.PENDING), 0),
            dead=counts.get((name, State.DEAD), 0),
        )
        for name in sorted(waiting - outlets.keys())
    ]
