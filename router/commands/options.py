"""Options: what many commands take, and where the configuration is found.

Must stay cheap to import: `--help` loads it.

What is said to a daemon or looked up by name is text; paths are what the system takes for one, UTF-8 or not.
"""

import os
from collections.abc import Callable
from pathlib import Path
from shlex import quote
from typing import TypeVar

import click

from router.calling import called
from router.errors import Rejected
from router.text import path_text, visible

VARIABLE = "VISUAL_ROUTER_CONFIG"
PLACES = ("config.yaml", "/etc/visual-router/config.yaml")

# What may not be read is told by whoever reads it, with its place and what to do.
FILE = click.Path(readable=False)

_KEY = "router.config"
C = TypeVar("C", bound=Callable[..., object])


class _Text(click.types.StringParamType):
    """An argument that is text: `Rejected` unless it is UTF-8."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See `click.ParamType.convert`."""
        return encodable(super().convert(value, param, ctx))


_TEXT = _Text()


def text_only(command: click.Command) -> click.Command:
    """The command, whose arguments are text unless they say otherwise: none becomes half of a request."""
    for each in command.params:
        if each.type is click.STRING:
            each.type = _TEXT
    if isinstance(command, click.Group):
        for part in command.commands.values():
            text_only(part)
    return command


def encodable(text: str) -> str:
    """The text; one with bytes that are not UTF-8 is `Rejected`."""
    try:
        text.encode()
    except UnicodeEncodeError:
        # A URL may hold a password.
        shown = "the URL" if "://" in text else f"'{path_text(text)}'"
        raise Rejected(f"{shown} is not UTF-8", "write it in UTF-8") from None
    return text


def config_option(command: C) -> C:
    """`--config FILE`, before or after the command; the last one given counts."""
    return click.option(
        "--config",
        metavar="FILE",
        expose_value=False,
        callback=_remember,
        type=FILE,
        help=f"The configuration [default: ${VARIABLE}, ./{PLACES[0]}, {PLACES[1]}].",
    )(command)


def json_option(command: C) -> C:
    """`--json`: one document instead of a table."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document, for scripts.")(
        command
    )


def label_option(command: C) -> C:
    """`--label NAME=VALUE`: what the query of the hook's URL says; a map in `labels`."""
    told = "A label, as ?NAME=VALUE behind the hook's URL gives it; as many as you like."
    return click.option(
        "--label", "labels", metavar="NAME=VALUE", multiple=True, callback=_labels, help=told
    )(command)


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


def _labels(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    if not values:
        return {}
    from router.intake import labels_of  # noqa: PLC0415  # the accept path is slow to load, and labels are rare

    labels = dict[str, str]()
    for each in values:
        name, equals, value = each.partition("=")
        if not equals:
            raise Rejected(f"'{each}' is no label", "write NAME=VALUE")
        labels[name] = value
        if name not in labels_of(labels):
            fix = "it gives up to 16 labels, names of up to 64 and values of up to 256 printable characters"
            raise Rejected(f"'{visible(each)}' would be left out of a hook's URL", fix)
    return labels


def _remember(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        ctx.meta[_KEY] = value
