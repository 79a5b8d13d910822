"""Telling: the log line of an attempt."""

from structlog.typing import FilteringBoundLogger

from router.delivery import Claim, Delivered, Hold, Outcome, State
from router.dispatch.ledger import Entry


def tell(
    log: FilteringBoundLogger, claim: Claim, entry: Entry, sink: str, outcome: Outcome, now: float
) -> None:
    """Say how it ended, for the delivery or, if it stopped the sink, for that."""
    delivery, settlement = claim.delivery, entry.settlement
    fields = {"delivery": delivery.id, "event_id": claim.event.id, "sink": sink, "attempt": delivery.claim}
    if isinstance(outcome, Delivered):
        log.info("delivered", **fields)
    elif settlement.state is State.DEAD:
        log.error("delivery_dead", reason=settlement.reason, **fields)
    elif entry.learnt_at is None:
        next_in = max(0.0, round(settlement.due - now, 1))
        log.warning("delivery_failed", reason=settlement.reason, next_in=next_in, **fields)
    elif isinstance(outcome, Hold):
        log.warning("sink_held", reason=outcome.reason, seconds=outcome.seconds, **fields)
    else:
        log.error("sink_paused", reason=outcome.reason, by="its answer", **fields)
