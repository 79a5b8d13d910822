"""Dispatcher: claims what is due within each sink's limits, has it attempted, settles it.

Owns which claims are in flight and the gate of every sink. A slow or failing sink cannot hinder another:
claiming is by free slots per sink. Must not know how an attempt is made or where the journal keeps things.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec
import structlog

from router.attempt import attempt, reason_of, word_of
from router.clock import Clock
from router.delivery import Claim, Delivered, Hold, Outcome, Pause, Settlement, State
from router.errors import JournalUnavailable, Unknown
from router.gate import Gate
from router.journal.journal import Batch, Queue, SinkMark, Upkeep
from router.metrics import Metrics
from router.settlement import give_back, settle, settle_untried
from router.sinks.sink import Sink, Transport, fingerprint
from router.template.template import Template

log = structlog.get_logger(__name__)

_JOURNAL_RETRY = 1.0


class Work(Queue, Upkeep, Protocol):
    """The part of a journal that the deliver path needs."""


class Lanes(Protocol):
    """What hands every sink its own way out: fulfilled by `transport.py`."""

    def lane(self, sink: Sink) -> Transport:
        """The transport bound to one sink's network settings."""
        ...

    async def retain(self, sinks: Mapping[str, Sink]) -> None:
        """Close what belongs to no sink of these."""
        ...


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


class _Outlet:
    """A configured sink with its gate and its way out."""

    def __init__(self, sink: Sink, gate: Gate, transport: Transport) -> None:
        self.sink = sink
        self.gate = gate
        self.transport = transport
        self.print = fingerprint(sink)
        self.by_operator = False
        self.last_error: str | None = None
        self.last_error_at: float | None = None


class Dispatcher:
    """The deliver path's loop. `use` before `run`; `stop` ends it."""

    def __init__(
        self,
        journal: Work,
        lanes: Lanes,
        clock: Clock,
        metrics: Metrics,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._journal = journal
        self._lanes = lanes
        self._clock = clock
        self._metrics = metrics
        self._chance = chance
        self._outlets: dict[str, _Outlet] = {}
        self._message: Callable[[str], Template | None] = lambda _: None
        self._running: dict[asyncio.Task[None], Claim] = {}
        self._stopping = False
        self._suspects = False
        self._alone = False

    async def use(self, sinks: Mapping[str, Sink], message: Callable[[str], Template | None]) -> None:
        """Put sinks and rule texts into force. A sink with equal settings keeps its gate and connections."""
        now = self._clock.now()
        marks = {mark.sink: mark for mark in await self._journal.marks()}
        outlets = {}
        for name, sink in sinks.items():
            outlet = self._outlets.get(name)
            if outlet is None:
                outlet = _Outlet(sink, Gate(sink.concurrency, sink.rate, now), self._lanes.lane(sink))
                await self._recall(outlet, marks.get(name))
            elif outlet.print != fingerprint(sink):
                outlet.sink, outlet.print, outlet.transport = sink, fingerprint(sink), self._lanes.lane(sink)
                outlet.gate.adopt(sink.concurrency, sink.rate, now)
                await self._recall(outlet, marks.get(name))
            outlets[name] = outlet
        self._outlets, self._message = outlets, message
        await self._lanes.retain(sinks)
        self._journal.wake()

    async def run(self) -> None:
        """Deliver until `stop`. A journal that cannot write now is tried again; other errors end the loop."""
        async with asyncio.TaskGroup() as attempts:
            while not self._stopping:
                timeout = await self._round(attempts)
                if not self._stopping:
                    await self._journal.wait(timeout)

    async def stop(self, grace: float) -> None:
        """Claim no more, let what runs finish within `grace` seconds, give the rest back uncounted."""
        self._stopping = True
        self._journal.wake()
        if self._running:
            await asyncio.wait(self._running, timeout=grace)
        unfinished = dict(self._running)
        for task in unfinished:
            task.cancel()
        if unfinished:
            await asyncio.wait(unfinished)
            await self._give_back(list(unfinished.values()))

    async def _give_back(self, claims: list[Claim]) -> None:
        try:
            await self._journal.settle([give_back(claim) for claim in claims])
        except JournalUnavailable as error:
            # They are still in flight on disk: the next start makes them pending again.
            log.warning("give_back_postponed", count=len(claims), reason=str(error))
        else:
            log.info("deliveries_given_back", count=len(claims))

    async def pause(self, sink: str, reason: str) -> None:
        """Stop claiming for a sink until `resume`, over restarts and reloads. Raises `Unknown`."""
        outlet = self._outlet(sink)
        outlet.gate.paused, outlet.by_operator = reason, True
        await self._journal.mark(
            SinkMark(sink=sink, paused=reason, by_operator=True, fingerprint=outlet.print)
        )
        log.info("sink_paused", sink=sink, reason=reason, by="operator")

    async def resume(self, sink: str) -> None:
        """End a pause, a hold or an open breaker; everything pending is due now. Raises `Unknown`."""
        outlet = self._outlet(sink)
        outlet.gate.resume()
        outlet.by_operator = False
        await self._journal.mark(SinkMark(sink=sink))
        await self._journal.expedite(sink)
        log.info("sink_resumed", sink=sink)
        self._journal.wake()

    def sinks(self) -> list[SinkStatus]:
        """Every configured sink, and every name that deliveries still wait for."""
        now, counts = self._clock.now(), self._journal.counts()
        names = [*self._outlets]
        names += sorted(
            {
                sink
                for (sink, state), count in counts.items()
                if count and sink not in self._outlets and state in (State.PENDING, State.IN_FLIGHT)
            }
        )
        return [self._status(name, counts, now) for name in names]

    def states(self) -> dict[str, str]:
        """Each configured sink's state, for the metrics."""
        now = self._clock.now()
        return {name: outlet.gate.state(now) for name, outlet in self._outlets.items()}

    def _status(self, name: str, counts: Mapping[tuple[str, State], int], now: float) -> SinkStatus:
        pending, dead = counts.get((name, State.PENDING), 0), counts.get((name, State.DEAD), 0)
        outlet = self._outlets.get(name)
        if outlet is None:
            reason = "not in the configuration; its deliveries wait for the name to return"
            return SinkStatus(name=name, type="", state="no sink", reason=reason, pending=pending, dead=dead)
        gate, state = outlet.gate, outlet.gate.state(now)
        reasons = {"paused": gate.paused, "held": gate.held_because, "open": outlet.last_error}
        return SinkStatus(
            name=name,
            type=type(outlet.sink).__name__.lower(),
            state=state,
            reason=reasons.get(state),
            until=gate.changes_at(now) if state in ("held", "open") else None,
            in_flight=gate.in_flight,
            pending=pending,
            dead=dead,
            last_error=outlet.last_error,
            last_error_at=outlet.last_error_at,
        )

    def _outlet(self, sink: str) -> _Outlet:
        if sink not in self._outlets:
            raise Unknown(
                f"no sink is called '{sink}'; sinks are {', '.join(self._outlets) or 'not configured'}"
            )
        return self._outlets[sink]

    async def _recall(self, outlet: _Outlet, mark: SinkMark | None) -> None:
        """Put the journal's memory of a sink into its gate: a pause for its fault ends with its settings."""
        if mark is None:
            outlet.gate.paused = None
            return
        if mark.by_operator or (mark.paused is not None and mark.fingerprint == outlet.print):
            outlet.gate.paused, outlet.by_operator = mark.paused, mark.by_operator
        elif mark.paused is not None:
            outlet.gate.paused = None
            await self._journal.mark(SinkMark(sink=mark.sink))
            log.info("sink_resumed", sink=mark.sink, by="changed settings")
        if mark.held_until is not None and mark.fingerprint == outlet.print:
            outlet.gate.held_until = mark.held_until

    async def _round(self, attempts: asyncio.TaskGroup) -> float | None:
        """Claim what may be claimed now; returns the seconds until time alone may bring more, or None."""
        if self._alone and self._running:
            return None
        self._alone = False
        now = self._clock.now()
        if self._suspects and self._running:
            return None
        try:
            batch = await self._claim(now)
        except JournalUnavailable as error:
            log.warning("claim_postponed", reason=str(error))
            return _JOURNAL_RETRY
        for claim in batch.claims:
            self._start(attempts, claim, now)
        times = [outlet.gate.changes_at(now) for outlet in self._outlets.values()] + [batch.next_due]
        waits = [at - now for at in times if at is not None and at > now]
        return min(waits, default=None)

    async def _claim(self, now: float) -> Batch:
        """One claim of the journal: a suspect alone if there is one, else whatever the gates let through."""
        free = {name: slots for name, outlet in self._outlets.items() if (slots := outlet.gate.free(now)) > 0}
        probe = [name for name, outlet in self._outlets.items() if outlet.gate.probing(now)]
        if self._suspects:
            self._suspects = False
            batch = await self._journal.claim(free, suspect=True)
            self._alone = bool(batch.claims)
            return batch
        if not free and not probe:
            return Batch([], None, 0)
        batch = await self._journal.claim(free, probe=probe)
        for name in probe:
            self._outlets[name].gate.probed(now)
        if batch.suspects:
            self._suspects = True
            self._journal.wake()
        return batch

    def _start(self, attempts: asyncio.TaskGroup, claim: Claim, now: float) -> None:
        outlet = self._outlets[claim.delivery.sink]
        outlet.gate.take(now)
        task = attempts.create_task(self._deliver(claim, outlet), name=claim.delivery.id)
        self._running[task] = claim
        task.add_done_callback(lambda done: self._left(done, outlet.gate))

    def _left(self, task: asyncio.Task[None], gate: Gate) -> None:
        del self._running[task]
        gate.leave()
        self._journal.wake()

    async def _deliver(self, claim: Claim, outlet: _Outlet) -> None:
        """One claim from attempt to settlement; its slot stays taken until the journal has it in writing."""
        started = self._clock.now()
        untried = settle_untried(claim, outlet.sink, started)
        if untried is not None:
            log.info(
                "delivery_dropped", delivery=claim.delivery.id, sink=outlet.sink.name, reason=untried.reason
            )
            return await self._settle(untried)
        message = self._message(claim.delivery.rule)
        result = await attempt(claim, outlet.sink, outlet.transport, self._clock, message)
        now = self._clock.now()
        self._metrics.attempt(outlet.sink.name, word_of(result.outcome), now - started)
        settlement = settle(claim, outlet.sink, result, started, now, self._chance())
        recovered = outlet.gate.learn(result.outcome, now)
        self._tell(claim, outlet, result.outcome, settlement, now)
        await self._settle(settlement)
        await self._remember(outlet, result.outcome, recovered=recovered)
        return None

    async def _settle(self, settlement: Settlement) -> None:
        """Until it is written: what was delivered but not recorded must not be sent again by this process."""
        while True:
            try:
                lost = await self._journal.settle([settlement])
            except JournalUnavailable as error:
                log.warning("settle_postponed", delivery=settlement.delivery_id, reason=str(error))
                await asyncio.sleep(_JOURNAL_RETRY)
            else:
                if lost:
                    log.warning("claim_lost", delivery=settlement.delivery_id)
                return

    async def _remember(self, outlet: _Outlet, outcome: Outcome, *, recovered: bool) -> None:
        """Make what was learnt about a sink outlive the process."""
        name = outlet.sink.name
        try:
            if isinstance(outcome, Pause):
                await self._journal.mark(SinkMark(sink=name, paused=outcome.reason, fingerprint=outlet.print))
            elif isinstance(outcome, Hold):
                until = outlet.gate.held_until
                await self._journal.mark(SinkMark(sink=name, held_until=until, fingerprint=outlet.print))
            elif recovered:
                log.info("sink_recovered", sink=name, deliveries_due=await self._journal.expedite(name))
        except JournalUnavailable as error:
            log.warning("sink_mark_postponed", sink=name, reason=str(error))

    def _tell(
        self, claim: Claim, outlet: _Outlet, outcome: Outcome, settlement: Settlement, now: float
    ) -> None:
        """The log line of an attempt, and the sink's last error."""
        fields = {
            "delivery": claim.delivery.id,
            "event_id": claim.event.id,
            "sink": outlet.sink.name,
            "attempt": claim.delivery.claim,
        }
        if isinstance(outcome, Delivered):
            log.info("delivered", **fields)
            return
        outlet.last_error, outlet.last_error_at = reason_of(outcome), now
        if settlement.state is State.DEAD:
            log.error("delivery_dead", reason=settlement.reason, **fields)
        elif isinstance(outcome, Pause):
            log.error("sink_paused", reason=outcome.reason, by="its answer", **fields)
        elif isinstance(outcome, Hold):
            log.warning("sink_held", reason=outcome.reason, seconds=outcome.seconds, **fields)
        else:
            log.warning(
                "delivery_failed", reason=settlement.reason, next_in=round(settlement.due - now, 1), **fields
            )
