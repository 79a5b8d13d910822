"""`check` and `schema`: files looked at anywhere, without a secret."""

import json
from pathlib import Path

from tests.admin.desk import RULES
from tests.commands.shell import Shell

UNUSED = RULES.replace("{name: not bots", "{final: true, name: not bots").replace(", to: log}", "}")


def test_a_good_file_is_one_line(shell: Shell) -> None:
    """On standard output, with what is in it."""
    result = shell.run("check", str(shell.config))

    assert result.stdout == f"{shell.config}: 1 source, 2 sinks, 2 rules\n"
    assert result.stderr == ""


def test_without_a_file_it_is_the_one_that_other_commands_use(shell: Shell) -> None:
    """The same search."""
    assert shell.run("check").stdout.startswith(f"{shell.config}: ")


def test_every_problem_of_every_file_is_told_with_its_place(shell: Shell) -> None:
    """On standard error, as editors jump to it; exit code 2 if there is any."""
    broken = shell.write(
        RULES.replace("to: design", "to: desing").replace("to: log", "to: lgo"), "broken.yaml"
    )
    result = shell.run("check", str(shell.config), broken, code=2)

    assert result.stdout == f"{shell.config}: 1 source, 2 sinks, 2 rules\n"
    first, second = result.stderr.splitlines()[:2]
    assert first.startswith(f"{broken}:8:")
    assert first.endswith(": sink 'desing' is not defined; did you mean 'design'?")
    assert second.startswith(f"{broken}:9:")
    assert second.endswith(": sink 'lgo' is not defined; did you mean 'log'?")


def test_a_warning_is_no_problem_unless_strict(shell: Shell) -> None:
    """It is told all the same."""
    warned = shell.write(UNUSED, "warned.yaml")
    result = shell.run("check", warned)

    assert result.stdout == f"{warned}: 1 source, 2 sinks, 2 rules, 1 warning\n"
    assert ": warning: no rule uses sink 'log'" in result.stderr
    assert shell.run("check", "--strict", warned, code=2).stderr == result.stderr


def test_scripts_get_one_document(shell: Shell) -> None:
    """With the verdict and every problem of every file."""
    broken = shell.write(RULES.replace("to: design", "to: desing"), "broken.yaml")
    document = json.loads(shell.run("check", str(shell.config), broken, "--json", code=2).stdout)
    good, bad = document["files"]

    assert document["ok"] is False
    assert good == {"path": str(shell.config), "problems": []}
    assert bad["problems"][0]["line"] == 8
    assert bad["problems"][0]["message"] == "sink 'desing' is not defined; did you mean 'design'?"
    assert json.loads(shell.run("check", "--json").stdout)["ok"] is True


def test_no_secret_is_read(shell: Shell) -> None:
    """A CI has none."""
    text = RULES.replace("unsigned: true", "secret: env:NOT_SET_ANYWHERE")
    path = shell.write(text, "secret.yaml")

    assert shell.run("check", path).stdout == f"{path}: 1 source, 2 sinks, 2 rules\n"


def test_the_schema_is_a_json_schema(shell: Shell) -> None:
    """For editors; it needs no configuration."""
    shell.config.unlink()
    schema = json.loads(shell.run("schema").stdout)

    assert schema["$schema"].startswith("https://json-schema.org/")
    assert {"sources", "sinks", "rules"} <= set(schema["properties"])


def test_a_file_that_cannot_be_read_is_a_problem(shell: Shell, tmp_path: Path) -> None:
    """Like any other."""
    result = shell.run("check", str(tmp_path), code=2)

    assert result.stderr == f"{tmp_path}:1:1: the file cannot be read: is a directory; name a file in it\n"
