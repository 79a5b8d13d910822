"""Asking: what routers say of their journal, and when nothing is left to be done."""

import time
from collections.abc import Iterator, Sequence

from tests.torture.oracle import State
from tests.torture.supervisor import Router
from tests.torture.workload import number_of

_PAGE = 500


def drained(routers: Sequence[Router], patience: float) -> State:
    """Wait until nothing is open, or nothing moves any more; returns what the first router then says.

    Sinks that a fault opened or paused are resumed meanwhile, as an operator would.
    """
    first = routers[0]
    best, moved = -1, time.monotonic()
    while time.monotonic() < moved + patience:
        left = _left(first)
        if left == 0 and not _open(first):
            break
        if left < best or best < 0:
            best, moved = left, time.monotonic()
        resume(routers)
        for router in routers:
            router.run_for(0.2 / len(routers))
    return State(
        [(row["id"], number_of(row["commit"])) for row in _pages(first, "events", "")],
        [(row["id"], row["reason"]) for row in _pages(first, "deliveries", "&state=dead")],
        _open(first),
    )


def resume(routers: Sequence[Router]) -> None:
    """End what a fault led to."""
    for router in routers:
        for sink in router.ask("/sinks")["sinks"]:
            if sink["state"] != "ready":
                router.ask(f"/sinks/{sink['name']}/resume", "POST")


def _left(first: Router) -> int:
    """How many deliveries are open, to see that they become fewer.

    What is pending is counted as that router knows it: what others of a fleet failed at comes a beat later.
    """
    pending = sum(sink["pending"] for sink in first.ask("/sinks")["sinks"])
    return int(pending) + len(first.ask(f"/deliveries?limit={_PAGE}&state=in_flight")["deliveries"])


def _open(first: Router) -> list[tuple[str, str]]:
    """What the journal itself holds open; a dead router's is there, too."""
    return [
        (row["id"], f"{state} at {row['sink']}")
        for state in ("pending", "in_flight")
        for row in _pages(first, "deliveries", f"&state={state}")
    ]


def _pages(router: Router, kind: str, filters: str) -> Iterator[dict[str, str]]:
    before = ""
    while True:
        page = router.ask(f"/{kind}?limit={_PAGE}{filters}{before}")
        yield from page[kind]
        if page["next"] is None:
            return
        before = f"&before={page['next']}"
