"""The collector: what lives long is left alone, and what died is still found."""

import ctypes
import gc
import os
import weakref
from collections.abc import Iterator

import pytest

from router import garbage


class Node:
    """Something that can be part of a cycle."""

    def __init__(self) -> None:
        self.other: Node = self


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """The collector is one for the whole process: leave it as it was."""
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def test_what_is_there_is_left_alone() -> None:
    """It is no more looked at, however often garbage is collected; what comes later is."""
    garbage.settle()
    frozen = gc.get_freeze_count()
    later = weakref.ref(Node())
    gc.collect()

    assert frozen > 1000
    assert gc.get_freeze_count() == frozen
    assert later() is None


def test_what_died_since_is_found_at_the_next_settling() -> None:
    """A reload leaves no old configuration behind, though it was left alone while it was in force."""
    old = Node()
    seen = weakref.ref(old)
    garbage.settle()
    del old
    gc.collect()
    assert seen() is not None

    garbage.settle()

    assert seen() is None


def test_large_blocks_go_back_to_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the C library is told so; another one is left alone."""
    try:
        glibc = os.confstr("CS_GNU_LIBC_VERSION") is not None
    except ValueError:
        glibc = False
    assert garbage.give_back() is glibc

    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())

    assert garbage.give_back() is False
