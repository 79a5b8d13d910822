"""Changes: the digest that tells whether two routers do the same."""

import os
from pathlib import Path

import pytest

from router.config.changes import digest, file_digest, read_at_start
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


def test_a_file_is_known_by_what_it_holds(tmp_path: Path) -> None:
    """At any path; what cannot be read, or only once, is nothing to compare with."""
    one, two, pipe = tmp_path / "one", tmp_path / "two", tmp_path / "pipe"
    one.write_text(TEXT, "utf-8")
    two.write_text(TEXT, "utf-8")
    os.mkfifo(pipe)

    assert file_digest(str(one)) == file_digest(str(two)) != ""

    two.write_text(TEXT + "# more\n", "utf-8")

    assert file_digest(str(one)) != file_digest(str(two))
    assert [file_digest(str(each)) for each in (tmp_path, tmp_path / "none", pipe)] == ["", "", ""]


def test_a_file_that_must_not_be_read_is_nothing_to_compare_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user's, say."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "open", refuse)

    assert file_digest(__file__) == ""


def test_secrets_that_only_a_start_reads_are_told_by_reference(tmp_path: Path) -> None:
    """Of sources and sinks, wherever they stand; `file:` is read again, and what is no secret is none."""
    path = tmp_path / "config.yaml"
    path.write_text(
        """
sources:
  web: {type: chromatic, unsigned: true, token: env:TOKEN, labels: {team: env:LABEL}}
  app: {type: percy, secret: [env:NEW, file:/etc/old]}
  hap: {type: happo, secret: credential:happo}
sinks:
  bot: {type: webhook, url: "https://example.com/", secret: env:NEW, headers: {authorization: env:KEY}}
rules:
  - {name: all, to: bot}
""",
        "utf-8",
    )

    assert read_at_start(load(str(path))) == ["credential:happo", "env:KEY", "env:NEW", "env:TOKEN"]
