"""Fixtures that the whole suite shares."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

NOBODY = 65534

# How long an example takes says something about the machine, nothing about a promise.
settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """A process without root's rights: files and sockets refuse it as they refuse a service's user."""
    privileged = os.geteuid() == 0
    if privileged:
        os.seteuid(NOBODY)
    yield
    if privileged:
        os.seteuid(0)
