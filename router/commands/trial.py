"""Trial: rules and sinks on a body, without a daemon, without sending anything and without any secret."""

import time

import click
import msgspec

from router import tables
from router.admin.answers import EventRow
from router.admin.hindsight import verdict_rows
from router.commands.bodies import decode, read_body, source_for
from router.commands.options import FILE, config_option, config_path, json_option, label_option
from router.commands.terminal import print_json, view
from router.config.load import load
from router.delivery import Delivery, State
from router.errors import Rejected, Unrenderable
from router.spelling import near

# An id as it would be given, for what prints it: nothing is recorded.
_ID = "evt_0000000000000"


@click.command(short_help="Say rule by rule what happens to an event, and why.")
@click.option("--source", metavar="NAME", help="The source [default: the only one it fits].")
@label_option
@click.argument("body", type=FILE)
@config_option
@json_option
@click.pass_context
def explain(
    ctx: click.Context, source: str | None, labels: dict[str, str], body: str, *, as_json: bool
) -> None:
    """Say what the rules make of an event: each one matched, or the condition that failed and on what.

    BODY is what a provider posts: a file, - for standard input, or a sample (see send --list).
    """
    config = load(config_path(ctx))
    raw = read_body(body, config.sources, source)
    event = decode(source_for(config.sources, source, raw), raw.raw, time.time(), labels)
    verdicts = verdict_rows(config.matcher, event)
    routes = config.matcher.match(event)
    if as_json:
        row = EventRow.of(event)
        print_json(msgspec.json.encode({"event": row, "verdicts": verdicts, "routes": routes}))
    else:
        click.echo(tables.trial(EventRow.of(event), verdicts, [route.sink for route in routes], view()))


@click.command(short_help="Show what a sink would send for an event.")
@click.option("--sink", metavar="NAME", required=True, help="The sink.")
@click.option("--source", metavar="NAME", help="The source [default: the only one it fits].")
@label_option
@click.argument("body", type=FILE)
@config_option
@json_option
@click.pass_context
def render(
    ctx: click.Context, sink: str, source: str | None, labels: dict[str, str], body: str, *, as_json: bool
) -> None:
    """Show what a sink would send for an event, without sending it.

    BODY is what a provider posts: a file, - for standard input, or a sample (see send --list). If a rule
    sends such an event there, it is rendered under that rule, with the rule's message.
    """
    config = load(config_path(ctx))
    if sink not in config.sinks:
        raise Rejected(f"no sink is called '{sink}'", near(sink, config.sinks, "sinks"))
    raw = read_body(body, config.sources, source)
    now = time.time()
    event = decode(source_for(config.sources, source, raw), raw.raw, now, labels)
    rule = next((route.rule for route in config.matcher.match(event) if route.sink == sink), None)
    delivery = Delivery(
        id="dlv_0000000000000",
        event_id=_ID,
        sink=sink,
        rule=rule or "",
        state=State.PENDING,
        due=now,
        created_at=now,
        claim=1,
    )
    message = None if rule is None else config.matcher.message(rule)
    try:
        text = config.sinks[sink].preview(msgspec.structs.replace(event, id=_ID), delivery, now, message)
    except Unrenderable as error:
        raise Rejected(
            f"sink '{sink}' cannot render this event: {error}", "look at its template", 409
        ) from None
    if as_json:
        print_json(msgspec.json.encode({"sink": sink, "rule": rule, "text": text}))
        return
    if rule is None:
        click.echo(f"note: no rule sends this event to '{sink}'", err=True)
    click.echo(text)
