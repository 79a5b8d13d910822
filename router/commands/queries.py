"""Queries: what the running router is asked: status, events, show, deliveries, dead."""

from collections.abc import Callable
from functools import partial
from shlex import quote
from typing import TypeVar

import click

from router import tables
from router.admin.answers import DeliveryPage, DeliveryRow, EventPage, EventReport, Status
from router.commands.daemon import quoted, reach
from router.commands.options import again, config_option, json_option
from router.commands.terminal import show as show_answer
from router.commands.terminal import waiting
from router.delivery import State
from router.errors import Rejected
from router.event import KINDS, STATUSES
from router.tables import View

C = TypeVar("C", bound=Callable[..., object])

_LOOKING = "looking through the journal"


def _paged(command: C, since: str = "Only from then on") -> C:
    """What every list takes."""
    for option in (
        click.option("--before", metavar="ID", help="Continue a list: only what is older than this."),
        click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 500), help="How many."),
        click.option("--since", metavar="TIME", help=f"{since}: 2h, 7d, 2026-01-31."),
    ):
        command = option(command)
    return command


@click.command(short_help="Show how the running router stands: sources, sinks, queues.")
@config_option
@json_option
@click.pass_context
def status(ctx: click.Context, *, as_json: bool) -> None:
    """Show how the running router stands: sources, sinks, queues.

    Exit code 1 if it is not ready to take events.
    """
    document = show_answer(reach(ctx).get("/status"), Status, tables.status, as_json=as_json)
    ctx.exit(1 if document.unready else 0)


@click.command(short_help="List events, newest first.")
@click.option("--source", metavar="NAME", help="Only of this source.")
@click.option("--provider", metavar="NAME", help="Only of this provider.")
@click.option("--kind", type=click.Choice(KINDS), help="Only of this kind.")
@click.option("--status", type=click.Choice(STATUSES), help="Only of this status.")
@click.option("--branch", metavar="NAME", help="Only of this branch.")
@click.option("--project", metavar="NAME", help="Only of this project.")
@click.option("--text", help="Only with this text in title, branch, author, commit, build or project.")
@_paged
@config_option
@json_option
@click.pass_context
def events(ctx: click.Context, /, *, as_json: bool, limit: int, **filters: str | None) -> None:
    """List events, newest first."""
    with waiting(_LOOKING):
        raw = reach(ctx).get("/events", {**filters, "limit": str(limit)})
    show_answer(raw, EventPage, tables.events, as_json=as_json)


@click.command(short_help="Show one event or delivery with everything known about it.")
@click.argument("id_", metavar="ID")
@click.option(
    "--now", "today", is_flag=True, help="Explain under the rules in force, not under those of its hour."
)
@config_option
@json_option
@click.pass_context
def show(ctx: click.Context, id_: str, *, today: bool, as_json: bool) -> None:
    """Show one event (evt_…) or delivery (dlv_…) with everything known about it.

    Of an event: its fields, what each rule said under the rules of its hour, its deliveries with every
    attempt, and its body as the provider sent it.
    """
    if id_.startswith("req_"):
        fix = f"{again()} quarantine show {quote(id_)}"
        raise Rejected(f"'{id_}' is a refused request, no event or delivery", fix)
    if not id_.startswith(("evt_", "dlv_")):
        raise Rejected(f"'{id_}' is no id", "ids begin with evt_ or dlv_: events and deliveries list them")
    client = reach(ctx)
    if id_.startswith("dlv_"):
        raw = client.get(f"/deliveries/{quoted(id_)}")
        show_answer(raw, DeliveryRow, tables.delivery, as_json=as_json)
        return
    raw = client.get(f"/events/{quoted(id_)}", {"now": "1"} if today else None)
    show_answer(raw, EventReport, tables.event, as_json=as_json)


@click.command(short_help="List deliveries, newest first.")
@click.option("--sink", metavar="NAME", help="Only to this sink.")
@click.option("--state", type=click.Choice([state.value for state in State]), help="Only in this state.")
@click.option("--event", metavar="ID", help="Only of this event.")
@_paged
@config_option
@json_option
@click.pass_context
def deliveries(ctx: click.Context, /, *, as_json: bool, limit: int, **filters: str | None) -> None:
    """List deliveries, newest first."""
    with waiting(_LOOKING):
        raw = reach(ctx).get("/deliveries", {**filters, "limit": str(limit)})
    show_answer(raw, DeliveryPage, tables.deliveries, as_json=as_json)


@click.command(short_help="List dead letters: deliveries that were given up, and why.")
@click.option("--sink", metavar="NAME", help="Only to this sink.")
@partial(_paged, since="Only what was given up from then on")
@config_option
@json_option
@click.pass_context
def dead(ctx: click.Context, /, *, as_json: bool, limit: int, **filters: str | None) -> None:
    """List dead letters: deliveries that were given up, and why.

    `visual-router requeue ID…` tries them again.
    """
    with waiting(_LOOKING):
        raw = reach(ctx).get("/deliveries", {**filters, "state": "dead", "limit": str(limit)})
    show_answer(raw, DeliveryPage, _letters, as_json=as_json)


def _letters(page: DeliveryPage, view: View) -> str:
    """Dead letters as a table; that there are none is said in the word that was asked for."""
    return tables.deliveries(page, view) if page.deliveries else "no dead letters"
