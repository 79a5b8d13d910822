"""Changes: what the running router is told to do: requeue, discard, replay, pause, resume, reload, backup."""

import sys
from pathlib import Path

import click
import msgspec

from router import aftermath, tables
from router.admin.answers import Changed, Copied, Idle, Replayed, SinkRow, Skipped
from router.admin.reloads import Reload
from router.client import Client
from router.columns import plural
from router.commands.daemon import AT_ONCE, LONG, quoted, reach
from router.commands.options import FILE, config_option, config_path, encodable, given, json_option
from router.commands.terminal import print_json, read, show, view, waiting
from router.config.changes import file_digest
from router.errors import Rejected


@click.command(short_help="Try dead deliveries again, now.")
@click.argument("ids", metavar="[ID…]", nargs=-1)
@click.option("--sink", metavar="NAME", help="All dead deliveries of this sink.")
@config_option
@json_option
@click.pass_context
def requeue(ctx: click.Context, ids: tuple[str, ...], sink: str | None, *, as_json: bool) -> None:
    """Try dead deliveries again, now, with a fresh retry schedule.

    ID is a delivery (dlv_…) or an event (evt_…: all of its). Exit code 1 if none of the named was dead;
    a sink without dead deliveries is fine.
    """
    _one_of(ids, sink)
    with waiting("requeueing"):
        raw = _change(reach(ctx), "requeue", ids, sink, {})
    document = show(raw, Changed, aftermath.requeued, as_json=as_json)
    ctx.exit(1 if ids and not document.count else 0)


@click.command(short_help="Give pending deliveries up.")
@click.argument("ids", metavar="[ID…]", nargs=-1)
@click.option("--sink", metavar="NAME", help="All pending deliveries of this sink.")
@click.option(
    "--reason", default="discarded by an operator", show_default=True, help="Kept with each of them."
)
@click.option("--yes", is_flag=True, help="Do not ask before discarding a whole sink's.")
@config_option
@json_option
@click.pass_context
def discard(
    ctx: click.Context, ids: tuple[str, ...], sink: str | None, reason: str, *, yes: bool, as_json: bool
) -> None:
    """Give pending deliveries up: they become dead letters, and requeue brings them back.

    ID is a delivery (dlv_…) or an event (evt_…: all of its). Exit code 1 if none of the named was pending.
    """
    _one_of(ids, sink)
    if sink is not None and not yes:
        if not sys.stdin.isatty():
            raise click.UsageError(f"Discarding everything pending for '{sink}' wants --yes.")
        click.confirm(f"Discard everything pending for '{sink}'?", abort=True, err=True)
    with waiting("discarding"):
        raw = _change(reach(ctx), "discard", ids, sink, {"reason": reason})
    document = show(raw, Changed, aftermath.discarded, as_json=as_json)
    ctx.exit(1 if ids and not document.count else 0)


@click.command(short_help="Send old events through the rules in force.")
@click.argument("ids", metavar="EVENT…", nargs=-1, required=True)
@config_option
@json_option
@click.pass_context
def replay(ctx: click.Context, ids: tuple[str, ...], *, as_json: bool) -> None:
    """Send old events through the rules in force: every sink they name that has not had the event gets it.

    A sink that had it already does not get it again; for a dead delivery there is requeue.
    """
    client, done = reach(ctx), list[Replayed]()
    try:
        with waiting(f"replaying {plural(len(ids), 'event')}"):
            for each in dict.fromkeys(ids):
                done.append(read(client.post(f"/events/{quoted(each)}/replay"), Replayed))
    except Rejected as error:
        if not done:
            raise
        _tell(done, as_json=as_json)
        before = f"{plural(len(done), 'event')} had been replayed before"
        raise Rejected(f"{error}; {before}", error.fix, error.status) from None
    _tell(done, as_json=as_json)


@click.command(short_help="Hold all deliveries to a sink.")
@click.argument("sink")
@click.option("--reason", default="paused by an operator", show_default=True, help="Shown by status.")
@config_option
@json_option
@click.pass_context
def pause(ctx: click.Context, sink: str, reason: str, *, as_json: bool) -> None:
    """Hold all deliveries to a sink, over restarts and reloads, until resume."""
    raw = reach(ctx).post(f"/sinks/{quoted(sink)}/pause", {"reason": reason})
    show(raw, SinkRow, tables.sink, as_json=as_json)


@click.command(short_help="Let deliveries to a sink go on.")
@click.argument("sink")
@config_option
@json_option
@click.pass_context
def resume(ctx: click.Context, sink: str, *, as_json: bool) -> None:
    """Let deliveries to a paused, held or failing sink go on: what waited for it is due now."""
    with waiting("resuming"):
        raw = reach(ctx).post(f"/sinks/{quoted(sink)}/resume", limit=LONG)
    show(raw, SinkRow, tables.sink, as_json=as_json)


@click.command(short_help="Validate the configuration, then put it into force.")
@config_option
@json_option
@click.pass_context
def reload(ctx: click.Context, *, as_json: bool) -> None:
    """Validate the configuration file of the running router, then put sources, rules and sinks into force.

    A file with problems changes nothing: they are listed, and the exit code is 2. It is the router's own file
    that is read: if --config names one with other content, that is said, and the exit code is 1.
    """
    with waiting("reloading"):
        raw = reach(ctx).post("/reload", limit=LONG, expected=(422,))
    document = show(raw, Reload, tables.reload, as_json=as_json)
    for problem in document.problems:
        click.echo(problem, err=True)
    mistaken = _read_another(ctx, document)
    ctx.exit(2 if not document.ok else 1 if mistaken else 0)


@click.command(short_help="Have the router write a consistent copy of its journal.")
@click.argument("file", type=FILE)
@config_option
@json_option
@click.pass_context
def backup(ctx: click.Context, file: str, *, as_json: bool) -> None:
    """Have the running router write a consistent copy of its journal to a new FILE.

    The router writes it, so it must be allowed to: under systemd that is below /var/lib/visual-router. The
    copy opens as a journal.
    """
    path = encodable(str(Path(file).absolute()))
    with waiting(f"writing {path}"):
        raw = reach(ctx).post("/backup", {"path": path}, limit=LONG)
    show(raw, Copied, lambda document, _: tables.copied(document), as_json=as_json)


def _read_another(ctx: click.Context, document: Reload) -> bool:
    """Say that the router read another file than this command's own; True: than the one named by --config.

    Compared is what they hold: a container has the same file at another path, or another at the same.
    """
    path = config_path(ctx)
    if document.sha256 in ("", file_digest(path)):
        return False
    named = given(ctx) is not None
    said = f"the router read '{document.config}', not '{Path(path).absolute()}', which holds something else"
    click.echo(f"{'error' if named else 'warning'}: {said}", err=True)
    click.echo("  fix: write it there and reload, or start the router with --config", err=True)
    return named


def _tell(done: list[Replayed], *, as_json: bool) -> None:
    """What was replayed, a line each."""
    if as_json:
        print_json(msgspec.json.encode({"replayed": done}))
    else:
        click.echo("\n".join(aftermath.replayed(one, view()) for one in done))


def _one_of(ids: tuple[str, ...], sink: str | None) -> None:
    if bool(ids) == (sink is not None):
        raise click.UsageError("Name either IDs or a --sink.")


def _change(client: Client, verb: str, ids: tuple[str, ...], sink: str | None, more: dict[str, str]) -> bytes:
    """One request for a sink, as many as it takes for ids; the answers added up."""
    path = f"/deliveries/{verb}"
    if sink is not None:
        return client.post(path, {"sink": sink, **more}, limit=LONG)
    count, skipped, idle = 0, list[Skipped](), list[Idle]()
    for start in range(0, len(ids), AT_ONCE):
        try:
            raw = client.post(path, {"ids": ids[start : start + AT_ONCE], **more}, limit=LONG)
        except Rejected as error:
            done = f"; {plural(count, 'delivery')} had been changed before" if count else ""
            raise Rejected(f"{error}{done}", error.fix, error.status) from None
        answer = read(raw, Changed)
        count += answer.count
        skipped += answer.skipped
        idle += answer.idle
    return msgspec.json.encode(Changed(count, skipped, idle))
