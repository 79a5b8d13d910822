"""Attempt: one try, from a claim to an outcome, whatever the sink does.

Holds the package's only broad `except`: a bug in a sink is a failed attempt with a traceback in the log,
never the end of the process. Must not know the journal or what happens next.
"""

import structlog

from router.clock import Clock
from router.deadline import Deadline
from router.delivery import Claim, Dead, Pause, Retry
from router.errors import ForbiddenAddress, Unreachable, Unrenderable
from router.sinks.sink import Result, Sink, Transport
from router.template.template import Template

log = structlog.get_logger(__name__)


async def attempt(
    claim: Claim,
    sink: Sink,
    transport: Transport,
    clock: Clock,
    message: Template | None,
    deadline: Deadline | None = None,
) -> Result:
    """Try to deliver once, within the sink's `timeout`. Never raises, cancellation apart.

    `deadline` is one of that length, shared by many attempts.
    """
    try:
        with deadline or Deadline(sink.timeout):
            return await sink.send(claim.event, claim.delivery, transport, clock.wall(), message)
    except Unreachable as error:
        return Result(Pause(error.reason) if error.tls else Retry(error.reason))
    except ForbiddenAddress as error:
        return Result(Pause(error.reason))
    except Unrenderable as error:
        return Result(Dead(error.reason))
    except TimeoutError:
        return Result(Retry(f"no answer within {sink.timeout:g} s"))
    except Exception as error:
        log.exception("attempt_crashed", delivery=claim.delivery.id, sink=sink.name)
        return Result(Retry(f"visual-router failed: {type(error).__name__}"))
