"""The states of a delivery, walked at random beside a model made of nothing but the table of arrows."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from router.delivery import ARROWS, Attempt, Claim, Delivery, State
from router.journal.journal import DeliveryQuery, Journal
from tests.journal.backends import BACKENDS, START, Place, Time, claimed, recorded, settlement
from tests.journal.room import Room

T = TypeVar("T")

_SINKS = ("slack", "hook")
_FINAL = (State.DELIVERED, State.DEAD)


class Owed:
    """What the model knows of one delivery."""

    def __init__(self, sink: str, now: float) -> None:
        self.sink = sink
        self.state = State.PENDING
        self.due = now
        self.claim = 0
        self.failures = 0
        self.attempts: list[int] = []
        self.settled_at: float | None = None

    def go(self, state: State) -> None:
        """Follow an arrow; there must be one."""
        assert (self.state, state) in ARROWS
        self.state = state


class Deliveries(RuleBasedStateMachine):
    """One journal, one model, and everything that can happen to a delivery."""

    backend = ""

    @initialize()
    def begin(self) -> None:
        """An empty journal."""
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.time = Time()
        self.place = Place(self.backend, Path(self.folder.name), self.time)
        self.model: dict[str, Owed] = {}
        self.claims: list[Claim] = []
        self.lives = 0
        self.open()

    def run(self, work: Coroutine[object, object, T]) -> T:
        """The result of one call of the journal."""
        return self.runner.run(work)

    def open(self) -> None:
        """A process starts."""
        self.stack = AsyncExitStack()
        self.journal: Journal = self.run(self.stack.enter_async_context(self.place.open()))
        self.room = Room({})
        self.journal.offer(self.room)

    def teardown(self) -> None:
        """The last process ends."""
        self.run(self.stack.aclose())
        self.runner.close()
        self.place.leave()
        self.folder.cleanup()

    def deliveries(self) -> list[Delivery]:
        """All that the journal has."""
        return self.run(self.journal.deliveries(DeliveryQuery(limit=1000)))

    @rule(sinks=st.sets(st.sampled_from(_SINKS)))
    def record(self, sinks: set[str]) -> None:
        """An event arrives; where there is a slot and nothing is due, its delivery may be born in flight."""
        now = self.time.wall
        due = {o.sink for o in self.model.values() if o.state is State.PENDING and o.due <= now}
        event = self.run(recorded(self.journal, self.time, *sinks))
        for delivery in self.run(self.journal.deliveries(DeliveryQuery(event_id=event.id))):
            self.model[delivery.id] = Owed(delivery.sink, now)
        assert sorted(sinks) == sorted(
            self.model[d.id].sink for d in self.deliveries() if d.event_id == event.id
        )
        for claim in self.room.taken:
            assert claim.delivery.sink not in due
            owed = self.model[claim.delivery.id]
            owed.go(State.IN_FLIGHT)
            owed.claim = 1
        self.claims += self.room.taken
        self.room.taken.clear()

    @rule(slack=st.integers(0, 2), hook=st.integers(0, 2), none=st.booleans())
    def offer(self, slack: int, hook: int, *, none: bool) -> None:
        """The dispatcher offers room, or none."""
        self.room = Room({"slack": slack, "hook": hook})
        self.journal.offer(None if none else self.room)

    @rule(seconds=st.sampled_from([0.5, 10, 100]))
    def wait(self, seconds: float) -> None:
        """Time goes by."""
        self.time.pass_by(seconds)

    @rule(slack=st.integers(0, 3), hook=st.integers(0, 3), probe=st.sets(st.sampled_from(_SINKS), max_size=1))
    def claim(self, slack: int, hook: int, probe: set[str]) -> None:
        """The dispatcher has room."""
        free = {"slack": slack, "hook": hook}
        batch = self.run(self.journal.claim(free, probe=probe))
        expected: list[str] = []
        rest: list[float] = []
        for sink in _SINKS:
            waiting = [
                key for key, owed in self.model.items() if (owed.sink, owed.state) == (sink, State.PENDING)
            ]
            waiting.sort(key=lambda key: (self.model[key].due, key))
            due = [key for key in waiting if self.model[key].due <= self.time.wall][: free[sink]]
            taken = waiting[:1] if sink in probe and free[sink] else [] if sink in probe else due
            expected += taken
            if sink not in probe and free[sink]:
                rest += [self.model[key].due for key in waiting if key not in taken]
        assert sorted(expected) == sorted(claim.delivery.id for claim in batch.claims)
        assert min(rest, default=None) == batch.next_due
        for claim in batch.claims:
            owed = self.model[claim.delivery.id]
            owed.go(State.IN_FLIGHT)
            owed.claim += 1
            assert owed.claim == claim.delivery.claim
        self.claims += batch.claims

    @precondition(lambda self: self.claims)
    @rule(
        pick=st.integers(0, 99),
        state=st.sampled_from([State.PENDING, *_FINAL]),
        later=st.sampled_from([0, 30]),
        tried=st.booleans(),
    )
    def settle(self, pick: int, state: State, later: float, *, tried: bool) -> None:
        """A claim is settled: the current one, or one that was settled or lost before."""
        claim = self.claims[pick % len(self.claims)]
        owed = self.model.get(claim.delivery.id)
        number = claim.delivery.claim
        attempt = Attempt(number=number, started_at=START, seconds=1, outcome="retry") if tried else None
        due = self.time.wall + later
        stale = self.run(
            self.journal.settle([settlement(claim, state, due=due, failures=number, attempt=attempt)])
        )
        if owed is not None and tried and number not in owed.attempts:
            owed.attempts.append(number)
        if owed is None or owed.state is not State.IN_FLIGHT or owed.claim != number:
            assert [claim.delivery.id] == stale
            return
        assert stale == []
        owed.go(state)
        owed.failures, owed.due = number, due if state is State.PENDING else owed.due
        owed.settled_at = self.time.wall if state in _FINAL else None

    @rule(sink=st.sampled_from(_SINKS))
    def expedite(self, sink: str) -> None:
        """A sink answers again."""
        late = [
            o
            for o in self.model.values()
            if (o.sink, o.state) == (sink, State.PENDING) and o.due > self.time.wall
        ]
        assert len(late) == self.run(self.journal.expedite(sink))
        for owed in late:
            owed.due = self.time.wall

    @rule(sink=st.sampled_from(_SINKS), by_id=st.booleans())
    def requeue(self, sink: str, *, by_id: bool) -> None:
        """An operator brings the dead back."""
        dead = self.of(sink, State.DEAD)
        ids = [key for key, owed in self.model.items() if owed.sink == sink]
        work = self.journal.requeue(ids=ids) if by_id else self.journal.requeue(sink=sink)
        assert len(dead) == self.run(work)
        for owed in dead:
            owed.go(State.PENDING)
            owed.due, owed.failures, owed.settled_at = self.time.wall, 0, None

    @rule(sink=st.sampled_from(_SINKS), by_id=st.booleans())
    def discard(self, sink: str, *, by_id: bool) -> None:
        """An operator gives up on what is pending."""
        pending = self.of(sink, State.PENDING)
        ids = [key for key, owed in self.model.items() if owed.sink == sink]
        work = (
            self.journal.discard(ids=ids, reason="r")
            if by_id
            else self.journal.discard(sink=sink, reason="r")
        )
        assert len(pending) == self.run(work)
        for owed in pending:
            owed.go(State.DEAD)
            owed.settled_at = self.time.wall

    @rule(age=st.sampled_from([0, 50]))
    def prune(self, age: float) -> None:
        """Retention sweeps; what is gone from the journal is gone from the model, if it was allowed to go."""
        before = self.time.wall - age
        while self.run(self.journal.prune(before, 3)):
            pass
        kept = {delivery.id for delivery in self.deliveries()}
        events = {delivery.event_id for delivery in self.deliveries()}
        for key in set(self.model) - kept:
            settled_at = self.model.pop(key).settled_at
            assert settled_at is not None
            assert settled_at < before
        assert all(self.run(self.journal.event(event)) for event in events)

    @rule()
    def restart(self) -> None:
        """A proper end gives claims back; the next process finds everything as it was."""
        current = [c for c in self.claims if self.is_current(c)]
        self.run(
            self.journal.settle(
                [
                    settlement(c, State.PENDING, due=self.time.wall, failures=c.delivery.failures)
                    for c in current
                ]
            )
        )
        for claim in current:
            owed = self.model[claim.delivery.id]
            owed.go(State.PENDING)
            owed.due, owed.failures = self.time.wall, claim.delivery.failures
        self.run(self.stack.aclose())
        self.open()

    def is_current(self, claim: Claim) -> bool:
        """Whether this claim may still settle its delivery."""
        owed = self.model.get(claim.delivery.id)
        return owed is not None and (owed.state, owed.claim) == (State.IN_FLIGHT, claim.delivery.claim)

    def of(self, sink: str, state: State) -> list[Owed]:
        """The model's deliveries of a sink in a state."""
        return [owed for owed in self.model.values() if (owed.sink, owed.state) == (sink, state)]

    @invariant()
    def journal_and_model_agree(self) -> None:
        """Every delivery, its attempts, and the counts."""
        found = {d.id: (d.sink, d.state, d.due, d.claim, d.failures, d.settled_at) for d in self.deliveries()}
        assert found == {
            key: (o.sink, o.state, o.due, o.claim, o.failures, o.settled_at) for key, o in self.model.items()
        }
        attempts = self.run(self.journal.attempts(list(self.model)))
        assert {key: [a.number for a in tried] for key, tried in attempts.items()} == {
            key: sorted(owed.attempts) for key, owed in self.model.items()
        }
        assert Counter((o.sink, o.state) for o in self.model.values()) == self.journal.counts()


@pytest.mark.unmeasured
@pytest.mark.parametrize("backend", sorted(BACKENDS))
def test_deliveries_only_ever_follow_the_arrows(backend: str) -> None:
    """Whatever happens in whatever order, the journal and the table of states agree."""
    machine = type("Machine", (Deliveries,), {"backend": backend})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=20,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )


# How each arrow is gone; a takeover needs a journal that several routers share.
_WAYS: dict[tuple[State, State], Callable[[Journal, Claim], Awaitable[object]]] = {
    (State.PENDING, State.IN_FLIGHT): lambda journal, _: journal.claim({"slack": 1}),
    (State.PENDING, State.DEAD): lambda journal, _: journal.discard(sink="slack", reason="r"),
    (State.DEAD, State.PENDING): lambda journal, _: journal.requeue(sink="slack"),
    (State.IN_FLIGHT, State.DELIVERED): lambda journal, claim: _settle(journal, claim, State.DELIVERED),
    (State.IN_FLIGHT, State.PENDING): lambda journal, claim: _settle(journal, claim, State.PENDING),
    (State.IN_FLIGHT, State.DEAD): lambda journal, claim: _settle(journal, claim, State.DEAD),
}


async def _settle(journal: Journal, claim: Claim, state: State) -> None:
    await journal.settle([settlement(claim, state, due=START)])


@pytest.mark.parametrize("before", State)
@pytest.mark.parametrize("way", _WAYS)
async def test_every_arrow_can_be_gone_and_no_other(
    journal: Journal, time: Time, before: State, way: tuple[State, State]
) -> None:
    """What leads from one state to another does nothing to a delivery in a third."""
    assert set(ARROWS) == {*_WAYS, (State.IN_FLIGHT, State.IN_FLIGHT)}
    await recorded(journal, time, "slack")
    claim = await claimed(journal, "slack")
    if before is not State.IN_FLIGHT:
        await _settle(journal, claim, before)

    await _WAYS[way](journal, claim)

    (delivery,) = await journal.deliveries(DeliveryQuery())
    assert (way[1] if way[0] is before else before) is delivery.state
