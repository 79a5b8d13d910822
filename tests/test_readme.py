"""The README tells the truth: its commands exist and run, its configuration loads."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import msgspec
import pytest
from click.testing import CliRunner

from router.cli import program
from router.config.load import load
from router.event import Event
from router.sources import SOURCES as PROVIDERS
from router.template.template import SAMPLES, Template
from tests.sinks.samples import HOSTILE, delivery, strange

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
COMMANDS = sorted(
    set(re.findall(r"visual-router ([a-z-]+)\b(?!\.)", re.sub(r"`systemctl[^`]*`|sudo.*", "", README)))
)
RULES = re.findall(r"```yaml\n(rules:\n.*?)```", README, re.DOTALL)
SOURCES = re.findall(r"```yaml\n(sources:\n.*?)```", README, re.DOTALL)
SINKS = re.findall(r"```yaml\n(sinks:\n.*?)```", README, re.DOTALL)
WALK = README.partition("## A first routed event")[2].partition("\n## ")[0]
LINES = [
    line.strip() for block in re.findall(r"```sh\n(.*?)```", WALK, re.DOTALL) for line in block.splitlines()
]
TYPED = [line for line in LINES if line.strip()]
VERBS = re.findall(r"^make (\w+)", README, re.MULTILINE)

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
UNITS = ("visual-router.service", "visual-router.socket", "visual-router-admin.socket")
SINK_STATES = ["ready", "held", "open", "paused", "no sink"]

FRAME = """
sources:
  web: {type: chromatic, unsigned: true}
sinks:
  design-review: {type: slack, url: "env:SLACK"}
  release-bot: {type: webhook, url: "https://ci.example.com/visual"}
"""


def anchors(page: Path) -> set[str]:
    """What the headings of a page are called in links."""
    headings = re.findall(r"^#+ (.*)", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ("is", "receives")])
def test_every_command_of_the_readme_exists(name: str) -> None:
    """What a reader types is there."""
    assert program.get_command(click.Context(program), name) is not None


def test_every_make_verb_of_the_readme_exists() -> None:
    """The Makefile has them."""
    makefile = (ROOT / "Makefile").read_text("utf-8")

    assert VERBS
    for verb in VERBS:
        assert re.search(rf"^{verb}:", makefile, re.MULTILINE)


@pytest.mark.parametrize("rules", RULES)
def test_every_rule_of_the_readme_loads(tmp_path: Path, rules: str) -> None:
    """The three examples are rules."""
    path = tmp_path / "config.yaml"
    path.write_text(FRAME + rules, "utf-8")

    assert len(load(path).matcher.rules) == 1


@pytest.mark.parametrize("part", [*SOURCES, *SINKS])
def test_every_source_and_sink_of_the_readme_loads(tmp_path: Path, part: str) -> None:
    """What a reader copies is right."""
    path = tmp_path / "config.yaml"
    section = part.partition(":")[0]
    rest = re.sub(rf"^{section}:\n(  .*\n)+", "", FRAME, flags=re.MULTILINE)
    path.write_text(f"{rest}{part}rules:\n  - {{name: nothing yet, final: true}}\n", "utf-8")

    assert load(path).sources


@pytest.mark.parametrize("event", [*SAMPLES, *map(strange, HOSTILE)], ids=range(len(SAMPLES + HOSTILE)))
@pytest.mark.parametrize("message", [None, Template("{{ title }} {{ branch }} {{ payload }}")])
def test_the_bodies_of_the_readme_are_what_each_service_takes(
    tmp_path: Path, event: Event, message: Template | None
) -> None:
    """Within its limits, without a mention and without an empty button, whatever stands in an event."""
    (part,) = (each for each in SINKS if "discord" in each)
    path = tmp_path / "config.yaml"
    rest = re.sub(r"^sinks:\n(  .*\n)+", "", FRAME, flags=re.MULTILINE)
    path.write_text(f"{rest}{part}rules:\n  - {{name: nothing yet, final: true}}\n", "utf-8")
    event = msgspec.structs.replace(event, url=event.url and "https://www.chromatic.com/build?number=1")

    shown = {
        name: sink.preview(event, delivery(), 0.0, message).split("\n\n")[-1]
        for name, sink in load(path).sinks.items()
    }
    said = {name: json.loads(body) for name, body in shown.items()}
    (card,) = (each["content"] for each in said["teams"]["attachments"])

    assert len(said["discord"]["content"].encode("utf-16-le")) <= 2 * 2000
    assert said["discord"]["allowed_mentions"] == {"parse": []}
    assert len(shown["teams"].encode()) <= 14_000
    assert [action["url"] for action in card["actions"]] == ([event.url] if event.url else [])
    assert card["body"][0]["text"].strip()


def test_the_walk_runs_as_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In order, from a folder that holds the example; but not what needs a daemon."""
    shutil.copy(ROOT / "config.example.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VISUAL_ROUTER_CONFIG", raising=False)
    told = {}
    for line in TYPED:
        program_, *words = shlex.split(line.partition(">")[0])
        if program_ == "cp":
            shutil.copy(*words)
            continue
        assert program_ == ".venv/bin/visual-router", line
        if words[0] == "events" or (words[0] == "send" and "--list" not in words):
            continue
        done = CliRunner().invoke(program, words, prog_name="visual-router")
        assert done.exit_code == 0, (line, done.output)
        told[words[0]] = done.stdout

    assert "goes to: archive" in told["explain"]
    assert "comparison.pending" in told["render"]
    assert told["check"].startswith(f"config.yaml: {len(PROVIDERS)} sources, 2 sinks, 3 rules")
    assert told["schema"].startswith("{")


def test_every_path_that_contributors_are_sent_to_exists() -> None:
    """A file that moved takes its mention along; NAME is theirs to choose."""
    text = (ROOT / ".github" / "CONTRIBUTING.md").read_text("utf-8")
    paths = [path for path in re.findall(r"`([\w./]+/[\w./]*)`", text) if "NAME" not in path]

    assert len(paths) > 15
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    """To a file that is there, and to a heading in it."""
    for path, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", page.read_text("utf-8")):
        target = page.parent / path if path else page

        assert target.exists(), path
        assert not anchor or anchor in anchors(target), f"{path}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_whoever_stops_the_router_is_told_to_stop_its_sockets(page: Path) -> None:
    """Else the next request would start it again, on a journal that was moved or is being restored."""
    stops = re.findall(r"systemctl (?:stop|disable)\b[^`\n]*", page.read_text("utf-8"))

    for line in stops:
        assert "visual-router@" in line or all(unit in line for unit in UNITS), line


def test_the_readme_and_the_pages_on_moving_say_how_to_stop() -> None:
    """The test before this one would pass for ever if nobody said."""
    for name in ("README.md", "docs/scaling.md", "docs/load-balancer.md"):
        assert all(unit in (ROOT / name).read_text("utf-8") for unit in UNITS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_metric_that_is_named_exists(page: Path) -> None:
    """An alert on a name that nobody counts never fires."""
    exported = (ROOT / "tests" / "metrics.txt").read_text("utf-8")
    names = set(re.findall(r"\bvisual_router_\w+", page.read_text("utf-8")))

    assert {name for name in names if f"# TYPE {name} " not in exported} == set()


def test_a_refused_reload_is_worth_an_alert() -> None:
    """The daemon goes on; only its next start fails."""
    assert "`visual_router_config_last_reload_success == 0`" in README.partition("**Monitoring.**")[2]


def test_every_state_of_a_sink_is_explained() -> None:
    """`status` shows the word; what it means and what ends it stands here."""
    rows = re.findall(r"^\| `([a-z ]+)` \| .+\|$", README, re.MULTILINE)

    assert [row for row in rows if row in SINK_STATES] == SINK_STATES


def test_there_is_something_to_check() -> None:
    """A README whose examples were not found would pass for ever."""
    assert (len(RULES), len(SOURCES), len(SINKS), len(TYPED)) == (3, 3, 2, 8)
    assert {"send", "events", "show", "check", "explain", "render", "schema", "reload", "dead", "resume"} <= {
        *COMMANDS
    }


def test_a_restore_overwrites_nothing_however_often(tmp_path: Path) -> None:
    """What stood there is kept each time, in a folder of its own; it may hold what the backup lacks."""
    (script,) = re.findall(r"^sudo (sh -ec '\n.*?')$", README, re.MULTILINE | re.DOTALL)
    folder = tmp_path / "var"
    folder.mkdir()
    (tmp_path / "backup.db").write_text("backup", "utf-8")
    for turn in ("first", "second"):
        (folder / "journal.db").write_text(turn, "utf-8")
        subprocess.run(
            ["sh", "-c", script.replace("/var/lib/visual-router/var", str(folder))],
            check=True,
        )
        assert (folder / "journal.db").read_text("utf-8") == "backup"

    kept = sorted(file.read_text("utf-8") for file in folder.glob("old.*/journal.db"))
    assert kept == ["first", "second"]
