"""Daemon: the way to the running router, by what its configuration says of the admin listener."""

import os
from urllib.parse import quote

import click

from router.client import Client
from router.commands.options import config_path
from router.config.load import load_server
from router.config.secrets import value_of
from router.errors import Rejected
from router.secret import Secret
from router.server.settings import unsayable

# A change may touch every row of a large journal; nobody waits for longer without wanting to know.
LONG = 3600.0
# Ids in one request: no more are taken.
AT_ONCE = 500
_CREDENTIALS = "/run/credentials/visual-router.service"


def reach(ctx: click.Context) -> Client:
    """A client for the router of the configuration.

    Only its `server:` section is read, and no secret but the token: the running router can be asked while its
    file is being edited.
    """
    path = config_path(ctx)
    settings = load_server(path)
    return Client(
        settings.admin, None if settings.admin_token is None else _token(settings.admin_token), path
    )


def _token(secret: Secret) -> str:
    token = known(secret).reveal()
    flaw = unsayable(token)
    if flaw is not None:
        fix = "server.admin_token must be the one that the daemon started with"
        raise Rejected(f"the token in '{secret.reference}' {flaw}", fix)
    return token


def known(secret: Secret) -> Secret:
    """The secret with its value, read by this command itself; `Rejected` says how it can be."""
    try:
        return Secret(secret.reference, value_of(secret, os.environ))
    except ValueError as error:
        fix = "this command reads the secret itself: give it what the daemon was given"
        if secret.reference.startswith("credential:"):
            fix += f"; as root, CREDENTIALS_DIRECTORY={_CREDENTIALS}"
        raise Rejected(str(error), fix) from None


def quoted(name: str) -> str:
    """A name as one segment of a path."""
    return quote(name, safe="")
