"""Fixtures of the tests that know SQLite."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journal.sqlite.disk import Disk, a_disk


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal will be."""
    return tmp_path / "var" / "journal.db"


@pytest.fixture
def disk(request: pytest.FixtureRequest) -> Iterator[Disk]:
    """A disk that fails on demand."""
    with a_disk(f"disk of {request.node.name}") as disk:
        yield disk
