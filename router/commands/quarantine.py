"""Refused requests: what the quarantine holds, and what becomes of it."""

import sys

import click
import msgspec
from click.core import ParameterSource

from router.admin.refusals import (
    Discarded,
    FailedRow,
    RefusedPage,
    RefusedReport,
    ReleasedRow,
    Reverified,
)
from router.client import Client
from router.columns import grid, listing, plural
from router.commands.daemon import AT_ONCE, LONG, quoted, reach
from router.commands.options import config_option, json_option
from router.commands.terminal import read, show, waiting
from router.errors import Rejected
from router.tables import View
from router.text import readable_json, visible

_NARROW = {"SOURCE": 8, "WHY": 28}


@click.group(
    short_help="List requests that were refused and are kept, newest first.", invoke_without_command=True
)
@click.option("--source", metavar="NAME", help="Only to this source.")
@click.option("--before", metavar="ID", help="Continue a list: only what is older than this.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 500), help="How many.")
@config_option
@json_option
@click.pass_context
def quarantine(
    ctx: click.Context, source: str | None, before: str | None, limit: int, *, as_json: bool
) -> None:
    """List requests that were refused and are kept, newest first.

    A request to a known source whose signature is wrong, or whose body does not decode, is answered 401 or
    400 and kept. Repair the secret and reverify: a wrong secret costs nothing.
    """
    if ctx.invoked_subcommand is None:
        query = {"source": source, "before": before, "limit": str(limit)}
        show(reach(ctx).get("/quarantine", query), RefusedPage, refused_page, as_json=as_json)
        return
    for name in ("before", "limit"):
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name} bounds the list, and is nothing to '{ctx.invoked_subcommand}'.")
    # What stands ahead of a verb is meant for it: unheard, `--source` would let `discard --all` take all.
    ahead = {"as_json": as_json, **({} if source is None else {"source": source})}
    ctx.default_map = {"show": ahead, "discard": ahead}


@quarantine.command("show", short_help="Show one refused request with its body.")
@click.argument("id_", metavar="ID")
@config_option
@json_option
@click.pass_context
def show_one(ctx: click.Context, id_: str, *, as_json: bool) -> None:
    """Show one refused request (req_…) with its body; in JSON the body is base64."""
    show(reach(ctx).get(f"/quarantine/{quoted(id_)}"), RefusedReport, refused_report, as_json=as_json)


@quarantine.command(short_help="Delete refused requests.")
@click.argument("ids", metavar="[ID…]", nargs=-1)
@click.option("--source", metavar="NAME", help="All of this source.")
@click.option("--all", "all_", is_flag=True, help="All there are.")
@click.option("--yes", is_flag=True, help="Do not ask before deleting more than what is named.")
@config_option
@json_option
@click.pass_context
def discard(
    ctx: click.Context, ids: tuple[str, ...], source: str | None, *, all_: bool, yes: bool, as_json: bool
) -> None:
    """Delete refused requests for good."""
    _one_of(ids, source, all_=all_)
    if not ids and not yes:
        which = "everything in quarantine" if source is None else f"everything refused by '{source}'"
        if not sys.stdin.isatty():
            raise click.UsageError(f"Discarding {which} wants --yes.")
        click.confirm(f"Discard {which}?", abort=True, err=True)
    count = 0
    with waiting("discarding"):
        client = reach(ctx)
        for body in _bodies(ids, source):
            count += read(client.post("/quarantine/discard", body, limit=LONG), Discarded).count
    raw = msgspec.json.encode(Discarded(count))
    show(
        raw, Discarded, lambda done, _: f"{plural(done.count, 'refused request')} discarded", as_json=as_json
    )


@click.command(short_help="Verify refused requests again, and accept what passes.")
@click.argument("ids", metavar="[ID…]", nargs=-1)
@click.option("--source", metavar="NAME", help="All of this source.")
@click.option("--all", "all_", is_flag=True, help="All there are.")
@config_option
@json_option
@click.pass_context
def reverify(
    ctx: click.Context, ids: tuple[str, ...], source: str | None, *, all_: bool, as_json: bool
) -> None:
    """Verify refused requests again, as of their receipt, and accept what passes.

    With the secrets and rules in force now. So first repair the secret; then reload if it is a file: secret,
    restart the router if it is env: or credential:, which are read only at the start. What passes becomes an
    event and is delivered; what does not stays. Exit code 1 if anything is still refused.
    """
    _one_of(ids, source, all_=all_)
    with waiting("verifying"):
        done = _reverified(reach(ctx), ids, source)
    show(msgspec.json.encode(done), Reverified, lambda told, _: reverified(told), as_json=as_json)
    ctx.exit(1 if done.failed else 0)


def refused_page(page: RefusedPage, view: View) -> str:
    """A list of refused requests."""
    if not page.requests:
        return "no refused requests"
    rows = [
        [row.id, view.ago(row.received_at), row.source, row.reason, f"{row.size:,}"] for row in page.requests
    ]
    table = grid(["ID", "WHEN", "SOURCE", "WHY", "BYTES"], rows, view.cells, _NARROW)
    return table if page.next is None else f"{table}\n\nmore: --before {page.next}"


def refused_report(report: RefusedReport, view: View) -> str:
    """One refused request: what is known of it, and its body with every character made harmless."""
    row = report.request
    facts = [
        ("request", row.id),
        ("received", view.exact(row.received_at)),
        ("source", row.source),
        ("why", row.reason),
        ("signature", _signature(report.headers, verified=row.verified)),
        ("bytes", f"{row.size:,}"),
        *((f"labels.{name}", value) for name, value in report.labels.items()),
    ]
    body = "\n".join(f"  {line}" for line in readable_json(report.body).split("\n"))
    return f"{listing(facts)}\n\nbody\n{body}"


def reverified(done: Reverified) -> str:
    """What became of each request, and the sum."""
    lines = [_released(row) for row in done.released]
    lines += [f"{row.id}{_of(row)} is still refused: {row.reason}" for row in done.failed]
    news = sum(not row.duplicate for row in done.released)
    total = f"{plural(news, 'event')} accepted, {plural(len(done.released) - news, 'duplicate')}"
    if done.failed:
        total += f", {plural(len(done.failed), 'request')} still refused"
    return "\n".join([*map(visible, lines), total])


def _signature(headers: list[str], *, verified: bool) -> str:
    if headers:
        return f"{'right' if verified else 'not verified'}, {', '.join(headers)} kept"
    return "none, and none was asked for" if verified else "not verified, there was none"


def _released(row: ReleasedRow) -> str:
    known = "was known as" if row.duplicate else "accepted as"
    return f"{row.id} of {row.source} {known} {row.event_id}"


def _of(row: FailedRow) -> str:
    return "" if row.source is None else f" of {row.source}"


def _one_of(ids: tuple[str, ...], source: str | None, *, all_: bool) -> None:
    if [bool(ids), source is not None, all_].count(True) != 1:
        raise click.UsageError("Name either IDs or a --source, or say --all.")


def _bodies(ids: tuple[str, ...], source: str | None) -> list[dict[str, object]]:
    """What to post: one request for a source or for all, as many as it takes for ids."""
    if source is not None:
        return [{"source": source}]
    if not ids:
        return [{"all": True}]
    ordered = sorted(set(ids))
    return [{"ids": ordered[start : start + AT_ONCE]} for start in range(0, len(ordered), AT_ONCE)]


def _reverified(client: Client, ids: tuple[str, ...], source: str | None) -> Reverified:
    done = Reverified([], [])
    for body in _bodies(ids, source):
        try:
            part = read(client.post("/quarantine/reverify", body, limit=LONG), Reverified)
        except Rejected as error:
            before = f"; {plural(len(done.released), 'request')} had been accepted before" * bool(
                done.released
            )
            raise Rejected(f"{error}{before}", error.fix, error.status) from None
        done = Reverified(done.released + part.released, done.failed + part.failed)
    return done
