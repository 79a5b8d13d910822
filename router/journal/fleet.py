"""Fleet: the routers that share a journal, as one of them sees them. Must not know how they are found out."""

import os
import socket

import msgspec


class RouterMark(msgspec.Struct, frozen=True, kw_only=True):
    """A router at work: `name` is its host and process, `node` its number in the ids that it gives.

    `configuration` is the digest of what is in force there, empty until it said so. `started` and `seen`, its
    last heartbeat, are in seconds since 1970. `live`: its lease has not ended; else its work is taken over.
    `own`: the router that looks.
    """

    name: str
    version: str
    node: int
    configuration: str
    started: float
    seen: float
    live: bool
    own: bool


def own_name() -> str:
    """What this process is called among routers."""
    return f"{socket.gethostname()}:{os.getpid()}"
