"""Fixtures that the whole suite shares."""

import gc
import os
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from importlib import import_module
from itertools import islice
from pathlib import Path
from pkgutil import walk_packages

import pytest
from coverage import Coverage
from hypothesis import HealthCheck, is_hypothesis_test, settings

import router

NOBODY = 65534
HERE = Path(__file__).parent
# What runs here is judged by what it does; which of its lines run is for the tests of the parts to show.
TRIALS = {"bench", "disk", "fleet", "hostile", "mutants", "process", "test_house_rules.py", "torture"}
# But for these: that the program starts, reloads and ends is nowhere else to be seen.
MEASURED = {"test_begin.py", "test_crash.py", "test_reload.py", "test_sockets.py", "test_stop.py"}
# By this, coverage finds its way into child processes.
CHILDREN = "COVERAGE_PROCESS_CONFIG"

# The processes that tests start have what an installation has, and no more: see `lean/`.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HERE / "lean"), os.environ.get("PYTHONPATH")]))
# Nobody here speaks to a host of the outside world; each start would read its hundred and fifty authorities,
# a sixth of its time. What is to be trusted is made by the test that says so.
os.environ["SSL_CERT_FILE"] = os.environ["SSL_CERT_DIR"] = os.devnull

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


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Of all that is loaded now only the package is measured: its modules, before whoever needs them."""
    if Coverage.current() is None:
        with _kept():
            return (yield)
    for module in walk_packages(router.__path__, "router."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    if session.config.getoption("numprocesses", None):
        # This process hands tests out and runs none: there is nothing more to measure in it.
        sys.settrace(None)
        return (yield)
    with _unmeasured(), _kept():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Trials run at full speed: measured, they take twice as long."""
    if Coverage.current() is None or not _is_trial(item):
        return (yield)
    with _unmeasured():
        return (yield)


@contextmanager
def _kept() -> Iterator[None]:
    """What is made here stays until the end: nobody looks through it for garbage, now or later."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def _unmeasured() -> Iterator[None]:
    """What runs here, in threads and child processes too, runs without coverage's tracer."""
    tracer, of_threads, child = sys.gettrace(), threading.gettrace(), os.environ.pop(CHILDREN, None)
    sys.settrace(None)
    threading.settrace(None)
    try:
        yield
    finally:
        threading.settrace(of_threads)
        sys.settrace(tracer)
        if child is not None:
            os.environ[CHILDREN] = child


def _is_trial(item: pytest.Item) -> bool:
    """Whether others run the same lines: trials, properties of many examples, what is marked `unmeasured`."""
    return (
        (item.path.relative_to(HERE).parts[0] in TRIALS and item.path.name not in MEASURED)
        or is_hypothesis_test(getattr(item, "function", None))
        or item.get_closest_marker("unmeasured") is not None
    )


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """A process without root's rights: files and sockets refuse it as they refuse a service's user."""
    privileged = os.geteuid() == 0
    if privileged:
        os.seteuid(NOBODY)
    yield
    if privileged:
        os.seteuid(0)
