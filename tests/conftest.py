"""Fixtures that the whole suite shares."""

import os
from collections.abc import Iterator

import pytest

NOBODY = 65534


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """A process without root's rights: files and sockets refuse it as they refuse a service's user."""
    privileged = os.geteuid() == 0
    if privileged:
        os.seteuid(NOBODY)
    yield
    if privileged:
        os.seteuid(0)
