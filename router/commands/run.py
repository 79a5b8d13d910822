"""Run: the daemon itself."""

import click

from router.app import run as run_app
from router.commands.options import config_option, config_path


@click.command(short_help="Run the router until it is told to stop.")
@config_option
@click.pass_context
def run(ctx: click.Context) -> None:
    """Run the router until it is told to stop.

    SIGHUP reloads the configuration, SIGTERM and SIGINT stop: what runs is finished within `server.grace`,
    the rest is kept for the next start.
    """
    ctx.exit(run_app(config_path(ctx)))
