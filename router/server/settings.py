"""Settings: of both listeners.

Apart from `server.py`, whose code they tune, because every command reads where the daemon listens: loading an
HTTP server takes longer than most commands do.
"""

import re

import msgspec

from router.secret import Secret
from router.units import Duration, Listen, Network, Size

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of both listeners.

    `listen` is where providers post, `admin` where operators ask; `admin_token` guards the latter and is
    required unless it is on loopback or a unix socket. `grace` bounds a shutdown, `body_timeout` the arrival
    of one body, `in_flight` the bytes of all bodies being read or judged. Only peers in `trusted_proxies` may
    say by `X-Forwarded-For` whom they speak for.
    """

    listen: Listen = Listen(host="127.0.0.1", port=8080)
    admin: Listen = Listen(host="127.0.0.1", port=8081)
    admin_token: Secret | None = None
    grace: Duration = Duration(30)
    body_timeout: Duration = Duration(10)
    in_flight: Size = Size(64 << 20)
    trusted_proxies: tuple[Network, ...] = ()


def unsayable(token: str) -> str | None:
    """Why no request can carry a token in its header, and what to do; None: one can.

    RFC 9110, 5.5: a value holds no control character but the tab, and blanks around it are not part of it.
    """
    if token[:1].isspace() or token[-1:].isspace():
        return "begins or ends with a blank or a line break; take that away"
    if _CONTROL.search(token):
        return "holds a control character; take that away"
    return None
