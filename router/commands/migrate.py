"""Migrate: a whole journal, from SQLite to PostgreSQL, while no router runs."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from shlex import quote

import click
import msgspec
import structlog

from router.columns import grid, plural, span
from router.commands.daemon import known
from router.commands.options import FILE, config_option, json_option
from router.commands.terminal import print_json
from router.errors import JournalError, JournalUnavailable, Rejected
from router.secret import Secret, has_password, is_reference
from router.text import visible

_FORMS = "write sqlite:var/journal.db postgresql://user@host/database, or a reference such as env:NAME"
_POSTGRES = ("postgresql", "postgres")
_WAY = ("sqlite", "postgres")
# What goes other ways.
_ELSEWHERE = {
    ("sqlite", "sqlite"): ("FROM and TO are both SQLite", "visual-router backup FILE copies a journal"),
    ("postgres", "postgres"): (
        "FROM and TO are both PostgreSQL",
        "pg_dump and pg_restore copy a database, with its journal",
    ),
    ("postgres", "sqlite"): (
        "a journal is moved from SQLite to PostgreSQL only",
        "visual-router backup FILE writes the journal of a running router as a SQLite file",
    ),
}
_NOUNS = {
    "rulesets": "rulesets",
    "marks": "paused or held sinks",
    "events": "events",
    "bodies": "bodies",
    "seen": "subjects for duplicates",
    "settled_deliveries": "settled deliveries",
    "attempts": "attempts",
    "latest": "newest of each build",
    "quarantine": "refused requests",
    "open_deliveries": "open deliveries",
    "indexes": "indexes",
}
# Seconds between two signs of life: on a terminal they replace one another, in a log each is a line.
_EVERY = 0.2
_EVERY_LINE = 10.0


class Row(msgspec.Struct, frozen=True):
    """Of one kind, how many there are on both sides."""

    kind: str
    source: int
    target: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a move came to; `already`: it was finished before. `seconds` and `rows` are those of this run."""

    finished: bool
    already: bool
    rows: int
    seconds: float
    counts: list[Row]


class Progress:
    """Shows how far a move is, on standard error."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lively = sys.stderr.isatty()
        self._next = 0.0

    def show(self, kind: str, there: int, total: int) -> None:
        """So many rows of a kind are there, of so many; not every call is worth a line."""
        whole = there == total
        if self._now() < self._next and (self._lively or not whole or not total):
            return
        self._next = self._now() + (_EVERY if self._lively else _EVERY_LINE)
        line = f"{_NOUNS[kind]}: {there:,} of {total:,}"
        click.echo(f"\r\033[K{line}" if self._lively else line, nl=not self._lively, err=True)

    def end(self) -> None:
        """Take away what would stand in the way of the answer."""
        if self._lively:
            click.echo("\r\033[K", nl=False, err=True)


@click.command("migrate-journal", short_help="Move a journal from SQLite to PostgreSQL.")
@click.argument("source", metavar="FROM", type=FILE)
@click.argument("target", metavar="TO")
@click.option(
    "--may-lose-acknowledged-events",
    "may_lose",
    is_flag=True,
    help="Accept a server that may, as journal.may_lose_acknowledged_events does.",
)
@config_option
@json_option
def migrate_journal(source: str, target: str, *, may_lose: bool, as_json: bool) -> None:
    """Move a whole journal from SQLite to PostgreSQL, while no router runs.

    FROM is sqlite:PATH, TO is postgresql://user@host/database; a URL with a password is written as a
    reference: env:NAME, file:/path or credential:NAME. Events, deliveries, attempts and whatever else there
    is keep their ids. Run it again if it was interrupted: it goes on where it was. At the end both sides are
    counted; exit code 1 if they differ. FROM is left as it is.
    """
    path, url = _ends(_value("FROM", source), _value("TO", target))
    # A warning of the journal is no part of the document.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    report = _moved(path, url, may_lose=may_lose)
    if as_json:
        print_json(msgspec.json.encode(report))
    else:
        click.echo(page(report, path))
    if not report.finished:
        fix = "no router opens the target like this: drop it, make an empty database, and move once more"
        raise Rejected("the counts differ", fix, 409)


def page(report: Report, path: Path) -> str:
    """What is on both sides, and what to do next."""
    if report.already:
        lines = ["moved before: the target holds all of it"]
    else:
        rows = [[_NOUNS[row.kind], f"{row.source:,}", f"{row.target:,}"] for row in report.counts]
        rate = report.rows / max(report.seconds, 0.001)
        speed = f"{plural(report.rows, 'row')} in {span(report.seconds)}: {rate:,.0f} a second"
        lines = [grid(["", "FROM", "TO"], rows, None), "", speed]
    if report.finished:
        places = [Path(f"{path}{suffix}") for suffix in ("", "-wal", "-shm", ".lock")]
        files = " ".join(quote(str(place)) for place in places if place.exists())
        lines += [
            "",
            "next: write TO as journal.url into the configuration and start the router; start none on FROM",
            "again, it would deliver a second time what is open. Once all is well: rm " + visible(files),
        ]
    return "\n".join(lines)


def _moved(path: Path, url: str, *, may_lose: bool) -> Report:
    try:
        # Its driver is an extra, and `--help` does not need it.
        from router.journal.moving import move  # noqa: PLC0415  # see above
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("psycopg"):
            raise
        raise Rejected(
            "the driver of PostgreSQL is not there", "run: pip install 'visual-router[postgres]'", 409
        ) from None
    progress, began = Progress(), time.monotonic()
    try:
        verdict = move(path, url, progress.show, may_lose=may_lose)
    except JournalUnavailable as error:
        fix = "run the same command again once that is over: it goes on where it was"
        raise Rejected(str(error), fix, 503) from None
    except JournalError as error:
        raise Rejected(str(error), status=409) from None
    finally:
        progress.end()
    return Report(
        finished=verdict.same,
        already=verdict.already,
        rows=verdict.added,
        seconds=time.monotonic() - began,
        counts=[Row(count.kind, count.source, count.target) for count in verdict.counts],
    )


def _value(name: str, given: str) -> str:
    """What was given, or the value behind the reference."""
    if not is_reference(given):
        if has_password(given):
            raise Rejected(
                f"{name} holds a password in plain sight, where every user of this host can read it",
                "use env:NAME, file:/path or credential:NAME for the whole URL",
            )
        return given
    try:
        return known(Secret.parse(given)).reveal()
    except ValueError as error:
        raise Rejected(f"{name}: {error}") from None


def _ends(source: str, target: str) -> tuple[Path, str]:
    """The file and the URL that a journal is moved between; neither is repeated."""
    kinds = (_backend(source), _backend(target))
    if kinds in _ELSEWHERE:
        raise Rejected(*_ELSEWHERE[kinds])
    for name, kind, wanted in zip(("FROM", "TO"), kinds, _WAY, strict=True):
        if kind != wanted:
            raise Rejected(f"{name} is no journal", _FORMS)
    path = source.partition(":")[2]
    if not path or path.startswith(("//", ":")):
        raise Rejected("FROM names no file", "write sqlite:var/journal.db or sqlite:/var/lib/journal.db")
    return Path(path), target


def _backend(url: str) -> str:
    scheme = url.partition(":")[0]
    return "postgres" if scheme in _POSTGRES else scheme
