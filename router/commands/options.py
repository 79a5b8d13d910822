"""Options: what many commands take, and where the configuration is found.

Must stay cheap to import: `--help` loads it.
"""

import os
from collections.abc import Callable
from pathlib import Path
from shlex import quote
from typing import TypeVar

import click

from router.calling import called
from router.errors import Rejected

VARIABLE = "VISUAL_ROUTER_CONFIG"
PLACES = ("config.yaml", "/etc/visual-router/config.yaml")

_KEY = "router.config"
C = TypeVar("C", bound=Callable[..., object])


def config_option(command: C) -> C:
    """`--config FILE`, before or after the command; the last one given counts."""
    return click.option(
        "--config",
        metavar="FILE",
        expose_value=False,
        callback=_remember,
        type=click.Path(),
        help=f"The configuration [default: ${VARIABLE}, ./{PLACES[0]}, {PLACES[1]}].",
    )(command)


def json_option(command: C) -> C:
    """`--json`: one document instead of a table."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document, for scripts.")(
        command
    )


def config_path(ctx: click.Context) -> str:
    """The configuration's path, as given or as found.

    Raises:
        Rejected: there is none.
    """
    named = given(ctx) or os.environ.get(VARIABLE)
    if named:
        return named
    for place in PLACES:
        if Path(place).is_file():
            return place
    raise Rejected(
        f"no configuration: ${VARIABLE} is not set, and neither ./{PLACES[0]} nor {PLACES[1]} exists",
        "name one with --config FILE",
    )


def given(ctx: click.Context) -> str | None:
    """The path named by `--config`, if there is one."""
    path: str | None = ctx.meta.get(_KEY)
    return path


def again() -> str:
    """How to call this program again for the same configuration: what a line to paste begins with."""
    ctx = click.get_current_context(silent=True)
    named = None if ctx is None else given(ctx)
    return called() if named is None else f"{called()} --config {quote(named)}"


def _remember(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        ctx.meta[_KEY] = value
