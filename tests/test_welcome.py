"""What `run` tells a person at its start."""

from pathlib import Path

import msgspec

from router import __version__
from router.config.load import load
from router.config.schema import Config
from router.sources import samples
from router.welcome import first_steps, welcome

CONFIG = """
sources:
  web: {type: chromatic, unsigned: true, token: env:TOKEN}
  percy: {type: percy, secret: env:SECRET}
sinks: {log: {type: log}, file: {type: file, path: events.jsonl}}
rules:
  - {name: finished, when: {provider: percy, status: pending}, to: log}
  - {name: all, to: file}
"""


def loaded(folder: Path, text: str = CONFIG) -> Config:
    """A configuration."""
    path = folder / "my config.yaml"
    path.write_text(text, "utf-8")
    return load(path)


def test_the_welcome_says_where_to_post_and_what_to_try(tmp_path: Path) -> None:
    """Tokens by their place only; the line to try can be pasted, and its result is seen in the terminal."""
    config = loaded(tmp_path)
    page = welcome(config, "http://127.0.0.1:8080, http://[::1]:8080", "unix:/a", ".venv/bin/visual-router")
    lines = page.splitlines()

    assert lines[1] == f"visual-router {__version__}: {tmp_path}/my config.yaml, 2 sources, 2 rules, 2 sinks"
    assert lines[3:6] == [
        "  SOURCE  TYPE       POST TO                                  SIGNATURE",
        "  web     chromatic  http://127.0.0.1:8080/hooks/web/<token>  unsigned",
        "  percy   percy      http://127.0.0.1:8080/hooks/percy        signed",
    ]
    assert lines[7] == "  admin  unix:/a  /healthz  /readyz  /metrics  /api/v1/status"
    start = (
        f"  try    .venv/bin/visual-router send --config '{tmp_path}/my config.yaml' --source percy percy/"
    )
    assert lines[9].startswith(start)


def test_the_line_to_try_goes_where_it_is_seen(tmp_path: Path) -> None:
    """To a log sink if any rule leads there; each sample is judged by the rules themselves."""
    config = loaded(tmp_path)
    line = welcome(config, "unix:/p", "unix:/a").splitlines()[9]
    sample = line.rpartition(" ")[2]
    event = config.sources["percy"].decode(samples.load(*sample.split("/")), 0.0)

    assert [route.sink for route in config.matcher.match(event)] == ["log", "file"]


def test_the_welcome_names_the_program_as_it_was_called(tmp_path: Path) -> None:
    """As a module too; a unix socket has no URL."""
    page = welcome(loaded(tmp_path), "unix:/p", "unix:/a", "python -m router")

    assert "  try    python -m router send " in page
    assert "  unix:/p /hooks/web/<token>  " in page


def test_a_configuration_whose_samples_are_unknown_has_nothing_to_try(tmp_path: Path) -> None:
    """No line rather than a wrong one."""
    config = msgspec.structs.replace(loaded(tmp_path), sources={})

    assert "try" not in welcome(config, "unix:/p", "unix:/a")


def test_a_log_that_a_program_reads_is_told_the_same_in_fields(tmp_path: Path) -> None:
    """Paths of hooks without their tokens, and the line to paste."""
    config = loaded(tmp_path)
    told = first_steps(config, "python -m router")
    page = welcome(config, "http://[::1]:8080", "unix:/a", "python -m router")

    assert told["hooks"] == ["/hooks/web/<token>", "/hooks/percy"]
    assert f"  try    {told['try']}" in page
    nothing = msgspec.structs.replace(config, sources={})
    assert first_steps(nothing, "x") == {"hooks": [], "try": None}
