"""Files that a configuration names: none of the journal's, and none that only a shell would find."""

from pathlib import Path

import pytest

from router.config.load import load
from router.errors import ConfigError

HURT = "belongs to the journal, which lines of a sink would damage; name another file"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the file is: in the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "config.yaml"


def told(path: Path, sink: str, journal: str, environment: dict[str, str] | None = None) -> list[str]:
    """What is said of a file sink on this path beside this journal, without the file's name."""
    path.write_text(
        f'journal: {{url: "{journal}"}}\n'
        "sources: {web: {type: chromatic, unsigned: true}}\n"
        f'sinks: {{out: {{type: file, path: "{sink}"}}}}\n'
        "rules: [{name: all, to: out}]\n",
        "utf-8",
    )
    try:
        found = load(path, resolve=environment).warnings
    except ConfigError as error:
        found = error.problems
    return [str(problem).removeprefix(f"{path}:") for problem in found]


@pytest.mark.parametrize("end", ["", "-wal", "-shm", "-journal", ".lock"])
def test_a_sink_may_not_write_into_the_journal(end: str, path: Path) -> None:
    """Neither into the file nor into what lies beside it: events would be damaged, and lines lost."""
    spelt = f"./var/x/..//journal.db{end}"

    assert told(path, spelt, "sqlite:var/journal.db") == [f"3:33: '{spelt}' {HURT}"]


def test_the_journal_is_found_by_every_name_of_its_folder(path: Path, tmp_path: Path) -> None:
    """From the root, and through a symbolic link: a service's state directory is one."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")

    assert told(path, "link/journal.db", f"sqlite:{tmp_path}/real/journal.db") == [
        f"3:33: 'link/journal.db' {HURT}"
    ]
    assert told(path, "link/journal.db", f"sqlite:{tmp_path}/journal.db") == []
    assert told(path, "none/journal.db", f"sqlite:{tmp_path}/real/journal.db") == []


def test_a_journal_that_is_a_link_has_its_files_where_it_leads(path: Path, tmp_path: Path) -> None:
    """The lock too."""
    (tmp_path / "real").mkdir()
    (tmp_path / "journal.db").symlink_to("real/events.db")

    assert [
        told(path, sink, "sqlite:journal.db")
        for sink in ("real/events.db-wal", "real/events.db.lock", "journal.db.lock", "journal.db-wal")
    ] == [[f"3:33: 'real/events.db-wal' {HURT}"], [f"3:33: 'real/events.db.lock' {HURT}"], [], []]


def test_a_journal_behind_a_reference_is_looked_at_once_it_is_known(path: Path) -> None:
    """A check that reads no secret cannot tell."""
    assert told(path, "a.db", "env:JOURNAL") == []
    assert told(path, "a.db", "env:JOURNAL", {"JOURNAL": "sqlite:a.db"}) == [f"3:33: 'a.db' {HURT}"]
    assert told(path, "a.db", "env:JOURNAL", {"JOURNAL": "postgresql://user@host/a.db"}) == []


@pytest.mark.parametrize("sink", ["var/events.jsonl", "journal.db", "var/journal.db/x", "var/journal.db.gz"])
def test_another_file_is_no_problem(sink: str, path: Path) -> None:
    """Beside the journal, or with its name in another folder."""
    assert told(path, sink, "sqlite:var/journal.db") == []


def test_a_path_that_no_system_takes_is_not_compared(path: Path) -> None:
    """To look at every folder of it would take long, and no journal opens there."""
    long = "a/" * 100_000

    assert told(path, f"{long}journal.db", f"sqlite:{long}journal.db") == []
    assert told(path, f"{long}journal.db", "sqlite:journal.db") == []
