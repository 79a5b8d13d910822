"""The README tells the truth: its commands exist and run, its configuration loads."""

import re
import shlex
import shutil
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from router.cli import program
from router.config.load import load

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

FRAME = """
sources:
  web: {type: chromatic, unsigned: true}
sinks:
  design-review: {type: slack, url: "env:SLACK"}
  release-bot: {type: webhook, url: "https://ci.example.com/visual"}
"""


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
    assert told["check"].startswith("config.yaml: 3 sources, 2 sinks, 3 rules")
    assert told["schema"].startswith("{")


def test_every_path_that_contributors_are_sent_to_exists() -> None:
    """A file that moved takes its mention along; NAME is theirs to choose."""
    text = (ROOT / ".github" / "CONTRIBUTING.md").read_text("utf-8")
    paths = [path for path in re.findall(r"`([\w./]+/[\w./]*)`", text) if "NAME" not in path]

    assert len(paths) > 15
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_there_is_something_to_check() -> None:
    """A README whose examples were not found would pass for ever."""
    assert (len(RULES), len(SOURCES), len(SINKS), len(TYPED)) == (3, 3, 1, 8)
    assert {"send", "events", "show", "check", "explain", "render", "schema", "reload", "dead", "resume"} <= {
        *COMMANDS
    }
