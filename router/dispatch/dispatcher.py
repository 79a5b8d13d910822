"""Dispatcher: claims what is due within each sink's limits, has it attempted, settles it.

Owns which claims are in flight. A slow or failing sink cannot hinder another: claiming is by free slots per
sink. Must not know how an attempt is made or where the journal keeps things.
"""

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Protocol

import msgspec
import structlog

from router.clock import Clock
from router.delivery import Claim, Hold, Pause, State
from router.dispatch.attempt import attempt
from router.dispatch.ledger import JOURNAL_RETRY, Entry, Ledger
from router.dispatch.outlet import Outlet, SinkStatus, missing
from router.dispatch.seat import Seat
from router.dispatch.settlement import give_back, settle, settle_untried
from router.dispatch.suspects import Suspects
from router.dispatch.telling import tell
from router.errors import JournalUnavailable, Unknown
from router.journal.journal import Batch, Queue, SinkMark, Upkeep
from router.journal.slots import Slot
from router.metrics import Metrics
from router.share import ALONE
from router.sinks.sink import Result, Sink, Transport, fingerprint
from router.template.template import Template

log = structlog.get_logger(__name__)

# Outcomes whose effect on the sink must outlive the process.
_MARKED = Pause | Hold


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
        self._outlets: dict[str, Outlet] = {}
        self._message: Callable[[str], Template | None] = lambda _: None
        self._group = asyncio.TaskGroup()
        self._ledger = Ledger(journal, self._freed)
        # By delivery and claim: what others took over from us may come back while we still try it.
        self._running: dict[tuple[str, int], tuple[asyncio.Task[None], Claim]] = {}
        self._claiming: Mapping[str, int] = {}
        self._changed: set[str] = set()
        self._hastening = False
        self._share = ALONE
        self._suspects = Suspects(journal)
        self._stopping = False
        self._postponed: str | None = None
        # Bound once: it logs a line for each attempt.
        self._log = structlog.get_logger(__name__).bind()
        self._quiet = asyncio.Event()
        self._quiet.set()

    async def use(self, sinks: Mapping[str, Sink], message: Callable[[str], Template | None]) -> None:
        """Put sinks and rule texts into force, at once or not at all.

        A sink with equal settings keeps its gate and connections; a pause for its own fault ends with them.
        What waits for a sink that is not there is said.

        Raises:
            JournalUnavailable: nothing changed.
        """
        now = self._clock.now()
        marks = {mark.sink: mark for mark in await self._journal.marks()}
        self._follow_others(now)
        outlets: dict[str, Outlet] = {}
        # At the start nobody knows under which settings something failed.
        changed = set(sinks) if self._outlets else set[str]()
        for name, sink in sinks.items():
            outlet = self._outlets.get(name)
            if outlet is None:
                outlet = Outlet(sink, self._lanes.lane(sink), now, self._share)
                if name in marks:
                    outlet.heed(marks[name])
            elif outlet.fingerprint != fingerprint(sink):
                outlet.adopt(sink, self._lanes.lane(sink), now)
            else:
                changed.discard(name)
            outlets[name] = outlet
        self._outlets, self._message = outlets, message
        self._changed |= changed
        await self._lanes.retain(sinks)
        try:
            for name, outlet in outlets.items():
                if name in marks and outlet.outdates(marks[name]):
                    if marks[name].paused is not None and outlet.gate.paused is None:
                        log.info("sink_resumed", sink=name, by="its changed settings")
                    else:
                        log.info("sink_mark_changed", sink=name, paused=outlet.gate.paused)
                    await self._journal.mark(outlet.mark(now))
        except JournalUnavailable as error:
            # The stale mark is of other settings: the next start ignores it.
            log.warning("mark_postponed", reason=str(error))
        for gone in missing(self._journal.counts(), outlets):
            end = f"visual-router discard --sink {gone.name}"
            fix = f"put it back and reload, or if it is gone for good: {end}"
            log.warning("sink_missing", sink=gone.name, pending=gone.pending + gone.in_flight, fix=fix)
        self._journal.wake()

    def hasten(self) -> None:
        """While `run` runs, make due what failed before `use` changed its sink; once its rules are in force.

        Nobody waits for it: of a long queue it takes many commits.
        """
        if self._changed and not self._quiet.is_set() and not self._hastening:
            self._hastening = True
            self._group.create_task(self._hasten(), name="hasten")

    async def _hasten(self) -> None:
        # Where the journal cannot write now, what waits is due in its time.
        with suppress(JournalUnavailable):
            while self._changed:
                await self._journal.expedite(self._changed.pop())
        self._hastening = False

    async def run(self) -> None:
        """Deliver until `stop`. A journal that cannot write now is tried again; other errors end the loop."""
        self._quiet.clear()
        async with asyncio.TaskGroup() as self._group:
            self._ledger.open(self._group)
            try:
                self._journal.offer(None if self._stopping else self)
                while not self._stopping:
                    timeout = await self._round()
                    if not self._stopping:
                        await self._journal.wait(timeout)
            finally:
                self._journal.offer(None)
                self._ledger.turn()
                self._quiet.set()

    async def stop(self, grace: float) -> None:
        """Claim no more, let what runs finish within `grace` seconds, give the rest back uncounted."""
        self._stopping = True
        self._journal.offer(None)
        self._journal.wake()
        try:
            async with asyncio.timeout(grace):
                await self._quiet.wait()
                while self._busy:
                    tasks = [*(task for task, _ in self._running.values()), *self._ledger.tasks]
                    await (asyncio.wait(tasks) if tasks else asyncio.sleep(0))
        except TimeoutError:
            await self._give_up()

    async def _give_up(self) -> None:
        """End what runs; what is not in the journal yet gets one more chance."""
        tasks = [task for task, _ in self._running.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        untried = [give_back(claim) for _, claim in self._running.values()]
        settlements = [*await self._ledger.strike(), *untried]
        try:
            await self._journal.settle(settlements)
        except JournalUnavailable as error:
            # They are still in flight on disk: the next start makes them pending again.
            log.warning("give_back_postponed", count=len(settlements), reason=str(error))
        else:
            log.info("deliveries_given_back", count=len(untried))

    def reserve(self, sink: str) -> Slot | None:
        """See `Slots`. None of what a claim under way may still take, and nothing beside a suspect."""
        outlet = self._outlets.get(sink)
        if outlet is None or self._suspects.alone or self._suspects.due:
            return None
        now = self._clock.now()
        if outlet.gate.free(now) <= self._claiming.get(sink, 0):
            outlet.short = True
            return None
        outlet.gate.take(now)
        return Seat(outlet, self._begin)

    async def pause(self, sink: str, reason: str) -> None:
        """Stop claiming for a sink until `resume`, over restarts and reloads. Raises `Unknown`."""
        outlet = self._outlet(sink)
        mark = outlet.mark(self._clock.now())
        await self._journal.mark(msgspec.structs.replace(mark, paused=reason, by_operator=True))
        outlet.gate.pause(reason, by_operator=True)
        log.info("sink_paused", sink=sink, reason=reason, by="operator")

    async def resume(self, sink: str) -> None:
        """End a pause, a hold or an open breaker; everything pending is due now. Raises `Unknown`."""
        outlet = self._outlet(sink)
        await self._journal.mark(SinkMark(sink=sink))
        outlet.gate.resume()
        await self._journal.expedite(sink)
        log.info("sink_resumed", sink=sink)
        self._journal.wake()

    def sinks(self) -> list[SinkStatus]:
        """Every configured sink, and every name that deliveries still wait for."""
        now, counts = self._clock.now(), self._journal.counts()
        return [outlet.status(counts, now) for outlet in self._outlets.values()] + missing(
            counts, self._outlets
        )

    def states(self) -> dict[str, str]:
        """The state of each of `sinks`, for the metrics."""
        return {sink.name: sink.state for sink in self.sinks()}

    @property
    def _busy(self) -> bool:
        return bool(self._running) or not self._ledger.empty

    def _outlet(self, sink: str) -> Outlet:
        if sink not in self._outlets:
            raise Unknown(
                f"no sink is called '{sink}'; sinks are {', '.join(self._outlets) or 'not configured'}"
            )
        return self._outlets[sink]

    def _follow_others(self, now: float) -> None:
        """Follow what other routers made of the sinks, and take the share that they leave."""
        for mark in self._journal.news():
            if mark.sink in self._outlets:
                self._outlets[mark.sink].heed(mark)
                log.info("sink_mark_heeded", sink=mark.sink, paused=mark.paused, held=mark.held_until)
        share = self._journal.share()
        if share != self._share:
            log.info("share_changed", rank=share.rank, routers=share.of)
            self._share = share
            for outlet in self._outlets.values():
                outlet.gate.divide(share, now)

    async def _round(self) -> float | None:
        """Claim what may be claimed now; returns the seconds until time alone may bring more, or None."""
        if self._suspects.alone and self._busy:
            return None
        self._suspects.alone = False
        now = self._clock.now()
        self._follow_others(now)
        try:
            batch = await self._claim(now)
        except JournalUnavailable as error:
            self._postpone(str(error))
            return JOURNAL_RETRY
        self._postponed = None
        for claim in batch.claims:
            outlet = self._outlets.get(claim.delivery.sink)
            if outlet is not None:
                outlet.gate.take(now)
            self._begin(claim, outlet)
        times = [outlet.gate.changes_at(now) for outlet in self._outlets.values()] + [batch.next_due]
        waits = [at - now for at in times if at is not None and at > now]
        return min(waits, default=None)

    def _postpone(self, reason: str) -> None:
        """Say why nothing can be claimed: once, as the heartbeat tells how long it lasts."""
        if reason != self._postponed:
            log.warning("claim_postponed", reason=reason)
        self._postponed = reason

    async def _claim(self, now: float) -> Batch:
        """One claim of the journal: whatever the gates let through, or one suspect with nothing beside it.

        A sink known to have a due suspect gets it before anything else: it must not starve.
        """
        free, probe = self._room(now)
        suspected = self._suspects.due & {*free, *probe}
        if not (free or probe) or (suspected and self._busy):
            return Batch([], None, [])
        if suspected:
            probe &= suspected
            batch = await self._suspects.claim(suspected)
            if not batch.claims:
                # It is gone, or another router's: nobody else says when to look at what waits behind it.
                batch = Batch([], now + JOURNAL_RETRY, [])
        else:
            self._claiming = free
            try:
                batch = await self._journal.claim(free, probe=probe)
            finally:
                self._claiming = {}
            if batch.suspects:
                self._suspects.due.update(batch.suspects)
                self._journal.wake()
        # Where a suspect is still due, nothing was tried.
        for name in probe - self._suspects.due:
            if name in self._outlets:
                self._outlets[name].gate.probed(now)
        return batch

    def _room(self, now: float) -> tuple[dict[str, int], set[str]]:
        """How many of what is pending each sink has room for, and the sinks to be probed."""
        counts = self._journal.counts()
        free, probe = {}, set()
        for name, outlet in self._outlets.items():
            slots, pending = outlet.gate.free(now), counts.get((name, State.PENDING), 0)
            outlet.short = slots <= pending
            if slots and pending:
                free[name] = min(slots, pending)
            elif outlet.gate.probing(now):
                probe.add(name)
        return free, probe

    def _begin(self, claim: Claim, outlet: Outlet | None) -> None:
        """Attempt what has its slot; what a stop, a reload or a pause came before goes back untried."""
        name = claim.delivery.id
        if (
            outlet is None
            or self._stopping
            or outlet.gate.paused is not None
            or self._outlets.get(outlet.sink.name) is not outlet
        ):
            self._ledger.enter(Entry(give_back(claim), outlet))
        else:
            task = self._group.create_task(self._deliver(claim, outlet), name=name)
            self._running[name, claim.delivery.claim] = task, claim

    async def _deliver(self, claim: Claim, outlet: Outlet) -> None:
        """One claim from attempt to settlement."""
        started, sink = self._clock.now(), outlet.sink
        untried = settle_untried(claim, sink, started)
        if untried is not None:
            log.info("delivery_dropped", delivery=claim.delivery.id, sink=sink.name, reason=untried.reason)
            entry = Entry(untried, outlet)
        else:
            message = self._message(claim.delivery.rule)
            result = await attempt(claim, sink, outlet.transport, self._clock, message, outlet.deadline)
            entry = self._learn(claim, outlet, sink, result, started)
        del self._running[claim.delivery.id, claim.delivery.claim]
        self._ledger.enter(entry)

    def _learn(self, claim: Claim, outlet: Outlet, tried: Sink, result: Result, started: float) -> Entry:
        """What an attempt leads to, for the delivery and for its sink, as it was `tried`."""
        now, outcome = self._clock.now(), result.outcome
        self._metrics.attempt(tried.name, outcome.word, now - started)
        settlement = settle(claim, outlet.sink, result, started, now, self._chance())
        if outlet.sink is tried:
            recovered = outlet.learn(result, now)
            entry = Entry(settlement, outlet, now if isinstance(outcome, _MARKED) else None, recovered)
        else:
            # A reload changed its settings meanwhile: about those in force nothing was learnt.
            entry = Entry(settlement, outlet)
        tell(self._log, claim, entry, tried.name, outcome, now)
        return entry

    def _freed(self, outlets: Iterable[Outlet]) -> None:
        """Slots are free again: of use to what is pending, to a probe, or to a suspect."""
        if (
            self._suspects.alone
            or self._suspects.due
            or any(one.short or one.gate.is_open for one in outlets)
        ):
            self._journal.wake()
