"""Settings: of both listeners.

Apart from `server.py`, whose code they tune, because every command reads where the daemon listens: loading an
HTTP server takes longer than most commands do.
"""

import msgspec

from router.secret import Secret
from router.units import Duration, Listen, Network, Size


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
