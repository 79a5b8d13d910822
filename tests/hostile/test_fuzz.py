"""Hostile requests by the ten thousand: the daemon answers each of them well, or waits for its end."""

import time
from collections.abc import Callable

import pytest

from tests.hostile.answers import Malformed, read_all
from tests.hostile.fuzzing import CONFIG, ENV, fuzz
from tests.hostile.mutations import KINDS, case
from tests.hostile.target import Target

COUNT = 50_000
SEED = 1


@pytest.mark.timeout(600)
async def test_no_request_crashes_the_daemon_or_gets_in_unsigned(target: Callable[..., Target]) -> None:
    """No 500, no traceback, no exit, no forged event; fixed answers; a log of few and whole lines."""
    daemon = await target(CONFIG, ENV, "body_timeout: 300ms").start()

    outcome = await fuzz(daemon, SEED, COUNT)

    print(outcome.report)
    assert outcome.broken == []


def test_a_case_can_be_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seed and number are all that a case depends on, apart from the clock in a token."""
    monkeypatch.setattr(time, "time", lambda: 1_800_000_000.0)
    first = [case(7, number) for number in range(300)]
    again = [case(7, number) for number in reversed(range(300))][::-1]

    assert {each.kind for each in first} == set(KINDS)
    assert [(a.kind, a.wire) for a in first] == [(b.kind, b.wire) for b in again]


@pytest.mark.parametrize(
    "stream",
    [
        b"HTTP/1.1 500 Internal Server Error\r\nServer: visual-router\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 400 Bad Request\r\nServer: visual-router\r\nContent-Length: 3\r\n\r\nwhy",
        b'HTTP/1.1 400 X\r\nServer: aiohttp/3\r\nContent-Length: 24\r\n\r\n{"error": "bad request"}',
        b'HTTP/1.1 503 X\r\nServer: visual-router\r\nContent-Length: 28\r\n\r\n{"error": "try again later"}',
        b'HTTP/1.1 202 Accepted\r\nServer: visual-router\r\nContent-Length: 10\r\n\r\n{"id": "1"}',
        b"junk",
    ],
)
def test_the_judge_refuses_what_the_daemon_may_never_say(stream: bytes) -> None:
    """A judge that nothing can displease would prove nothing."""
    with pytest.raises(Malformed):
        read_all(stream)
