"""The command line at its edges: arguments that are no text, streams that are closed, bodies from pipes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from router.sources import samples
from tests.admin.desk import RULES

ODD = os.fsdecode(b"x\xff")
BODY = samples.load("chromatic", "v2-build-pending")
TEXTS = [
    ["events", "--text", ODD],
    ["deliveries", "--event", ODD],
    ["dead", "--sink", ODD],
    ["show", ODD],
    ["requeue", "evt_0000000000001", ODD],
    ["discard", "--yes", "--sink", ODD],
    ["replay", ODD],
    ["pause", "design", "--reason", ODD],
    ["resume", ODD],
    ["quarantine", "--source", ODD],
    ["quarantine", "show", ODD],
    ["quarantine", "discard", ODD],
    ["reverify", ODD],
    ["send", "--source", ODD, "v2-build-pending"],
    ["explain", "--source", ODD, "v2-build-pending"],
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a configuration, a second one whose name is not UTF-8, and a body with such a name."""
    try:
        (tmp_path / f"{ODD}.yaml").write_text(RULES, "utf-8")
    except OSError:
        pytest.skip("this file system takes no names that are not UTF-8")
    (tmp_path / "config.yaml").write_text(f"server: {{admin: 'unix:{tmp_path}/s'}}\n{RULES}", "utf-8")
    (tmp_path / f"{ODD}.json").write_bytes(BODY)
    return tmp_path


def run(folder: Path, *words: str, shell: str = '"$@"', code: int = 0) -> tuple[str, str]:
    """Run a command as a line of a shell, in which `"$@"` stands for it; both outputs."""
    command = [sys.executable, "-m", "router", *words]
    env = {**os.environ, "PYTHONIOENCODING": "utf-8:strict", "NO_COLOR": "1"}
    done = subprocess.run(
        ["sh", "-c", shell, "sh", *command], cwd=folder, env=env, capture_output=True, check=False,
        timeout=60,
    )  # fmt: skip
    out, err = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == code, out + err
    return out, err


@pytest.mark.parametrize("words", TEXTS, ids=" ".join)
def test_what_is_no_text_is_refused_before_anything_is_done(folder: Path, words: list[str]) -> None:
    """No request could carry it; nothing is asked and nothing half done."""
    out, err = run(folder, *words, code=2)

    assert (out, err) == ("", "error: 'x\\xff' is not UTF-8\n  fix: write it in UTF-8\n")


def test_a_path_for_the_daemon_is_text(folder: Path) -> None:
    """It goes there in a request."""
    _, err = run(folder, "backup", ODD, code=2)

    assert err == f"error: '{folder}/x\\xff' is not UTF-8\n  fix: write it in UTF-8\n"


def test_a_url_that_is_no_text_is_not_repeated(folder: Path) -> None:
    """It may hold a password."""
    _, err = run(folder, "migrate-journal", "sqlite:a.db", f"postgresql://me:hunter2@h/{ODD}", code=2)

    assert err == "error: the URL is not UTF-8\n  fix: write it in UTF-8\n"


def test_a_path_here_is_whatever_the_system_takes(folder: Path) -> None:
    """A configuration and a body are found, read and shown."""
    explained, _ = run(folder, "explain", f"{ODD}.json", "--config", f"{ODD}.yaml")
    rendered, _ = run(folder, "render", "--sink", "log", f"{ODD}.json", "--config", f"{ODD}.yaml")
    checked, _ = run(folder, "check", f"{ODD}.yaml")
    document, _ = run(folder, "check", "--json", f"{ODD}.yaml")

    (folder / f"{ODD}.yaml").write_text("rules: 1", "utf-8")
    broken, _ = run(folder, "check", "--json", f"{ODD}.yaml", code=2)

    assert {each["path"] for each in json.loads(broken)["files"][0]["problems"]} == {"x\\xff.yaml"}
    assert "goes to: " in explained
    assert "feat/date-picker" in rendered
    assert checked == "x\\udcff.yaml: 1 source, 2 sinks, 2 rules\n"
    assert json.loads(document) == {"ok": True, "files": [{"path": "x\\xff.yaml", "problems": []}]}


def test_what_cannot_be_printed_is_printed_as_escapes(folder: Path) -> None:
    """On a terminal whose encoding has no such character."""
    (folder / "config.yaml").write_text(RULES.replace("name: main", "name: 鍵"), "utf-8")
    words = [sys.executable, "-m", "router", "explain", "v2-build-pending"]
    done = subprocess.run(
        words, cwd=folder, env={**os.environ, "PYTHONIOENCODING": "latin-1"}, capture_output=True, check=True,
        timeout=60,
    )  # fmt: skip

    assert b"1. \\u9375: " in done.stdout


@pytest.mark.parametrize("words", [["check"], ["check", "--json"], ["--help"], ["explain", f"{ODD}.json"]])
def test_a_closed_output_is_an_error(folder: Path, words: list[str]) -> None:
    """Whoever asked gets nothing, and should know."""
    _, err = run(folder, *words, shell='"$@" >&-', code=1)

    assert err == "error: the output cannot be written: bad file descriptor\n"


def test_a_closed_input_is_an_error_where_it_is_read(folder: Path) -> None:
    """And nobody is there to be asked."""
    _, unread = run(folder, "explain", "-", shell='"$@" <&-', code=2)
    _, unasked = run(folder, "discard", "--sink", "log", shell='"$@" <&-', code=2)
    unneeded, _ = run(folder, "check", shell='"$@" <&-')

    assert unread.startswith("error: standard input cannot be read: bad file descriptor\n")
    assert unasked.endswith("Error: Discarding everything pending for 'log' wants --yes.\n")
    assert unneeded == "config.yaml: 1 source, 2 sinks, 2 rules\n"


def test_without_streams_the_exit_code_tells(folder: Path) -> None:
    """As for a job that was started with none; nothing is printed into a file that was opened meanwhile."""
    run(folder, "show", "nothing", shell='"$@" <&- >&- 2>&-', code=2)
    run(folder, "status", shell='"$@" <&- >&- 2>&-', code=1)
    out, _ = run(folder, "check", shell='"$@" 2>&-')

    assert out == "config.yaml: 1 source, 2 sinks, 2 rules\n"


def test_a_body_is_whatever_can_be_read(folder: Path) -> None:
    """What another program prints, by the names that shells and systems have for it."""
    os.mkfifo(folder / "pipe")
    (folder / "body").write_bytes(BODY)
    plain, _ = run(folder, "explain", "body", "--json")
    for name, shell in [
        ("-", '"$@" < body'),
        ("/dev/stdin", '"$@" < body'),
        ("/dev/stdin", 'cat body | "$@"'),
        ("/dev/fd/9", 'cat body | "$@" 9<&0'),
        ("pipe", '"$@" & cat body > pipe; wait'),
    ]:
        out, _ = run(folder, "explain", name, "--json", shell=shell)

        assert json.loads(out)["verdicts"] == json.loads(plain)["verdicts"], name


def test_a_body_given_in_place_of_its_file_is_told(folder: Path) -> None:
    """A name that no file can have is no traceback."""
    _, err = run(folder, "explain", "x" * 5_000, code=2)

    assert err.startswith(f"error: '{'x' * 5_000}' cannot be read: file name too long\n")
