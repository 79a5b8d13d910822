"""Send: a provider's event, as that provider would post it, to the running router."""

import random
import sys
import time
from urllib.parse import urlencode

import click
import msgspec

from router.admin.answers import Refusal
from router.client import Answer, exchange
from router.commands.bodies import read_body, source_for
from router.commands.daemon import known, quoted
from router.commands.options import FILE, again, config_option, config_path, json_option, label_option
from router.commands.terminal import print_json, read
from router.config.load import load
from router.errors import Rejected
from router.sources import samples
from router.sources.source import Source
from router.units import Listen

# Two operators must not choose the same ids.
_CHANCE = random.SystemRandom()
_HIGHEST = 1_000_000_000

_FIXES = {
    400: "send one JSON object, as the provider posts it",
    401: "the router has another secret or token, or allow_from keeps this host out",
    404: "the running router knows no such source: {again} reload",
    413: "the body is over the source's max_body; raise that and reload",
    429: "the source is over its rate; try again later",
    503: "the router cannot commit now; {again} status says why",
}


class Receipt(msgspec.Struct, frozen=True):
    """The answer to an accepted event."""

    id: str
    duplicate: bool


@click.command(short_help="Post a signed sample event to the running router.")
@click.option("--source", metavar="NAME", help="The source [default: the only one it fits].")
@label_option
@click.option("--list", "listing", is_flag=True, help="List the samples instead.")
@click.argument("event", required=False, type=FILE)
@config_option
@json_option
@click.pass_context
def send(
    ctx: click.Context,
    source: str | None,
    labels: dict[str, str],
    event: str | None,
    *,
    listing: bool,
    as_json: bool,
) -> None:
    """Post a provider's event to the running router, signed as the provider signs.

    EVENT is a sample (chromatic/v2-build-pending or v2-build-pending), a file, or - for standard input. A
    sample gets fresh ids, so that it is not taken for a resend; a file is posted byte for byte.
    """
    if listing:
        _list(as_json=as_json)
        return
    if event is None:
        raise click.UsageError("Name an EVENT; --list lists the samples.")
    path = config_path(ctx)
    config = load(path)
    body = read_body(event, config.sources, source)
    chosen = source_for(config.sources, source, body)
    raw = body.raw
    if body.provider is not None:
        raw = samples.fresh(body.provider, raw, _CHANCE.randrange(1, _HIGHEST))
    answer = _post(chosen, raw, labels, config.server.listen, path)
    if answer.status != 202:
        raise _refusal(answer, chosen.name)
    receipt = read(answer.body, Receipt)
    if as_json:
        print_json(answer.body)
        return
    known_already = ", a duplicate: it was there already" if receipt.duplicate else ""
    click.echo(f"{receipt.id} accepted by {chosen.name}{known_already}")
    if sys.stdout.isatty():
        click.echo(f"what becomes of it: {again()} show {receipt.id}")


def _post(source: Source, raw: bytes, labels: dict[str, str], listen: Listen, config: str) -> Answer:
    """Sign and post as the provider would; only this source's secrets are read."""
    secrets = tuple(known(secret) for secret in source.secret[:1])
    headers = msgspec.structs.replace(source, secret=secrets).sign(raw, time.time())
    path = f"/hooks/{quoted(source.name)}"
    if source.token is not None:
        path += f"/{quoted(known(source.token).reveal())}"
    if labels:
        path += f"?{urlencode(labels)}"
    return exchange(listen, "POST", path, {**headers, "Content-Type": "application/json"}, raw, config)


def _refusal(answer: Answer, source: str) -> Rejected:
    try:
        error = msgspec.json.decode(answer.body, type=Refusal).error
    except msgspec.DecodeError:
        error = "not an answer of visual-router"
    # Whatever the status says about the request, the command was used as it should be.
    message = f"'{source}' answered {answer.status}: {error}"
    return Rejected(message, _FIXES.get(answer.status, "").format(again=again()), 502)


def _list(*, as_json: bool) -> None:
    names = samples.names()
    if as_json:
        print_json(msgspec.json.encode({"samples": names}))
    else:
        click.echo("\n".join(names))
