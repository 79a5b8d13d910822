"""Command line: which commands there are, and what an error looks like.

Owns the table of commands, loads the one that was asked for and no other (a command that starts slowly is not
used), and turns what may go wrong into a message and an exit code: 0 fine, 1 failed, 2 wrong usage
or configuration. Must not know what a command does.
"""

import importlib
import io
import os
import sys
import traceback
from typing import Any

import click
from click.exceptions import NoSuchCommand

from router import __version__
from router.commands.options import config_option, text_only
from router.errors import ConfigError, Rejected

# Section, command, module, what it does: known before any module is loaded.
COMMANDS = (
    ("The daemon", "run", "run", "Run the router until it is told to stop."),
    ("The daemon", "status", "queries", "Show how the running router stands: sources, sinks, queues."),
    ("The daemon", "reload", "changes", "Validate the configuration, then put it into force."),
    ("The daemon", "backup", "changes", "Have the router write a consistent copy of its journal."),
    ("The daemon", "verify", "verify", "Check a backup, or a journal whose daemon is stopped."),
    ("The daemon", "migrate-journal", "migrate", "Move a journal from SQLite to PostgreSQL."),
    ("Configuration, without a daemon", "check", "check", "Report every problem of configuration files."),
    (
        "Configuration, without a daemon",
        "explain",
        "trial",
        "Say rule by rule what happens to an event, and why.",
    ),
    ("Configuration, without a daemon", "render", "trial", "Show what a sink would send for an event."),
    ("Configuration, without a daemon", "schema", "check", "Print the JSON Schema of the configuration."),
    ("Events and deliveries", "send", "send", "Post a signed sample event to the running router."),
    ("Events and deliveries", "events", "queries", "List events, newest first."),
    (
        "Events and deliveries",
        "show",
        "queries",
        "Show one event or delivery with everything known about it.",
    ),
    ("Events and deliveries", "deliveries", "queries", "List deliveries, newest first."),
    (
        "Events and deliveries",
        "dead",
        "queries",
        "List dead letters: deliveries that were given up, and why.",
    ),
    ("Events and deliveries", "requeue", "changes", "Try dead deliveries again, now."),
    ("Events and deliveries", "discard", "changes", "Give pending deliveries up."),
    ("Events and deliveries", "replay", "changes", "Send old events through the rules in force."),
    (
        "Refused requests",
        "quarantine",
        "quarantine",
        "List requests that were refused and are kept, newest first.",
    ),
    ("Refused requests", "reverify", "quarantine", "Verify refused requests again, and accept what passes."),
    ("Sinks", "pause", "changes", "Hold all deliveries to a sink."),
    ("Sinks", "resume", "changes", "Let deliveries to a sink go on."),
)


class Program(click.Group):
    """The group of all commands: loads one when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """Every command, in the order of the help page."""
        return [name for _, name, _, _ in COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's
        """The command of that name."""
        for _, name, module, _ in COMMANDS:
            if name == cmd_name:
                found = importlib.import_module(f"router.commands.{module}")
                return text_only(getattr(found, name.replace("-", "_")))
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that was asked for; a misspelt one is told what it may have meant."""
        try:
            return super().resolve_command(ctx, args)
        except NoSuchCommand:
            raise NoSuchCommand(args[0], possibilities=self.list_commands(ctx), ctx=ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click's
        """The help page's table, by what one is about to do."""
        for section in dict.fromkeys(entry[0] for entry in COMMANDS):
            with formatter.section(section):
                formatter.write_dl([(name, says) for title, name, _, says in COMMANDS if title == section])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what may go wrong becomes a message and an exit code."""
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            for problem in error.problems:
                click.echo(problem, err=True)
            ctx.exit(2)
        except Rejected as error:
            complain(str(error), error.fix)
            ctx.exit(2 if error.status in (400, 422) else 1)


def complain(message: str, fix: str) -> None:
    """An error as a person reads it: what is wrong, and below it what to do."""
    click.echo(f"{click.style('error:', fg='red', bold=True)} {message}", err=True)
    if fix:
        click.echo(f"  {click.style('fix:', bold=True)} {fix}", err=True)


_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(cls=Program, context_settings=_SETTINGS)
@config_option
@click.version_option(__version__, prog_name="visual-router")
@click.pass_context
def program(ctx: click.Context) -> None:
    """Routes webhooks of Chromatic, Percy and Happo to the sinks that need them.

    Completion: put this into ~/.bashrc, or the same with zsh_source into ~/.zshrc:

    \b
      eval "$(_VISUAL_ROUTER_COMPLETE=bash_source visual-router)"
    """  # noqa: D301  # click takes the character itself: the lines below it are not wrapped
    if os.environ.get("NO_COLOR"):
        ctx.color = False


def main() -> None:
    """The command `visual-router`; output that cannot be written is an error as any other."""
    _complete_streams()
    try:
        program(prog_name="visual-router")
    except OSError as error:
        if not _echoing(error):
            raise
        complain(f"the output cannot be written: {(error.strerror or str(error)).lower()}", "")
        sys.exit(1)
    finally:
        _drop_the_rest()


def _complete_streams() -> None:
    """Have all three standard streams, able to write any text.

    One that was closed fails when it is used, as in other programs; only standard error is silent, there is
    nowhere left to complain. Left closed, its number would go to the next file or connection, and what is
    printed would go there.
    """
    for name, mode, how in (
        ("stdin", "r", os.O_WRONLY),
        ("stdout", "w", os.O_RDONLY),
        ("stderr", "w", os.O_WRONLY),
    ):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, how), mode, encoding="utf-8"))
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        # As on standard error: a path that is not UTF-8 is shown with escapes.
        sys.stdout.reconfigure(errors="backslashreplace")


def _drop_the_rest() -> None:
    """Drop what cannot be written: Python would try it again, and complain, at the very end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _echoing(error: OSError) -> bool:
    """Whether it happened while something was printed."""
    return list(traceback.walk_tb(error.__traceback__))[-1][0].f_code is click.echo.__code__
