"""Verify: a journal file, looked at without a daemon."""

from pathlib import Path

import click
import msgspec

from router.columns import plural
from router.commands.options import FILE, config_option, json_option
from router.commands.terminal import print_json
from router.errors import JournalError, Rejected
from router.journal.sqlite.verify import Verdict
from router.journal.sqlite.verify import verify as verdict_of
from router.text import path_text, visible

_NOUNS = {
    "events": "event",
    "open_deliveries": "open delivery",
    "settled_deliveries": "settled delivery",
    "attempts": "attempt",
    "quarantine": "refused request",
}


@click.command(short_help="Check a backup, or a journal whose daemon is stopped.")
@click.argument("file", type=FILE)
@config_option
@json_option
@click.pass_context
def verify(ctx: click.Context, file: str, *, as_json: bool) -> None:
    """Check a backup, or a journal whose daemon is stopped, without changing anything.

    Every page and index is read, and what must hold between events, deliveries and attempts is looked for.
    Exit code 1 if anything is wrong.
    """
    try:
        verdict = verdict_of(Path(file))
    except JournalError as error:
        raise Rejected(str(error), status=409) from None
    if as_json:
        print_json(msgspec.json.encode(msgspec.structs.replace(verdict, path=path_text(verdict.path))))
    else:
        click.echo(page(verdict))
    ctx.exit(1 if verdict.problems else 0)


def page(verdict: Verdict) -> str:
    """What there is, and what is wrong."""
    age = "" if verdict.version == verdict.newest else f", {verdict.newest} after the next start"
    rows = ", ".join(plural(count, _NOUNS[table]) for table, count in verdict.rows.items())
    lines = [f"{verdict.path}: version {verdict.version}{age}; {rows}"]
    lines += [f"  {problem}" for problem in verdict.problems]
    lines.append(plural(len(verdict.problems), "problem") if verdict.problems else "sound")
    return "\n".join(map(visible, lines))
