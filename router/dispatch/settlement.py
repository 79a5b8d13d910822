"""Settlement: what becomes of a delivery, before an attempt (too old, superseded) and after one.

Pure: a claim and a result in, a settlement out. The only place that decides between pending and dead.
"""

from router.delivery import Attempt, Claim, Dead, Delivered, Retry, Settlement, State
from router.sinks.sink import Result, Sink


def settle_untried(claim: Claim, sink: Sink, now: float) -> Settlement | None:
    """The end of a delivery that no attempt would serve any more, or None: try it."""
    if claim.superseded and sink.supersedes and claim.delivery.claim > 1:
        return _dead(claim, "superseded: a newer event of the same build was delivered")
    if sink.max_age is not None and now - claim.delivery.created_at > sink.max_age:
        return _dead(claim, f"older than max_age ({sink.max_age:g} s)")
    return None


def settle(claim: Claim, sink: Sink, result: Result, started: float, now: float, random: float) -> Settlement:
    """What an attempt leads to: whose fault a failure is decides.

    An attempt made before its time (the probe of an open sink) uses up nothing, as do holds and pauses.
    """
    delivery, outcome = claim.delivery, result.outcome
    tried = Attempt(
        number=delivery.claim,
        started_at=started,
        seconds=now - started,
        outcome=outcome.word,
        status=result.status,
        reason=outcome.reason,
        excerpt=result.excerpt,
    )
    match outcome:
        case Delivered():
            return _settlement(claim, State.DELIVERED, tried)
        case Dead(reason):
            return _settlement(claim, State.DEAD, tried, reason)
        case Retry(reason):
            return _settle_failure(claim, sink, outcome, tried, now, random)
        case _:
            return _settlement(claim, State.PENDING, tried, outcome.reason, due=delivery.due)


def give_back(claim: Claim) -> Settlement:
    """A claim returned untried: due as before, nothing counted."""
    return _settlement(claim, State.PENDING, None, claim.delivery.reason, due=claim.delivery.due)


def _settle_failure(
    claim: Claim, sink: Sink, outcome: Retry, tried: Attempt, now: float, random: float
) -> Settlement:
    delivery = claim.delivery
    if delivery.due > tried.started_at:  # the probe of an open sink
        return _settlement(claim, State.PENDING, tried, outcome.reason, due=delivery.due)
    failures = delivery.failures + 1
    due = sink.retry.next(failures, outcome, now, random)
    if due is None:
        return _settlement(
            claim, State.DEAD, tried, f"the retry schedule ended: {outcome.reason}", failures=failures
        )
    if sink.max_age is not None and due - delivery.created_at > sink.max_age:
        reason = f"max_age ({sink.max_age:g} s) ends before the next attempt: {outcome.reason}"
        return _settlement(claim, State.DEAD, tried, reason, failures=failures)
    return _settlement(claim, State.PENDING, tried, outcome.reason, due=due, failures=failures)


def _dead(claim: Claim, reason: str) -> Settlement:
    return _settlement(claim, State.DEAD, None, reason)


def _settlement(
    claim: Claim,
    state: State,
    tried: Attempt | None,
    reason: str | None = None,
    *,
    due: float = 0.0,
    failures: int | None = None,
) -> Settlement:
    return Settlement(
        delivery_id=claim.delivery.id,
        claim=claim.delivery.claim,
        state=state,
        due=due,
        failures=claim.delivery.failures if failures is None else failures,
        reason=reason,
        attempt=tried,
    )
