"""Fixtures that the whole suite shares."""

import os
from collections.abc import Iterator
from itertools import islice

import pytest
from hypothesis import HealthCheck, settings

NOBODY = 65534

# How long an example takes says something about the machine, nothing about a promise.
settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests begin first, spread over the workers: one that begins last would run alone.

    A test whose time limit was raised is long, and the higher the longer. Each worker gets a share of the
    list that begins with its part of the long ones; the order of the others stays random.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    long = sorted(filter(_limit, items), key=_limit, reverse=True)
    short = iter([item for item in items if not _limit(item)])
    share, rest = divmod(len(items), workers)
    if len(long) > share:
        items[:] = [*long, *short]
        return
    items.clear()
    for worker in range(workers):
        first = long[worker::workers]
        # The scheduler's own division: the last shares get what is left over.
        size = share + (worker >= workers - rest)
        items += [*first, *islice(short, size - len(first))]


def _limit(item: pytest.Item) -> float:
    """The time limit that a test has of its own, else 0."""
    mark = item.get_closest_marker("timeout")
    return float(mark.args[0]) if mark is not None else 0.0


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """A process without root's rights: files and sockets refuse it as they refuse a service's user."""
    privileged = os.geteuid() == 0
    if privileged:
        os.seteuid(NOBODY)
    yield
    if privileged:
        os.seteuid(0)
