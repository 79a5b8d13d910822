"""The README tells the truth: its commands exist, its configuration loads."""

import re
from pathlib import Path

import click
import pytest

from router.cli import program
from router.config.load import load

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
COMMANDS = sorted(
    set(re.findall(r"visual-router ([a-z]+)\b(?!\.)", re.sub(r"`systemctl[^`]*`|sudo.*", "", README)))
)
RULES = re.findall(r"```yaml\n(rules:\n.*?)```", README, re.DOTALL)
SOURCES = re.findall(r"```yaml\n(sources:\n.*?)```", README, re.DOTALL)
SINKS = re.findall(r"```yaml\n(sinks:\n.*?)```", README, re.DOTALL)
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


def test_there_is_something_to_check() -> None:
    """A README whose examples were not found would pass for ever."""
    assert (len(RULES), len(SOURCES), len(SINKS)) == (3, 3, 1)
    assert {"send", "events", "show", "check", "explain", "render", "schema", "reload", "dead", "resume"} <= {
        *COMMANDS
    }
