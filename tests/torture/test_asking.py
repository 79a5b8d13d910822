"""Asking: a run is drained only when the journal itself holds nothing open."""

from typing import cast

from tests.torture.asking import drained
from tests.torture.supervisor import Router


class Behind:
    """A router whose counts have not heard yet of a delivery that another one of its fleet failed at."""

    def __init__(self) -> None:
        self._turns = 3

    def run_for(self, _seconds: float) -> None:
        """See `Router`: time passes, and the delivery is tried again."""
        self._turns -= 1

    def ask(self, path: str, _method: str = "GET") -> dict[str, object]:
        """See `Router`."""
        if path == "/sinks":
            return {"sinks": [{"name": "shaky", "state": "ready", "pending": 0}]}
        is_open = "state=pending" in path and self._turns > 0
        rows = [{"id": "dlv_1", "sink": "shaky", "reason": None}] if is_open else []
        return {"deliveries": rows, "events": [], "next": None}


def test_what_one_router_does_not_know_of_yet_is_waited_for() -> None:
    """Its counts come from memory; the rows decide."""
    state = drained([cast(Router, Behind())], patience=60.0)

    assert state.open == []
