"""Reloads: what one came to, and what is left of a refused one, as documents of the admin API.

What `answers.py` says of its own holds here too. Must not know how a file is read or put into force.
"""

from datetime import datetime

import msgspec

from router.errors import Problem


class Reload(msgspec.Struct, frozen=True):
    """What a reload came to.

    If not `ok`: its problems, and nothing changed. Else warnings, what changed, what of it needs a restart,
    and the references to secrets whose values are those of the start. `config` is the whole path of the file
    on the daemon's host, `sha256` that of its bytes. `no_sink`: what is owed to sinks that are gone.
    """

    ok: bool
    problems: list[Problem]
    changed: list[str]
    restart: list[str]
    from_start: list[str] = []
    config: str = ""
    sha256: str = ""
    no_sink: dict[str, int] = {}


class RefusedReload(msgspec.Struct, frozen=True):
    """A reload that put nothing into force: when it was, how many problems the file has, and the first.

    0 problems: the journal could not take it, and `first` says why.
    """

    at: datetime
    problems: int
    first: str
