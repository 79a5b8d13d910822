"""Changes: the digest that tells whether two routers do the same."""

from pathlib import Path

import pytest

from router.config.changes import digest
from router.config.load import load

TEXT = """
sources:
  web: {type: chromatic, secret: env:WEB}
sinks:
  log: {type: log}
rules:
  - {name: all, to: log}
"""


def read(folder: Path, text: str, secret: str | None = None) -> str:
    """The digest of a configuration; with a secret it is resolved."""
    path = folder / "config.yaml"
    path.write_text(text, "utf-8")
    return digest(load(str(path), resolve=None if secret is None else {"WEB": secret}))


def test_the_same_for_two_instances_that_listen_elsewhere(tmp_path: Path) -> None:
    """Comments, spelling, and what belongs to one instance do not count; nor do the values of secrets."""
    head = "# the second\nserver: {listen: '127.0.0.1:9'}\njournal: {keep: 3d}\n"

    assert read(tmp_path, TEXT, "one") == read(tmp_path, head + TEXT, "two") == read(tmp_path, TEXT)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("WEB", "APP"),
        ("web:", "app:"),
        ("{type: log}", "{type: log, concurrency: 2}"),
        ("name: all", "name: any"),
    ],
)
def test_another_for_whatever_an_event_may_meet(tmp_path: Path, old: str, new: str) -> None:
    """A source, a sink, a rule."""
    assert read(tmp_path, TEXT) != read(tmp_path, TEXT.replace(old, new))
