"""The command line as a whole: what it offers, where it looks, what an error looks like."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest

from router import __version__
from router.cli import COMMANDS, program
from tests.admin.desk import RULES
from tests.commands.shell import Shell


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell in an empty folder, without a configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VISUAL_ROUTER_CONFIG", raising=False)
    return Shell(tmp_path)


def test_the_help_page_lists_every_command(shell: Shell) -> None:
    """By what one is about to do; asked for or not."""
    page = shell.run("--help").stdout

    assert all(f"  {name} " in page and says in page for _, name, _, says in COMMANDS)
    assert shell.run("-h").stdout == page


@pytest.mark.parametrize(("name", "module", "says"), [entry[1:] for entry in COMMANDS])
def test_every_command_is_what_the_help_page_says(shell: Shell, name: str, module: str, says: str) -> None:
    """The table of commands and the commands themselves agree."""
    command = program.get_command(click.Context(program), name)

    assert command is getattr(import_module(f"router.commands.{module}"), name.replace("-", "_"))
    assert command is not None
    assert command.short_help == says
    assert command.name == name
    assert shell.run(name, "--help").stdout.startswith(f"Usage: visual-router {name}")


@pytest.mark.parametrize("name", [name for _, name, _, _ in COMMANDS])
def test_a_file_that_may_not_be_read_is_told_by_whoever_reads_it(name: str) -> None:
    """With its place and what to do, beside what there is to tell of other files; not as wrong usage."""
    command = program.get_command(click.Context(program), name)

    assert command is not None
    paths = [each.type for each in command.params if isinstance(each.type, click.Path)]
    assert not any(path.readable for path in paths)


@pytest.mark.parametrize(
    "name", [*(name for _, name, _, _ in COMMANDS), "quarantine show", "quarantine discard"]
)
def test_what_may_be_left_out_stands_in_brackets(shell: Shell, name: str) -> None:
    """Ids where a sink or a source may be named instead, files where the configuration is found."""
    command: click.Command | None = program
    for word in name.split():
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(command), word)

    assert command is not None
    usage = shell.run(*name.split(), "--help").stdout.partition("\n")[0].split()
    words = [word for word in usage if word.strip("[]….").isupper()][1:]
    wanted = [not each.required for each in command.params if isinstance(each, click.Argument)]
    if not isinstance(command, click.Group):
        assert [word.startswith("[") for word in words] == wanted


@pytest.mark.parametrize("name", ["", *(name for _, name, _, _ in COMMANDS)])
@pytest.mark.parametrize("cells", ["80", "200"])
def test_what_a_help_page_gives_to_paste_is_not_broken(shell: Shell, name: str, cells: str) -> None:
    """Neither between backquotes, nor where a line is given as one, however wide the terminal."""
    page = shell.run(*name.split(), "--help", env={"COLUMNS": cells}).stdout

    for line in page.splitlines():
        assert line.count("`") % 2 == 0, line
    lines = [line.strip() for line in page.splitlines()]
    for given in {
        "": ['eval "$(_VISUAL_ROUTER_COMPLETE=bash_source visual-router)"'],
        "schema": ["visual-router schema > schema.json", "# yaml-language-server: $schema=schema.json"],
    }.get(name, []):
        assert given in lines


def test_the_version_is_told(shell: Shell) -> None:
    """Name and number."""
    assert shell.run("--version").stdout == f"visual-router, version {__version__}\n"


def test_a_misspelt_command_is_told_what_it_may_have_meant(shell: Shell) -> None:
    """Wrong usage: exit code 2."""
    assert "No such command 'sttus'. Did you mean 'status'?" in shell.run("sttus", code=2).stderr


def test_without_a_configuration_the_places_are_told(shell: Shell) -> None:
    """And the way out."""
    if Path("/etc/visual-router/config.yaml").exists():
        pytest.skip("this host has a configuration of its own")

    assert shell.run("status", code=2).stderr == (
        "error: no configuration: $VISUAL_ROUTER_CONFIG is not set, and neither ./config.yaml nor "
        "/etc/visual-router/config.yaml exists\n"
        "  fix: name one with --config FILE\n"
    )


def test_the_configuration_is_found_in_its_places(shell: Shell) -> None:
    """Behind the command, before it, from the environment, in the working directory: the first one counts."""
    for name in ("a", "b", "c", "config"):
        shell.write(RULES, f"{name}.yaml")
    env = {"VISUAL_ROUTER_CONFIG": "c.yaml"}

    assert shell.run("check").stdout.startswith("config.yaml: ")
    assert shell.run("check", env=env).stdout.startswith("c.yaml: ")
    assert shell.run("--config", "a.yaml", "check", env=env).stdout.startswith("a.yaml: ")
    assert shell.run("--config", "a.yaml", "check", "--config", "b.yaml").stdout.startswith("b.yaml: ")


def test_a_configuration_that_is_not_there_is_told(shell: Shell) -> None:
    """As a problem of that file: exit code 2."""
    stderr = shell.run("--config", "none.yaml", "status", code=2).stderr

    assert stderr == (
        "none.yaml:1:1: the file cannot be read: no such file or directory; name a file that is there\n"
    )


def test_an_error_has_its_fix_below_it(shell: Shell, tmp_path: Path) -> None:
    """A daemon that is not running: its address, and what to do; exit code 1."""
    path = shell.write(f"server: {{admin: 'unix:{tmp_path}/s'}}\n{RULES}")

    assert shell.run("status", code=1).stderr == (
        f"error: no daemon answers at unix:{tmp_path}/s: no such file or directory\n"
        "  fix: start it with 'visual-router run', restart it if its server.admin was changed, "
        f"or name its configuration with --config; this is {path}\n"
    )


def test_colours_are_for_terminals_that_want_them(shell: Shell) -> None:
    """None in a pipe; none with NO_COLOR."""
    assert "\x1b" not in shell.run("status", code=2).stderr
    for env, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        result = shell.run("status", code=2, env=env, color=True)

        assert ("\x1b[31m" in result.stderr) is coloured


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["check", "--help"], ["explain", "--help"], ["status", "--help"]]
)
def test_help_costs_no_heavy_import(words: list[str]) -> None:
    """A command line that thinks before it speaks is not used."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "router", *words],
        capture_output=True, text=True, check=True, timeout=50,
    )  # fmt: skip
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}

    assert "click" in loaded
    assert not loaded & {"aiohttp", "structlog", "apsw", "prometheus_client"}


def test_the_shell_completes_commands_and_options(shell: Shell) -> None:
    """As `--help` says how."""
    env = {"COMP_WORDS": "visual-router requ", "COMP_CWORD": "1", "_VISUAL_ROUTER_COMPLETE": "bash_complete"}

    assert shell.run(env=env).stdout == "plain,requeue\n"


def test_run_with_a_wrong_configuration_ends_with_2(tmp_path: Path) -> None:
    """What systemd does not try again; every problem is told."""
    path = tmp_path / "broken.yaml"
    path.write_text(RULES.replace("to: design", "to: desing"), "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "router", "run", "--config", str(path)],
        capture_output=True, text=True, check=False, timeout=50, cwd=tmp_path,
    )  # fmt: skip

    assert done.returncode == 2
    assert "sink 'desing' is not defined; did you mean 'design'?" in done.stderr


@pytest.mark.parametrize("words", [["--help"], ["schema"], ["send", "--list"]])
def test_output_that_cannot_be_written_is_told(words: list[str]) -> None:
    """A full disk behind a redirection: one line and exit code 1, no traceback."""
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "router", *words],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=50,
        )  # fmt: skip

    assert done.returncode == 1
    assert done.stderr == "error: the output cannot be written: no space left on device\n"


def test_the_module_is_the_command() -> None:
    """`python -m router` and `visual-router` are one."""
    done = subprocess.run(
        [sys.executable, "-m", "router", "check", "/none.yaml"],
        capture_output=True, text=True, check=False, timeout=50,
    )  # fmt: skip

    assert done.returncode == 2
    assert done.stderr == (
        "/none.yaml:1:1: the file cannot be read: no such file or directory; name a file that is there\n"
    )
