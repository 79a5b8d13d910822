"""Check: configuration files, looked at without a daemon and without any secret: check, schema."""

import click
import msgspec

from router.columns import plural
from router.commands.options import FILE, config_option, config_path, json_option
from router.commands.terminal import print_json
from router.config.load import load
from router.config.schema import Config, json_schema
from router.errors import ConfigError, Problem
from router.text import path_text


@click.command(short_help="Report every problem of configuration files.")
@click.argument("files", metavar="[FILE…]", nargs=-1, type=FILE)
@click.option("--strict", is_flag=True, help="A warning counts as a problem.")
@config_option
@json_option
@click.pass_context
def check(ctx: click.Context, files: tuple[str, ...], *, strict: bool, as_json: bool) -> None:
    """Report every problem of configuration files, a line each.

    It reads `file:line:column: what is wrong; what to do`. Without FILE it is the configuration that the
    other commands would use. No secret is read, so it runs anywhere. Exit code 2 if there are problems.
    """
    found = {path: _look_at(path) for path in files or (config_path(ctx),)}
    wrong = [
        problem for _, problems in found.values() for problem in problems if strict or not problem.warning
    ]
    if as_json:
        documents = [{"path": path_text(path), "problems": problems} for path, (_, problems) in found.items()]
        print_json(msgspec.json.encode({"ok": not wrong, "files": documents}))
    else:
        for path, (config, problems) in found.items():
            for problem in problems:
                click.echo(problem, err=True)
            if config is not None:
                click.echo(f"{path}: {summary(config)}")
    ctx.exit(2 if wrong else 0)


@click.command(short_help="Print the JSON Schema of the configuration.")
def schema() -> None:
    """Print the JSON Schema of the configuration, for completion and checks in an editor.

    With the YAML language server, write it to a file, and name that in the configuration's first line:

    \b
      visual-router schema > schema.json
      # yaml-language-server: $schema=schema.json
    """  # noqa: D301  # click takes the character itself: the lines below it are not wrapped
    print_json(msgspec.json.encode(json_schema()))


def summary(config: Config) -> str:
    """`3 sources, 2 sinks, 4 rules`, and the warnings if there are any."""
    counts = [
        plural(len(config.sources), "source"),
        plural(len(config.sinks), "sink"),
        plural(len(config.matcher.rules), "rule"),
    ]
    if config.warnings:
        counts.append(plural(len(config.warnings), "warning"))
    return ", ".join(counts)


def _look_at(path: str) -> tuple[Config | None, list[Problem]]:
    try:
        config = load(path)
    except ConfigError as error:
        return None, error.problems
    return config, list(config.warnings)
