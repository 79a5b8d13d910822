"""Handover: deliveries that are born in flight, and the slots that wait for them. For the loop's thread only.

Owns what becomes of a slot that was set aside for a delivery on its way to the disk. Must not know how an
event is stored.
"""

from collections.abc import Mapping, Sequence
from functools import partial

from router.clock import id_text
from router.delivery import Claim, Delivery, Route, State
from router.event import Event
from router.journal.rows import DELIVERY
from router.journal.slots import Slot
from router.journal.sqlite.moves import give_back
from router.journal.sqlite.store import Store


class Handover:
    """What one event owes: `slots` has the deliveries that found one, by number."""

    def __init__(self, store: Store, owed: Sequence[tuple[int, Route]], now: float) -> None:
        self._store = store
        self._offer = store.slots
        self._owed = owed
        self._now = now
        self.slots: Mapping[int, Slot] = self._reserved()

    def _reserved(self) -> dict[int, Slot]:
        """Slots for deliveries that find nothing due at their sinks; the others wait for a claim."""
        found: dict[int, Slot] = {}
        store, offer = self._store, self._offer
        if offer is None or store.suspects:
            return found
        for number, route in self._owed:
            if store.agenda.next(route.sink) > self._now:
                slot = offer.reserve(route.sink)
                if slot is not None:
                    found[number] = slot
        return found

    def end(self, event: Event | None) -> None:
        """The commit is over; `event` is what was stored, None: nothing."""
        offered = self._store.slots is self._offer
        lost = []
        for number, route in self._owed:
            slot = self.slots.get(number)
            if slot is None:
                continue
            if event is None or not offered:
                slot.free()
                lost.append((number, 1))  # under its first claim
            else:
                slot.take(self._claim(number, route, event))
        if event is not None and lost:
            self._store.writer.submit(partial(give_back, lost))

    def _claim(self, number: int, route: Route, event: Event) -> Claim:
        delivery = Delivery(
            id=id_text(DELIVERY, number),
            event_id=event.id,
            sink=route.sink,
            rule=route.rule,
            state=State.IN_FLIGHT,
            due=self._now,
            created_at=self._now,
            claim=1,
        )
        return Claim(delivery=delivery, event=event)
